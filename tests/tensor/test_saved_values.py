"""Which values must not be modified between forward and backward: those that PyTorch saves."""

import math

import pytest

import jtorch

#: Operation, shapes of what requires grad, further arguments (a list stands for an index tensor), whether the
#: matrix has to be positive definite.
CASES = [
    ("max", [(2, 3)], (1,)),
    ("min", [(2, 3)], (1,)),
    ("median", [(2, 3)], (1,)),
    ("nanmedian", [(2, 3)], (1,)),
    ("mode", [(2, 3)], (1,)),
    ("kthvalue", [(2, 3)], (2, 1)),
    ("sort", [(2, 3)], ()),
    ("topk", [(2, 3)], (2, 1)),
    ("cummax", [(2, 3)], (1,)),
    ("cummin", [(2, 3)], (1,)),
    ("aminmax", [(2, 3)], ()),
    ("max", [(2, 3)], ()),
    ("amax", [(2, 3)], (1,)),
    ("prod", [(2, 3)], (1,)),
    ("norm", [(2, 3)], (2, 1)),
    ("logsumexp", [(2, 3)], (1,)),
    ("std", [(2, 3)], (1,)),
    ("std_mean", [(2, 3)], (1,)),
    ("var", [(2, 3)], (1,)),
    ("cumprod", [(2, 3)], (1,)),
    ("cumsum", [(2, 3)], (1,)),
    ("logcumsumexp", [(2, 3)], (1,)),
    ("exp", [(2, 3)], ()),
    ("sin", [(2, 3)], ()),
    ("mul", [(2, 3), (2, 3)], ()),
    ("dist", [(2, 3), (2, 3)], ()),
    ("cdist", [(2, 3), (2, 3)], ()),
    ("kron", [(2, 3), (2, 3)], ()),
    ("gather", [(2, 3)], (1, [[0, 1]])),
    ("index_select", [(2, 3)], (1, [0, 2])),
    ("remainder", [(2, 3)], (2.0,)),
    ("pow", [(2, 3)], (2,)),
    ("linalg.inv", [(2, 2)], ()),
    ("linalg.det", [(2, 2)], ()),
    ("linalg.svd", [(2, 2)], ()),
    ("linalg.eigh", [(2, 2)], ()),
    ("linalg.cholesky", [(2, 2)], ()),
    ("linalg.qr", [(2, 2)], ()),
    ("linalg.solve", [(2, 2), (2, 2)], ()),
    ("nn.functional.l1_loss", [(2, 3), (2, 3)], ()),
    ("nn.functional.cross_entropy", [(2, 3)], ([0, 2],)),
    ("take", [(2, 3)], ([0, 2],)),
    ("take_along_dim", [(2, 3)], ([[0, 1]], 1)),
    ("take_along_dim", [(2, 3)], ([0, 1],)),
    ("frexp", [(2, 3)], ()),
    ("fft.rfft", [(2, 3)], ()),
    ("fft.rfft", [(2, 3)], (5,)),
    ("fft.fft", [(2, 3)], ()),
    ("fft.fft2", [(2, 3)], ()),
    ("fft.ihfftn", [(2, 3)], ()),
    ("nn.functional.avg_pool1d", [(2, 3)], (2,)),
    ("nn.functional.adaptive_avg_pool1d", [(2, 3)], (2,)),
    ("nn.functional.max_pool1d", [(2, 3)], (2, 1, 0, 1, False, True)),
    ("nn.functional.pad", [(2, 3)], ((1, 1), "reflect")),
    ("nn.functional.pad", [(2, 3)], ((1, 1), "constant")),
    ("linalg.matrix_norm", [(2, 3)], ()),
    ("linalg.matrix_norm", [(2, 3)], ("nuc",)),
    ("linalg.norm", [(2, 3)], ()),
    ("ldexp", [(2, 3), (2, 3)], ()),
    ("hypot", [(2, 3), (2, 3)], ()),
    ("copysign", [(2, 3), (2, 3)], ()),
    ("remainder", [(2, 3), (2, 3)], ()),
    ("pow", [(2, 3), (2, 3)], ()),
    ("complex", [(2, 3), (2, 3)], ()),
    ("cosine_similarity", [(2, 3), (2, 3)], ()),
    ("nn.functional.kl_div", [(2, 3), (2, 3)], (None, None, "sum", True)),
    ("nn.functional.poisson_nll_loss", [(2, 3), (2, 3)], ()),
    ("nn.functional.scaled_dot_product_attention", [(1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)], ()),
    ("nn.functional.scaled_dot_product_attention", [(2, 3, 4), (2, 3, 4), (2, 3, 4)], ()),
    ("nn.functional.conv1d", [(1, 2, 5), (3, 2, 3)], (None, 1, "same")),
    ("addmm", [(2, 3), (2, 3), (3, 3)], ()),
]


TARGETS = [("argument", 0), ("argument", 1), ("argument", 2), ("result", 0), ("result", 1), ("result", 2)]


@pytest.fixture(autouse=True)
def _recorded_graph_ends_with_the_test():
    yield
    (jtorch.ones(1) + 1).item()  # nothing else is alive: what many tests recorded is not kept until the cap


def _function(package, name):
    for part in name.split("."):
        package = getattr(package, part)
    return package


def _modified(package, case, target, calls, alone=None):
    """Whether the backward complains once argument or result number ``target`` was written to.

    Args:
        package: torch or jtorch.
        case: one of ``CASES``.
        target: ``("argument", place)`` or ``("result", place)``.
        calls: how often the operation is called before.
        alone: the only argument that requires grad; all do by default.
    """
    name, shapes, others = case
    for _ in range(calls):
        leaves, arguments = [], []
        for shape in shapes:
            x = package.arange(1.0, 1 + math.prod(shape)).reshape(shape) / 7
            if shape == (2, 2):
                x = x + x.T + 2 * package.eye(2)
            leaves.append(x.requires_grad_(alone in (None, len(arguments))))
            arguments.append(x.clone())
        arguments += [package.tensor(o) if isinstance(o, list) else o for o in others]
        made = _function(package, name)(*arguments)
    results = [made] if isinstance(made, package.Tensor) else list(made)
    which, place = target
    among = results if which == "result" else [a for a in arguments if isinstance(a, package.Tensor)]
    if place >= len(among):
        return None
    with package.no_grad():
        among[place].copy_(among[place].clone())
    wanted = [r for r in results if r.requires_grad]
    try:
        wanting = [x for x in leaves if x.requires_grad]
        package.autograd.grad(wanted, wanting, [package.ones_like(r) for r in wanted], allow_unused=True)
    except RuntimeError as error:
        return "has been modified by an inplace operation" in str(error) or str(error)
    return False


@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}{len(c[1])}{len(c[2])}")
def test_values_that_must_not_be_modified(case, calls):
    torch = pytest.importorskip("torch")
    expected = [_modified(torch, case, t, 1) for t in TARGETS]
    assert [_modified(jtorch, case, t, calls) for t in TARGETS] == expected


@pytest.mark.parametrize(
    ("case", "alone"), [(c, i) for c in CASES if len(c[1]) > 1 for i in range(len(c[1]))], ids=str
)
def test_values_that_the_gradient_of_one_operand_needs(case, alone):
    torch = pytest.importorskip("torch")
    expected = [_modified(torch, case, t, 1, alone) for t in TARGETS]
    assert [_modified(jtorch, case, t, 1, alone) for t in TARGETS] == expected


def test_lengths_of_ctc_loss_may_be_modified():
    torch = pytest.importorskip("torch")
    found = []
    for package in (torch, jtorch):
        leaf = package.arange(15.0).reshape(5, 1, 3).requires_grad_()
        lengths = package.tensor([5]), package.tensor([2])
        log_probs, targets = leaf.log_softmax(2), package.tensor([[1, 2]])
        loss = package.nn.functional.ctc_loss(log_probs, targets, *lengths)
        for length in lengths:
            length.fill_(1)
        loss.backward()
        found.append(leaf.grad.reshape(-1).tolist())
    assert found[1] == pytest.approx(found[0], abs=1e-6)


def test_input_of_max_may_be_modified():
    a = jtorch.tensor([[1.0, 5.0], [7.0, 2.0]], requires_grad=True)
    x = a * 1
    y = x.max(1)[0]
    x.add_(1)
    y.sum().backward()
    assert a.grad.tolist() == [[0, 1], [1, 0]]


def test_modified_indices_are_noticed():
    x = jtorch.tensor([[1.0, 5.0], [7.0, 2.0]], requires_grad=True)
    values, indices = x.max(1)
    indices.zero_()
    # PyTorch 2.13's text.
    with pytest.raises(RuntimeError, match=r"operation: \[torch.LongTensor \[2\]\] is at version 1;"):
        values.sum().backward()
