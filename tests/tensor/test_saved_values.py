"""Which values must not be modified between forward and backward: those that PyTorch saves."""

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
]


def _function(package, name):
    for part in name.split("."):
        package = getattr(package, part)
    return package


def _modified(package, case, target, calls):
    """Whether the backward complains once argument or result number ``target`` was written to."""
    name, shapes, others = case
    for _ in range(calls):
        arguments = []
        for shape in shapes:
            x = package.arange(1.0, 1 + shape[0] * shape[1]).reshape(shape) / 7
            if shape == (2, 2):
                x = x + x.T + 2 * package.eye(2)
            arguments.append(x.requires_grad_().clone())
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
        package.autograd.backward(wanted, [package.ones_like(r) for r in wanted])
    except RuntimeError as error:
        return "has been modified by an inplace operation" in str(error) or str(error)
    return False


@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}{len(c[1])}{len(c[2])}")
def test_values_that_must_not_be_modified(case, calls):
    torch = pytest.importorskip("torch")
    targets = [("argument", 0), ("argument", 1), ("result", 0), ("result", 1), ("result", 2)]
    if case[0] == "gather":
        targets.pop(0)  # PyTorch keeps the input for its sizes; here it may change, and the gradient is right
    expected = [_modified(torch, case, t, 1) for t in targets]
    assert [_modified(jtorch, case, t, calls) for t in targets] == expected


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
