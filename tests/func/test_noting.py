"""Functions written for types of arguments note the same inside of transforms as the general way."""

import pytest

import jtorch
from jtorch import func
from jtorch.dispatch import modes
from jtorch.func._recording import Captured
from jtorch.ops._registry import OPS
from jtorch.tensor import _core, _specialised


def _calls(inner, outer, plain, leaf):
    """Operands from the transform under way, from the one around it, from outside, and with a history."""
    return {
        "inner": ("exp", (inner,)),
        "inner and inner": ("mul", (inner, inner)),
        "inner and outer": ("mul", (inner, outer)),
        "outer and inner": ("mul", (outer, inner)),
        "inner and plain": ("mul", (inner, plain)),
        "plain and inner": ("mul", (plain, inner)),
        "inner and leaf": ("mul", (inner, leaf)),
        "leaf and inner": ("mul", (leaf, inner)),
        "result and inner": ("mul", (leaf.exp(), inner)),
        "inner and what came of a leaf": ("mul", (inner, inner * leaf)),
        "three": ("addcmul", (leaf, inner, outer, 1)),
        "a float": ("mul", (inner, 2.5)),
        "an int": ("mul", (inner, 3)),
        "a bool": ("mul", (inner, True)),
        "static arguments": ("sum", (inner, 0, True, None)),
        "a view": ("exp", (inner.flip(0).view(3),)),
        "outer alone": ("exp", (outer,)),
    }


CASES = list(_calls(*[jtorch.ones(3)] * 4))
#: What is left to `run`.
LEFT = {"outer alone"}


def _shown(name, monkeypatch, specialised, level):
    """What a call leaves in the recordings of two nested transforms."""
    found = {}
    plain = jtorch.arange(3.0) + 1
    leaf, outer = jtorch.ones(3, requires_grad=True), None

    def inside(inner):
        op, args = _calls(inner, outer, plain, leaf)[name]
        op, kinds = OPS[op], tuple(map(type, args))
        monkeypatch.setattr(op, "variants", {kinds: False})
        _core.run(op, args)  # so that there is a plan
        if specialised:
            variant = _specialised._variant(op, kinds)
            with level():
                done = variant(*args) is not None
            assert done is (name not in LEFT and level is jtorch.enable_grad)
            monkeypatch.setattr(op, "variants", {kinds: variant})
        here, around = modes.captured, modes.captured.outer
        starts = [(len(r.flat), len(r.leaves), len(r.floats), len(r.ints)) for r in (here, around)]
        with level():
            made = _core.run(op, args)
        for r, (flat, leaves, floats, ints) in zip((here, around), starts, strict=True):
            noted = r.flat[flat : flat + len(args) + 1]
            captured = [
                type(leaf) is Captured and (leaf.value.aval, leaf.tensor is not None, leaf.version)
                for leaf in r.leaves[leaves:]
            ]
            # Slots count from what was there before, which differs between the two ways of this test.
            kept = [n if i == 0 else n >= 0 for i, n in enumerate(noted)]
            found[r is here] = kept, captured, r.floats[floats:], r.ints[ints:]
        fn = made.grad_fn
        found["node"] = fn and (
            fn.name(), fn.needs, len(fn.saved), [(v, i) for _, v, i in fn.checks],
            [edge and (type(edge[0]).__name__, edge[1]) for edge in fn.edges], fn.tape,
        )  # fmt: skip
        found["result"] = made.requires_grad, made.shape, made.is_inference()
        found["gradient"] = None
        return (made * inner).sum()

    def around(batched):
        nonlocal outer
        outer = batched
        return func.grad(inside)(plain * 2)

    found["gradient"] = func.vmap(around)(jtorch.ones(2, 3)).tolist()
    return found


@pytest.mark.parametrize("level", [jtorch.enable_grad, jtorch.no_grad])
@pytest.mark.parametrize("name", CASES)
def test_what_a_call_notes(lazy, monkeypatch, name, level):
    wanted = _shown(name, monkeypatch, False, level)
    assert _shown(name, monkeypatch, True, level) == wanted
    assert wanted["gradient"][0] == wanted["gradient"][1]


def test_values_of_a_transform_that_is_over_are_refused(lazy):
    kept = []
    func.grad(lambda a: kept.append(a * 2) or a.sum())(jtorch.ones(3))
    for _ in range(_specialised.CALLS + 1):
        with pytest.raises(RuntimeError, match=r"inside a JAX transform .* that is over"):
            func.grad(lambda a: (kept[0] * a).sum())(jtorch.ones(3))
