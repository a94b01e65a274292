"""Runs a script on PyTorch: ``run_script.py FOLDER TOOL SCRIPT``, with torchvision from FOLDER unless empty.

Its native library is built for another PyTorch and does not load, so TOOL makes the operators that it names.
"""

import runpy
import sys

folder, tool, script = sys.argv[1:]
if folder:
    sys.path.insert(0, tool)
    import torchvision_reference

    torchvision_reference.load(folder)
sys.argv = [script]
runpy.run_path(script, run_name="__main__")
