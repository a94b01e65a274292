"""Runs the programs named on the command line one after the other; prints ``{program: what it printed}``."""

import contextlib
import io
import json
import os
import sys
import traceback

printed = {}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        code = compile(file.read(), path, "exec")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        try:
            exec(code, {"__name__": "__main__", "__file__": path})
        except Exception:
            output.write(traceback.format_exc())
    printed[os.path.basename(path)] = output.getvalue()
json.dump(printed, sys.stdout)
