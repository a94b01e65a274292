"""The linear regressions of the documents: printed losses, predictions and learnt parameters.

Losses are printed there with all digits of a float32. XLA orders the arithmetic of a fused program in its
own way, so the last digits may differ: after hundreds of steps a parameter is off by a few units in the last
place (6e-8).
"""

import copy

import pytest

import jtorch as torch
from jtorch import nn

ULPS = 3e-7  # a few units in the last place of parameters below 1, see above

X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
Y = 0.7 * X + 0.3
X_TRAIN, Y_TRAIN, X_TEST, Y_TEST = X[:40], Y[:40], X[40:], Y[40:]


class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights * x + self.bias


class LinearRegressionModelV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_layer(x)


def column(x):
    assert x.shape == (10, 1)
    return [f"{v:.4f}" for v in x.squeeze().tolist()]


def test_data_and_split():
    rows = [
        "0.0000",
        "0.0200",
        "0.0400",
        "0.0600",
        "0.0800",
        "0.1000",
        "0.1200",
        "0.1400",
        "0.1600",
        "0.1800",
    ]
    labels = [
        "0.3000",
        "0.3140",
        "0.3280",
        "0.3420",
        "0.3560",
        "0.3700",
        "0.3840",
        "0.3980",
        "0.4120",
        "0.4260",
    ]
    for values, printed in ((X[:10], rows), (Y[:10], labels)):
        assert str(values) == "tensor([" + ",\n        ".join(f"[{v}]" for v in printed) + "])"
    assert (len(X_TRAIN), len(Y_TRAIN), len(X_TEST), len(Y_TEST)) == (40, 40, 10, 10)


def test_parameters_drawn_by_hand_and_a_hundred_epochs():
    torch.manual_seed(42)
    model = LinearRegressionModel()
    assert str(list(model.parameters())) == (
        "[Parameter containing:\ntensor([0.3367], requires_grad=True), "
        "Parameter containing:\ntensor([0.1288], requires_grad=True)]"
    )
    expected = "OrderedDict([('weights', tensor([0.3367])), ('bias', tensor([0.1288]))])"
    assert str(model.state_dict()) == expected
    with torch.inference_mode():
        untrained = model(X_TEST)
    assert not untrained.requires_grad
    assert column(untrained) == (
        ["0.3982", "0.4049", "0.4116", "0.4184", "0.4251", "0.4318", "0.4386", "0.4453", "0.4520", "0.4588"]
    )
    assert column(Y_TEST - untrained) == (
        ["0.4618", "0.4691", "0.4764", "0.4836", "0.4909", "0.4982", "0.5054", "0.5127", "0.5200", "0.5272"]
    )

    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model.parameters(), lr=0.01)
    seen = []
    for epoch in range(100):
        model.train()
        loss = loss_fn(model(X_TRAIN), Y_TRAIN)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.inference_mode():
            test_loss = loss_fn(model(X_TEST), Y_TEST.type(torch.float))
        if epoch % 10 == 0:
            seen.append((loss.detach().numpy(), test_loss.detach().numpy()))
    documented = [
        (0.31288138031959534, 0.48106518387794495),
        (0.1976713240146637, 0.3463551998138428),
        (0.08908725529909134, 0.21729660034179688),
        (0.053148526698350906, 0.14464017748832703),
        (0.04543796554207802, 0.11360953003168106),
        (0.04167863354086876, 0.09919948130846024),
        (0.03818932920694351, 0.08886633068323135),
        (0.03476089984178543, 0.0805937647819519),
        (0.03132382780313492, 0.07232122868299484),
        (0.02788739837706089, 0.06473556160926819),
    ]
    for found, value in zip(seen, documented, strict=True):
        assert found == pytest.approx(value, abs=ULPS)
    assert seen[0] == pytest.approx(documented[0], abs=0)  # before any update: to the bit
    expected = "OrderedDict([('weights', tensor([0.5784])), ('bias', tensor([0.3513]))])"
    assert str(model.state_dict()) == expected
    with torch.inference_mode():
        predictions = model(X_TEST)
    assert column(predictions) == (
        ["0.8141", "0.8256", "0.8372", "0.8488", "0.8603", "0.8719", "0.8835", "0.8950", "0.9066", "0.9182"]
    )


def test_a_linear_layer_and_a_thousand_epochs():
    torch.manual_seed(42)
    model = LinearRegressionModelV2()
    assert str((model, model.state_dict())) == (
        "(LinearRegressionModelV2(\n  (linear_layer): Linear(in_features=1, out_features=1, bias=True)\n), "
        "OrderedDict([('linear_layer.weight', tensor([[0.7645]])), ('linear_layer.bias', tensor([0.8300]))]))"
    )
    assert repr(next(model.parameters()).device) == "device(type='cpu')"
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model.parameters(), lr=0.01)

    def epoch(_):
        loss = loss_fn(model(X_TRAIN), Y_TRAIN)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.inference_mode():
            test_loss = loss_fn(model(X_TEST), Y_TEST)
        return loss.detach(), test_loss

    losses, test_losses = torch.scan(epoch, torch.arange(1000))
    assert losses[0].item() == 0.5551779866218567
    assert test_losses[0].item() == pytest.approx(0.5739762187004089, abs=ULPS)
    # L1's gradient has one size only: the end swings between two values, and 900 is the lower.
    assert losses[900].item() == pytest.approx(0.0012645035749301314, abs=ULPS)
    # The document printed 0.013801801018416882, PyTorch 2.13 gives 0.013801807537674904.
    assert test_losses[900].item() == pytest.approx(0.013801807537674904, abs=ULPS)
    # Epoch 100, of PyTorch 2.13 (the document leaves it out).
    assert losses[100].item() == pytest.approx(0.006215679459273815, abs=ULPS)
    assert column(model(X_TEST).detach()) == (
        ["0.8600", "0.8739", "0.8878", "0.9018", "0.9157", "0.9296", "0.9436", "0.9575", "0.9714", "0.9854"]
    )


def test_saving_and_loading(tmp_path):
    torch.manual_seed(42)
    for model in (LinearRegressionModel(), LinearRegressionModelV2()):
        path = tmp_path / "models" / "model.pth"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(obj=model.state_dict(), f=path)
        loaded = type(model)()
        for weights_only in (True, None):
            result = loaded.load_state_dict(torch.load(f=path, weights_only=weights_only))
            assert str(result) == "<All keys matched successfully>"
        loaded.eval()
        with torch.inference_mode():
            same = model(X_TEST) == loaded(X_TEST)
        assert str(same) == "tensor([" + ",\n        ".join(["[True]"] * 10) + "])"
        assert copy.deepcopy(loaded)(X_TEST).shape == (10, 1)


def test_two_features_with_noise():
    # The seed is the document's, which prints no values: those of PyTorch 2.13.
    torch.manual_seed(42)
    x = torch.randn(100, 2)
    y = x @ torch.tensor([2.0, 3.0]) + 4.0 + torch.randn(100) * 0.1
    assert str(x[:2]) == "tensor([[ 1.9269,  1.4873],\n        [ 0.9007, -2.1055]])"
    assert str(y[:5]) == "tensor([12.4460, -0.4663,  1.7666, -0.9357,  7.4781])"
    model = nn.Linear(2, 1)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def epoch(_):
        loss = criterion(model(x).squeeze(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = torch.scan(epoch, torch.arange(1000))
    printed = [f"{v:.4f}" for v in losses[99::100].tolist()]
    assert printed == ["0.4569", "0.0142", "0.0082"] + ["0.0081"] * 7
    assert model.weight.data.numpy()[0] == pytest.approx([2.009702, 2.9986038], abs=5 * ULPS)
    assert model.bias.data.numpy() == pytest.approx([4.020908], abs=5 * ULPS)


def test_steps_worked_out_by_hand():
    # The document takes -0.5 + 1.5 * 3 for 3.5 and drops a factor 2 from gradients. PyTorch 2.13's values:
    w, b = torch.tensor(1.5, requires_grad=True), torch.tensor(-0.5, requires_grad=True)
    x, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 6.0])
    optimizer = torch.optim.SGD([w, b], lr=0.01)
    losses = []
    for _ in range(5):
        prediction = w * x + b
        loss = nn.MSELoss()(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if len(losses) == 1:
            assert prediction.tolist() == [1.0, 2.5, 4.0]
            assert (w.grad.item(), b.grad.item()) == pytest.approx((-6.6666670, -3.0), abs=2e-6)
        optimizer.step()
    assert losses == pytest.approx([2.4166667, 1.9118624, 1.5128351, 1.1974167, 0.9480875], rel=1e-6)
    assert (w.item(), b.item()) == pytest.approx((1.7668988, -0.3792409), rel=1e-6)
    # Its example of the loss itself: (0.04 + 0.25 + 0.01) / 3.
    assert nn.MSELoss()(torch.tensor([2.2, 3.0, 4.1]), torch.tensor([2.0, 3.5, 4.0])) == pytest.approx(0.1)
