"""Images that programs hold channels last: what comes between convolutions, compared with PyTorch."""

import gc
import itertools
import re

import numpy as np
import pytest

import jtorch
from jtorch.compiler import lower
from jtorch.trace import _executor, _packing, _program

RNG = np.random.default_rng(5)
X = RNG.standard_normal((2, 3, 8, 6))
#: To four channels, from four to four, and from any number to two.
WEIGHTS = [RNG.standard_normal(shape) / 3 for shape in ((4, 3, 3, 3), (4, 1, 3, 3), (4, 4, 1, 1))]
SCALE, SHIFT = RNG.standard_normal((2, 4))

BETWEEN = {
    "relu": lambda t, h: t.relu(h),
    "residual": lambda t, h: h + t.sigmoid(h) * h,
    "two orders": lambda t, h: h + h.flip(1).permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2),
    "bias": lambda t, h: h + t.tensor(SCALE).view(-1, 1, 1),
    "row": lambda t, h: h * t.arange(6, dtype=t.float64),
    "image without channels": lambda t, h: h * t.ones(8, 6, dtype=t.float64).cumsum(0),
    "batch norm": lambda t, h: t.nn.functional.batch_norm(h, None, None, t.tensor(SCALE), training=True),
    "group norm": lambda t, h: t.nn.functional.group_norm(h, 2, t.tensor(SCALE), t.tensor(SHIFT)),
    "instance norm": lambda t, h: t.nn.functional.instance_norm(h),
    "layer norm": lambda t, h: t.nn.functional.layer_norm(h, h.shape[1:]),
    "local response": lambda t, h: t.nn.functional.local_response_norm(h, 3),
    "max pool": lambda t, h: t.nn.functional.max_pool2d(h, 2),
    "max pool, overlapping": lambda t, h: t.nn.functional.max_pool2d(h, 3, 2, 1),
    "average pool": lambda t, h: t.nn.functional.avg_pool2d(h, 3, 2, 1),
    "adaptive pool": lambda t, h: t.nn.functional.adaptive_avg_pool2d(h, (4, 4)),
    "squeeze and excite": lambda t, h: h * t.sigmoid(t.nn.functional.adaptive_avg_pool2d(h, 1)),
    "nearest": lambda t, h: t.nn.functional.interpolate(h, scale_factor=2),
    "bilinear": lambda t, h: t.nn.functional.interpolate(h, scale_factor=2, mode="bilinear"),
    "shuffle of pixels": lambda t, h: t.nn.functional.pixel_unshuffle(h, 2)[:, ::4],
    "concatenation": lambda t, h: t.cat([h[:, 2:], h.neg()[:, :2]], 1),
    "concatenation of rows": lambda t, h: t.cat([h, h * 2], 2),
    "parts": lambda t, h: t.cat(h.chunk(2, 1)[::-1], 1) + t.stack(h.split(1, 1), 1).squeeze(2),
    "shuffle of channels": lambda t, h: h.view(2, 2, 2, 8, 6).transpose(1, 2).reshape(2, 4, 8, 6),
    "flips": lambda t, h: h.flip(2) + h.flip(1, 3),
    "roll": lambda t, h: h.roll((1, 2), (1, 3)),
    "padding": lambda t, h: t.nn.functional.pad(h, (1, 2, 0, 1)),
    "reflection": lambda t, h: t.nn.functional.pad(h, (1, 1, 1, 1), "reflect"),
    "softmax over channels": lambda t, h: h.softmax(1) + h.log_softmax(3),
    "largest channel": lambda t, h: h * h.amax(1, keepdim=True) + h.max(2, keepdim=True).values,
    "cumulated": lambda t, h: h.cumsum(1) * 0.1,
    "condition": lambda t, h: t.where(h > 0, h, h.exp()).clamp(-1, 1),
    "products": lambda t, h: (h.flatten(2).softmax(2) @ h.flatten(2).mT)[..., None] * h[:, :, :4, :1],
    "indices": lambda t, h: h[:, [3, 1, 0, 2], 1:, ::2],
    "written in place": lambda t, h: h.clone().mul_(2).add_(1).index_fill_(1, t.tensor([1]), 0.5),
    "mean over batch": lambda t, h: h - h.mean(0, keepdim=True) + h.var((0, 2), keepdim=True),
}  # fmt: skip


def run(t, between, first, second):
    """The result and the gradients of everything, as arrays."""
    x, w, v = (t.tensor(a, requires_grad=True) for a in (X, first, second))
    h = between(t, t.nn.functional.conv2d(x, w, padding=1))
    out = t.nn.functional.conv2d(h, v, padding=1, groups=4 // v.shape[1])
    (out.square().sum() + (out * h.sum()).mean()).backward()
    return [y.detach().numpy() for y in (out, x.grad, w.grad, v.grad)]


@pytest.mark.parametrize("name", BETWEEN)
def test_what_comes_between_convolutions(name):
    torch = pytest.importorskip("torch")
    second = WEIGHTS[1] if len(name) % 2 else WEIGHTS[2]
    for mine, theirs in zip(
        run(jtorch, BETWEEN[name], WEIGHTS[0], second),
        run(torch, BETWEEN[name], WEIGHTS[0], second),
        strict=True,
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions_keep_the_order_of_dimensions(keepdim):
    h = jtorch.nn.functional.conv2d(jtorch.tensor(X), jtorch.tensor(WEIGHTS[0]))
    dims = [d for n in (1, 2, 3) for d in itertools.combinations(range(4), n)]
    found = {d: (h.sum(d, keepdim=keepdim), h.amax(d, keepdim=keepdim)) for d in dims}
    image = h.numpy()
    assert image.shape == (2, 4, 6, 4)
    for d, (total, largest) in found.items():
        np.testing.assert_allclose(total.numpy(), image.sum(d, keepdims=keepdim), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(largest.numpy(), image.max(d, keepdims=keepdim))


class Block(jtorch.nn.Module):
    def __init__(self, width, stride):
        super().__init__()
        nn = jtorch.nn
        self.before = nn.Conv2d(3, width, 3, padding=1)
        self.path = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 3, 1, 1, groups=width),
        )
        self.down = nn.Conv2d(width, width, 1, stride)
        self.after = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))

    def forward(self, x):
        x = self.before(x)
        return self.after((self.path(x) + self.down(x)).relu())


@pytest.mark.parametrize("training", [True, False])
def test_no_image_is_transposed_between_convolutions(training):
    with jtorch.no_grad():  # else what the backward needs goes out, in PyTorch's order
        text = lower(Block(8, 2).train(training), jtorch.rand(2, 3, 8, 8)).as_text()
    moved = re.findall(r"stablehlo.transpose.*tensor<([\dx]+)xf32>\) ->", text)
    assert text.count("stablehlo.convolution") >= 3
    # The head is a matrix; the picture that comes in is chosen from, channel by channel.
    assert [shape for shape in moved if shape.count("x") == 3] == []


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("training", [True, False])
def test_pictures_with_special_values(training, channels, lazy):
    torch = pytest.importorskip("torch")
    pictures = np.random.default_rng(channels).standard_normal((2, channels, 6, 6)).astype(np.float32)
    pictures[0, 0, 0, 0], pictures[1, -1, 3, 4], pictures[1, 0, 5, 0] = np.nan, np.inf, -0.0
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        model = t.nn.Sequential(t.nn.Conv2d(channels, 3, 1), t.nn.ReLU(), t.nn.MaxPool2d(2))
        x = t.tensor(pictures, requires_grad=training)
        with t.set_grad_enabled(training):
            out = model(x)
        found.append([out.detach()])
        if training:
            out.nan_to_num(posinf=1).sum().backward()
            found[-1] += [x.grad, model[0].bias.grad]
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_a_backward_takes_what_its_forward_left():
    """One operation of several convolutions, which leave different things to their backwards."""
    weights = [jtorch.tensor(w, requires_grad=True) for w in (WEIGHTS[2], WEIGHTS[2] * 2, WEIGHTS[0])]
    x = jtorch.tensor(RNG.standard_normal((2, 4, 5, 5)))
    y = jtorch.tensor(X)

    def loss(a, b, c):
        conv = jtorch.nn.functional.conv2d
        return (conv(conv(x, a).tanh(), b).sum() * conv(y, c).square()).mean()

    loss(*weights).backward()
    expected = jtorch.func.grad(loss, (0, 1, 2))(*weights)
    compiled = jtorch.compile(loss)
    plain = [w.grad for w in weights]
    for w in weights:
        w.grad = None
    for _ in range(2):
        compiled(*weights).backward()
    for w, g, e in zip(weights, plain, expected, strict=True):
        assert g.abs().min() > 0
        jtorch.testing.assert_close(g, e, rtol=1e-9, atol=1e-9)
        jtorch.testing.assert_close(w.grad / 2, e, rtol=1e-9, atol=1e-9)


# ---- kernels that are packed before the program runs ----------------------------------------------------


def texts_of_programs(monkeypatch):
    """The optimised HLO of programs that run for the first time from here on."""
    texts = []
    build = _program.jit

    def keep(function, platform, **arguments):
        call = build(function, platform, **arguments)

        def run(*operands):
            texts.append(call.lower(*operands).compile().as_text())
            return call(*operands)

        return run

    monkeypatch.setattr(_program, "jit", keep)
    _executor.clear_programs()
    return texts


def network(t):
    t.manual_seed(3)
    layers = t.nn.Conv2d(3, 4, 3), t.nn.ReLU(), t.nn.Conv2d(4, 6, (2, 3), stride=2, bias=False), t.nn.ReLU()
    return t.nn.Sequential(*layers, t.nn.Conv2d(6, 2, 1)).double()


def kernels_transposed(text):
    return len(re.findall(r"= f64\[\d,\d,\d,\d\]\S* transpose\(%param\S*\), dimensions={2,3,1,0}", text))


def test_a_program_that_is_only_applied_gets_its_kernels_packed(lazy, monkeypatch):
    torch = pytest.importorskip("torch")
    texts = texts_of_programs(monkeypatch)
    mine, theirs = network(jtorch), network(torch)
    for _ in range(3):
        with torch.no_grad(), jtorch.no_grad():
            for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
                p.mul_(0.5)  # kernels are noticed to be others
                q.mul_(0.5)
            found, expected = mine(jtorch.tensor(X)).numpy(), theirs(torch.tensor(X)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    applied = [text for text in texts if "convolution" in text]
    assert applied
    out = mine(jtorch.tensor(X))
    out.sum().backward()
    mine[0].weight.grad.numpy()
    trained = [text for text in texts if "convolution" in text][len(applied) :]
    assert sum(map(kernels_transposed, applied)) == 0 < sum(map(kernels_transposed, trained))


def test_packed_kernels_go_with_the_weights(lazy):
    before = len(_packing._packed)
    model = network(jtorch)
    with jtorch.inference_mode():
        for _ in range(3):
            model(jtorch.tensor(X)).numpy()
    assert len(_packing._packed) > before
    del model
    gc.collect()
    assert len(_packing._packed) == before


def test_kernels_in_memory_that_numpy_shares(lazy):
    torch = pytest.importorskip("torch")
    memory = WEIGHTS[0].copy()
    weight = jtorch.from_numpy(memory)
    with jtorch.no_grad():
        for factor in (1.0, 2.0, -3.0):
            memory *= factor
            found = jtorch.relu(jtorch.nn.functional.conv2d(jtorch.tensor(X), weight)).numpy()
            expected = torch.relu(torch.nn.functional.conv2d(torch.tensor(X), torch.tensor(memory)))
            np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-12)


USES = {
    "alone": (True, lambda w, h: h),
    "twice": (True, lambda w, h: h + jtorch.nn.functional.conv2d(jtorch.tensor(X), w, padding=0)),
    "for its norm": (False, lambda w, h: h * w.square().sum()),
    "transposed": (False, lambda w, h: jtorch.nn.functional.conv_transpose2d(h, w)),
}


@pytest.mark.parametrize("name", USES)
def test_which_kernels_are_packed(name, lazy):
    only, use = USES[name]
    taken = []
    find = _packing.kernels

    def kernels(body, live):
        taken.append(find(body, live))
        return taken[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_program, "kernels", kernels)
        _executor.clear_programs()
        w = jtorch.tensor(WEIGHTS[0])
        with jtorch.no_grad():
            found = use(w, jtorch.nn.functional.conv2d(jtorch.tensor(X), w)).numpy()
    assert any(taken) is only
    with jtorch.no_grad():
        w = jtorch.tensor(WEIGHTS[0])
        h = jtorch.nn.functional.conv2d(jtorch.tensor(X), w)
        h.numpy()
        np.testing.assert_allclose(use(w, h).numpy(), found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("window", [(2,), (3, 2, 1), (2, 1, 1, 1, True), (3, 2, 0, 2)])
def test_pools_of_applied_networks_choose_as_others_do(window, lazy):
    numbers = RNG.standard_normal((2, 3, 16, 14)).astype(np.float32)
    special = RNG.random(numbers.shape) < 0.3
    numbers[special] = RNG.choice(
        np.array([np.nan, -np.nan, np.inf, -np.inf, 0, -1e-30, 3e38], np.float32), special.sum()
    )
    pool = jtorch.nn.functional.max_pool2d
    # Each channel alone, so that the convolution gives the numbers that it is given.
    one = jtorch.ones(3, 1, 1, 1)
    with jtorch.no_grad():
        found = pool(jtorch.nn.functional.conv2d(jtorch.tensor(numbers), one, groups=3), *window).numpy()
    np.testing.assert_array_equal(found, pool(jtorch.tensor(numbers), *window).numpy())


def test_which_pools_choose_among_integers(lazy, monkeypatch):
    from jtorch.trace import _channels_last

    chosen = []
    choice = _channels_last.choice

    def counted(signature, image):
        chosen.append(signature)
        return choice(signature, image)

    monkeypatch.setattr(_channels_last, "choice", counted)
    _executor.clear_programs()
    functional = jtorch.nn.functional
    w = jtorch.tensor(WEIGHTS[0].astype(np.float32), requires_grad=True)
    image = jtorch.tensor(X.astype(np.float32), requires_grad=True)
    functional.max_pool2d(functional.conv2d(image, w), 2).sum().backward()
    w.grad.numpy()
    assert not chosen
    with jtorch.no_grad():
        functional.max_pool2d(functional.conv2d(image, w), 2).numpy()
        assert len(chosen) == 1
        functional.max_pool2d(functional.conv2d(image, w), 2, return_indices=True)[1].numpy()
    assert len(chosen) == 1
