"""``python -m bench.networks``; also how the measurements start their own processes."""

import json
import sys

from bench.networks._page import main

if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        from bench.networks._measure import run_child

        print(json.dumps(run_child(sys.argv[2:])))
    else:
        main(sys.argv[1:])
