"""Integers beyond 64 bits among the arguments that shape a program are refused at once."""

import pytest

import jtorch


@pytest.mark.parametrize(
    ("name", "args"),
    [("mvlgamma", (2**70,)), ("tensor_split", (2**70,)), ("cumsum", (2**70,)), ("softmax", (-(2**70),))],
)
def test_integers_beyond_64_bits_are_refused_as_in_torch(torch, name, args):
    texts = []
    for package in (torch, jtorch):
        with pytest.raises(ValueError, match="Overflow when unpacking") as caught:
            getattr(package, name)(package.ones(2, 3) + 3, *args)
        texts.append(str(caught.value))
    assert texts[1] == texts[0]
