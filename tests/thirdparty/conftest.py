"""The checks and scripts are run by the tests beside them, not imported."""

collect_ignore_glob = ["checks.py", "run_script.py", "scripts/*"]
