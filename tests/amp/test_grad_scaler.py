"""GradScaler: scale, skipped steps, growth, state and errors as PyTorch's."""

import pickle

import numpy as np
import pytest

import jtorch


def train(t, losses, **kwargs):
    """Scales, steps and weights after each loss factor; a huge one makes gradients overflow."""
    w = t.ones(2, requires_grad=True)
    optimizer = t.optim.SGD([w], lr=0.1)
    scaler = t.amp.GradScaler("cpu", **kwargs)
    seen = []
    for factor in losses:
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append((scaler.get_scale(), scaler._get_growth_tracker(), w.tolist()))
    return seen, scaler


def test_scale_grows_and_backs_off_as_in_torch(torch):
    losses = [1.0, 2.0, float("inf"), 1.0, 1.0, 1.0, float("nan"), 3.0]
    kwargs = {"init_scale": 4.0, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 2}
    mine, theirs = train(jtorch, losses, **kwargs)[0], train(torch, losses, **kwargs)[0]
    for a, b in zip(mine, theirs, strict=True):
        assert a[:2] == b[:2]
        assert np.allclose(a[2], b[2], rtol=1e-6)


def test_scale_does_not_grow_to_infinity(torch):
    for t in (jtorch, torch):
        # 2 ** 120 overflows float32 when doubled eight times.
        scaler = train(t, [1e-30] * 10, init_scale=2.0**120, growth_interval=1)[1]
        assert scaler.get_scale() == 2.0**127


def test_unscaled_gradients_can_be_clipped(torch):
    found = []
    for t in (jtorch, torch):
        w = t.tensor([3.0, 4.0], requires_grad=True)
        optimizer = t.optim.SGD([w], lr=1.0)
        scaler = t.amp.GradScaler("cpu", init_scale=1024.0)
        scaler.scale((w * w).sum() / 2).backward()
        scaler.unscale_(optimizer)
        norm = t.nn.utils.clip_grad_norm_([w], 1.0)
        scaler.step(optimizer)
        scaler.update()
        found.append([norm.item(), *w.tolist()])
    assert np.allclose(*found, rtol=1e-6)


def test_scaling_containers_of_outputs():
    scaler = jtorch.amp.GradScaler("cpu", init_scale=2.0)
    a, (b, c) = scaler.scale((jtorch.ones(1), [jtorch.ones(2), jtorch.ones(1) * 3]))
    assert (a.tolist(), b.tolist(), c.tolist()) == ([2.0], [2.0, 2.0], [6.0])
    with pytest.raises(ValueError, match="outputs must be a Tensor or an iterable of Tensors"):
        scaler.scale(3)


def test_several_optimizers_share_the_scale(torch):
    found = []
    for t in (jtorch, torch):
        a, b = t.ones(1, requires_grad=True), t.ones(1, requires_grad=True)
        first, second = t.optim.SGD([a], lr=0.1), t.optim.Adam([b], lr=0.1)
        scaler = t.amp.GradScaler("cpu", init_scale=8.0)
        seen = []
        for factor in (1.0, float("inf"), 1.0):
            first.zero_grad()
            second.zero_grad()
            scaler.scale([(a * factor).sum(), b.sum()])
            for loss in scaler.scale([(a * factor).sum(), (b * 2).sum()]):
                loss.backward()
            scaler.step(first)
            scaler.step(second)
            scaler.update()
            seen.append((scaler.get_scale(), a.item(), b.item()))
        found.append(seen)
    assert np.allclose(found[0], found[1], rtol=1e-5)


def test_optimizers_that_look_at_the_scale_themselves(torch):
    def use(t):
        class Own(t.optim.SGD):
            _step_supports_amp_scaling = True

            def step(self, closure=None):
                seen.append((self.grad_scale.item(), self.found_inf.item()))

        seen = []
        w = t.ones(1, requires_grad=True)
        optimizer = Own([w], lr=0.1)
        scaler = t.amp.GradScaler("cpu", init_scale=8.0)
        for factor in (1.0, float("inf")):
            optimizer.zero_grad()
            scaler.scale((w * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        return *seen, scaler.get_scale(), hasattr(optimizer, "found_inf")

    assert use(jtorch) == use(torch)


def test_state_moves_between_frameworks(torch):
    mine, theirs = train(jtorch, [1.0, 1.0])[1], train(torch, [1.0, 1.0])[1]
    assert mine.state_dict() == theirs.state_dict()
    fresh = jtorch.amp.GradScaler("cpu", init_scale=1.0)
    fresh.load_state_dict(theirs.state_dict())
    assert fresh.state_dict() == theirs.state_dict()
    again = pickle.loads(pickle.dumps(mine))
    assert again.state_dict() == mine.state_dict()
    mine.load_state_dict({**theirs.state_dict(), "scale": 2.0, "_growth_tracker": 7})
    assert (mine.get_scale(), mine._get_growth_tracker()) == (2.0, 7)


def test_new_scale_and_settings():
    scaler = train(jtorch, [1.0])[1]
    scaler.update(3.0)
    assert scaler.get_scale() == 3.0
    scaler.update(jtorch.tensor(5.0))
    assert scaler.get_scale() == 5.0
    with pytest.raises(AssertionError, match="new_scale should be a float or a 1-element"):
        scaler.update(jtorch.ones(2))
    scaler.set_growth_factor(4.0)
    scaler.set_backoff_factor(0.1)
    scaler.set_growth_interval(3)
    assert scaler.get_growth_factor() == 4.0
    assert scaler.get_backoff_factor() == 0.1
    assert scaler.get_growth_interval() == 3


def test_disabled_scaler_only_calls_the_optimizer():
    w = jtorch.ones(1, requires_grad=True)
    optimizer = jtorch.optim.SGD([w], lr=0.5)
    scaler = jtorch.amp.GradScaler("cpu", enabled=False)
    loss = w.sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.5
    assert (scaler.state_dict(), scaler.get_scale(), scaler.is_enabled()) == ({}, 1.0, False)


def errors(t):
    w = t.ones(1, requires_grad=True)
    optimizer = t.optim.SGD([w], lr=0.1)

    def scaled():
        scaler = t.amp.GradScaler("cpu")
        scaler.scale(w.sum()).backward()
        return scaler

    def twice(first, second):
        scaler = scaled()
        for name in (first, second):
            getattr(scaler, name)(optimizer)

    def half():
        h = t.ones(1, dtype=t.float16, requires_grad=True)
        scaler = t.amp.GradScaler("cpu", init_scale=2.0)
        scaler.scale(h.sum()).backward()
        scaler.unscale_(t.optim.SGD([h], lr=0.1))

    return [
        lambda: t.amp.GradScaler("cpu").step(optimizer),
        lambda: t.amp.GradScaler("cpu").update(),
        lambda: t.amp.GradScaler("cpu").unscale_(optimizer),
        lambda: scaled().update(),
        lambda: scaled().step(optimizer, closure=None),
        lambda: scaled().step(t.optim.SGD([t.ones(1, requires_grad=True)], lr=0.1)),
        lambda: twice("unscale_", "unscale_"),
        lambda: twice("step", "unscale_"),
        lambda: twice("step", "step"),
        half,
        lambda: t.amp.GradScaler("cpu", growth_factor=1.0),
        lambda: t.amp.GradScaler("cpu", backoff_factor=1.0),
        lambda: t.amp.GradScaler("cpu").load_state_dict({}),
        lambda: pickle.dumps(_used(scaled(), optimizer)),
    ]


def _used(scaler, optimizer):
    scaler.unscale_(optimizer)
    return scaler


@pytest.mark.parametrize("i", range(14))
def test_errors_match_torch(torch, i):
    texts = []
    for t in (jtorch, torch):
        with pytest.raises((AssertionError, RuntimeError, ValueError)) as caught:
            errors(t)[i]()
        texts.append((caught.type, str(caught.value)))
    assert texts[0] == texts[1]


def test_cuda_is_the_default_and_disabled_without_it(torch):
    if torch.cuda.is_available() or jtorch.devices.platform_available("cuda"):
        pytest.skip("about machines without CUDA")
    texts = []
    for t in (jtorch, torch):
        with pytest.warns(UserWarning, match="Disabling") as caught:
            scaler = t.amp.GradScaler()
        texts.append(str(caught[0].message))
        assert not scaler.is_enabled()
    assert texts[0] == texts[1]


def test_a_step_reads_once_and_compiles_nothing_new(lazy):
    w = jtorch.ones(64, requires_grad=True)
    v = jtorch.ones(8, 8, requires_grad=True)
    optimizer = jtorch.optim.Adam([w, v], lr=0.1)
    scaler = jtorch.amp.GradScaler("cpu", growth_interval=2)

    def step():
        optimizer.zero_grad()
        scaler.scale((w * w).sum() + v.sum()).backward()
        scaler.step(optimizer)
        scaler.update()

    for _ in range(4):
        step()
    before = jtorch.metrics()
    for _ in range(5):
        step()
    after = jtorch.metrics()
    assert after["programs_compiled"] == before["programs_compiled"]
    reads = sum(after["reads"].values()) - sum(before["reads"].values())
    assert reads <= 5  # PyTorch's one: did a gradient overflow?
