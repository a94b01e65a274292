"""The checks are run by the test beside them, not imported."""

collect_ignore_glob = ["checks.py"]
