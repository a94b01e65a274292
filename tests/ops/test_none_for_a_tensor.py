"""``None`` in place of the tensor is refused with PyTorch's text."""

import pytest

import jtorch

NAMES = ["abs", "ceil", "erf", "exp2", "frac", "i0", "selu", "sort", "sign", "lgamma", "trunc", "qr"]


@pytest.mark.parametrize("name", NAMES)
def test_none_is_refused_as_in_torch(torch, name):
    texts = []
    for package in (torch, jtorch):
        with pytest.raises(TypeError) as caught:
            getattr(package, name)(None)
        texts.append(str(caught.value))
    assert texts[1] == texts[0]
