"""The table in ``README.md`` names every section of the documents, and only tests that exist."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCUMENTS = Path(__file__).parents[2].parent / "shared" / "documents"
ROW = re.compile(r"^\| (\d{3}), (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
SECTIONS = (HERE / "README.md").read_text(encoding="utf-8").partition("## Sections")[2]
ROWS = {(document, int(number)): tests for document, number, _, tests in ROW.findall(SECTIONS)}
COUNTS = {"000": 36, "001": 52, "002": 38, "003": 20, "004": 81}


def headings(path, levels):
    """How many headings a document has outside of its code."""
    count, inside = 0, False
    for line in path.read_text(encoding="utf-8").split("\n"):
        if re.match(r"^\s*(>\s*)?(- )?```", line) and line.count("```") == 1:
            inside = not inside
        elif not inside and re.match(rf"^#{{1,{levels}}} ", line):
            count += 1
    return count


def test_every_section_is_in_the_table():
    assert set(ROWS) == {(name, k) for name, count in COUNTS.items() for k in range(1, count + 1)}


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="needs ../shared/documents, which is not there")
def test_sections_are_those_of_the_documents():
    found = {path.name[:3]: path for path in DOCUMENTS.glob("00*.txt")}
    assert {name: headings(path, 3 if name == "004" else 4) for name, path in found.items()} == COUNTS


def test_named_tests_exist_and_all_are_named():
    exist = {
        f"{path.name}::{name}"
        for path in HERE.glob("test_*.py")
        if path.name != Path(__file__).name
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = {test for tests in ROWS.values() if tests != "prose" for test in re.findall(r"`([^`]+)`", tests)}
    assert named <= exist
    assert all(tests == "prose" or "`" in tests for tests in ROWS.values())
    # Tests of what several sections share, or of PyTorch reading what was saved.
    assert exist - named == {
        "test_errors.py::test_histories_are_used_once",
        "test_saving.py::test_real_pytorch_reads_the_file",
        "test_saving.py::test_state_of_training",
    }
