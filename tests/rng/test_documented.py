"""The code of docs/random.md runs, and gives what it says."""

import re
from pathlib import Path

import numpy as np

import jtorch

PAGE = Path(__file__).parents[2] / "docs" / "random.md"


def test_code_of_the_page(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    seed, keys = blocks
    exec(seed, {})
    assert capsys.readouterr().out.strip() == re.search(r"# (tensor.*)", seed)[1]
    state = jtorch.get_rng_state()
    space = {}
    exec(keys, space)
    first, second, rows = space["first"], space["second"], space["rows"]
    for column in (0, 1):
        assert np.array_equal(rows[column][0], first[column])
        assert np.array_equal(rows[column][1], second[column])
    assert not np.array_equal(first[0], second[0])
    assert jtorch.equal(jtorch.get_rng_state(), state)
