"""A setting of an optimizer means the same, whether Python, NumPy or a tensor holds the number."""

import inspect

import numpy as np
import pytest

import jtorch

#: Settings that tensors hold, too; others take numbers only, in PyTorch and here.
SETTINGS = [
    ("NAdam", "momentum_decay", 0.5), ("NAdam", "lr", 0.25), ("Adam", "lr", 0.25),
    ("AdamW", "weight_decay", 0.5), ("RAdam", "weight_decay", 0.5), ("Adamax", "lr", 0.25),
    ("Adadelta", "rho", 0.5), ("Adagrad", "lr_decay", 0.5), ("ASGD", "lambd", 0.5),
    ("RMSprop", "alpha", 0.5), ("RMSprop", "momentum", 0.5), ("Rprop", "lr", 0.25),
    ("SGD", "momentum", 0.5), ("SGD", "weight_decay", 0.5), ("Adafactor", "lr", 0.25),
    ("Muon", "momentum", 0.5),
]  # fmt: skip


def trained(name, setting, value):
    p = jtorch.nn.Parameter(jtorch.tensor([[0.5, 1.0], [2.0, -1.0]]))
    optimizer = getattr(jtorch.optim, name)([p], **{setting: value})
    for k in range(3):
        p.grad = p.detach() * 0.5 + k
        optimizer.step()
    return p.detach().numpy()


@pytest.mark.parametrize("kind", [np.float64, np.float32, jtorch.tensor])
@pytest.mark.parametrize(("name", "setting", "value"), SETTINGS)
def test_numbers_of_any_kind(name, setting, value, kind):
    np.testing.assert_allclose(
        trained(name, setting, kind(value)), trained(name, setting, value), rtol=1e-6, atol=1e-7
    )


def test_every_optimizer_is_there():
    known = {name for name, kind in vars(jtorch.optim).items() if inspect.isclass(kind)}
    # L-BFGS reads its numbers once, sparse Adam needs sparse gradients.
    assert known - {name for name, _, _ in SETTINGS} == {"Optimizer", "LBFGS", "SparseAdam", "Optax"}


def test_betas_are_a_tuple_whatever_they_were():
    p = jtorch.nn.Parameter(jtorch.ones(2))
    assert jtorch.optim.Adam([p], betas=[0.5, 0.5]).param_groups[0]["betas"] == (0.5, 0.5)


def test_the_fused_form_may_be_captured_on_the_cpu():
    p = jtorch.nn.Parameter(jtorch.ones(2))
    p.grad = jtorch.ones(2)
    jtorch.optim.Adam([p], capturable=True, fused=True).step()
    with pytest.raises(AssertionError, match="If capturable=True"):
        jtorch.optim.Adam([p], capturable=True).step()


def test_the_state_of_lbfgs_has_the_order_of_pytorch():
    p = jtorch.nn.Parameter(jtorch.tensor([0.5, 1.0]))
    optimizer = jtorch.optim.LBFGS([p], lr=0.5, max_iter=4)

    def closure():
        optimizer.zero_grad()
        loss = (p**4).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert list(optimizer.state[p]) == [
        "func_evals", "n_iter", "al", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad",
        "prev_loss",
    ]  # fmt: skip
