"""Programs for sizes that vary: ``dynamic_shapes`` of ``torch.export.export``."""

import io

import pytest

import jtorch
from jtorch import nn
from jtorch._dynamo.exc import UserError
from jtorch.compiler._errors import ConstraintViolationError
from jtorch.export import Dim, export, load, save

BATCH, LENGTH, HINT = Dim("batch"), Dim("length", max=50), Dim.DYNAMIC


class Encoder(nn.Module):
    """What sizes do in a network of attention: positions by ``arange``, heads by ``view``, a mean."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(7, 8), nn.Embedding(50, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.out = nn.Linear(4, 3)

    def forward(self, tokens):
        n, length = tokens.shape
        hidden = self.layer(self.words(tokens) + self.places(jtorch.arange(length)))
        heads = hidden.view(n, length, 2, 4).transpose(1, 2) + jtorch.zeros(n, 2, length, 4)
        heads = nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
        return self.out(heads.sum(2) / length), {"mask": tokens > 3}


def images():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 2),
    )


NETS = {
    "encoder": (Encoder, lambda n, m: jtorch.arange(n * m).view(n, m) % 7, {0: BATCH, 1: LENGTH}),
    "images": (images, lambda n, m: jtorch.randn(n, 3, 4, 4), {0: BATCH}),
    "LSTM": (lambda: nn.LSTM(3, 4, batch_first=True), lambda n, m: jtorch.randn(n, m, 3), [HINT, None, None]),
}  # fmt: skip


def leaves(x):
    if isinstance(x, dict):
        x = list(x.values())
    return [y for part in x for y in leaves(part)] if isinstance(x, list | tuple) else [x]


@pytest.mark.parametrize("kind", NETS)
def test_a_program_runs_with_other_sizes(kind):
    make, example, shapes = NETS[kind]
    net = make().eval()
    file = io.BytesIO()
    program = export(net, (example(3, 5),), dynamic_shapes=(shapes,))
    save(program, file)
    for p in (program, load(io.BytesIO(file.getvalue()))):
        for n, m in ((2, 9), (3, 5), (1, 2), (70, 3)):
            x = example(n, m if kind == "encoder" else 5)
            with jtorch.no_grad():
                expected = leaves(net(x))
            jtorch.testing.assert_close(leaves(p.module()(x)), expected, rtol=1e-4, atol=1e-5)


def test_sizes_that_do_not_fit_are_refused_as_by_pytorch(torch):
    texts = []
    for library in (torch, jtorch):
        seen = []
        size = library.export.Dim("n", min=3, max=8)
        add = type("Add", (library.nn.Module,), {"forward": lambda self, x, y: x + y})()
        example = library.ones(4, 2), library.ones(4, 2)
        for shapes in (({0: size}, {0: size}), ({0: library.export.Dim.AUTO}, {0: library.export.Dim.AUTO})):
            program = library.export.export(add, example, dynamic_shapes=shapes).module()
            for n, m in ((5, 5), (9, 9), (2, 2), (5, 6)):
                try:
                    seen.append(tuple(program(library.ones(n, 2), library.ones(m, 2)).shape))
                except AssertionError as error:
                    seen.append(str(error))
        texts.append(seen)
    assert texts[1] == texts[0]


def test_shapes_that_do_not_fit_the_example():
    net, x = nn.Linear(4, 2), jtorch.ones(9, 4)
    for said, error, text in (
        (({0: Dim("n", max=8)},), ConstraintViolationError, r"9 not in range \[0, 8\]"),
        (({0: 3},), ConstraintViolationError, "Static shape constraint of 3 does not match input size of 9"),
        (({0: BATCH}, None), UserError, "`inputs` has 1 elements, but `dynamic_shapes` has 2"),
        ({"x": {0: BATCH}}, UserError, r"must be the arg names \['input'\]"),
        (({0: "n"},), UserError, "Unexpected dimension mapped to index 0"),
        (([BATCH],), UserError, "to have the same length"),
        (({0: 2 * BATCH},), UserError, r"to be of the form 2\*batch"),
        ((3,), UserError, "Unexpected input tensor shape 3"),
    ):
        with pytest.raises(error, match=text):
            export(net, (x,), dynamic_shapes=said)
    with pytest.raises(UserError, match="the example's size is 1"):
        export(net, (x[:1],), dynamic_shapes=({0: BATCH},))
    derived = export(net, (x,), dynamic_shapes=({0: 2 * BATCH + 1},))
    assert derived(jtorch.ones(5, 4)).shape == (5, 2)
    with pytest.raises(AssertionError, match=r"input.size\(\)\[0\] == 2\*batch \+ 1"):
        derived(jtorch.ones(6, 4))


def test_functions_that_need_a_size():
    x = jtorch.ones(3, 4)
    with pytest.raises(UserError, match=r"Constraints violated \(batch\).*view\(3, 4\)"):
        export(lambda x: x.view(3, 4) * 2, (x,), dynamic_shapes=({0: BATCH},))
    with pytest.raises(NotImplementedError, match="needs a size that varies as a number"):
        export(lambda x: x * 2 if x.shape[0] > 2 else x, (x,), dynamic_shapes=({0: BATCH},))
    with pytest.raises(NotImplementedError, match="part of a dimension whose size varies"):
        export(lambda x: x[1:] * 2, (x,), dynamic_shapes=({0: BATCH},))
    fixed = export(lambda x: x.view(3, 4) * 2, (x,), dynamic_shapes=({0: Dim.AUTO},))
    assert fixed(x).shape == (3, 4)
    with pytest.raises(AssertionError, match=r"Guard failed: x.size\(\)\[0\] == 3"):
        fixed(jtorch.ones(6, 4))


def test_dims_as_pytorch(torch):
    def shown(library):
        dim, x = library.export.Dim, library.export.Dim("x")
        made = [
            x,
            dim("x", min=3, max=8),
            dim("x", min=2),
            dim("x", max=4),
            2 * x + 1,
            x - 1,
            *dim_pair(library),
        ]
        return [repr(d) for d in made] + [repr(dim.AUTO), repr(dim.DYNAMIC(min=3)), (2 * x).__name__]

    def dim_pair(library):
        return library.export.dims("a", "b", min=2)

    assert shown(jtorch) == shown(torch)
    for bad in (lambda d: d("a b"), lambda d: d("x", min=3, max=2)):
        texts = []
        for library in (torch, jtorch):
            with pytest.raises(AssertionError) as error:
                bad(library.export.Dim)
            texts.append(str(error.value))
        assert texts[1] == texts[0]
