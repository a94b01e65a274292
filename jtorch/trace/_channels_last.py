"""Images held channels last inside programs for the CPU, whatever the order PyTorch has them in.

XLA's CPU convolutions want channels last and transpose what they are given. Between two convolutions XLA does
not always find that the way there and back could be left out, and each transposition that stays is a loop to
compile and a pass over memory. So the results of convolutions are held channels last here, and operations on
them are applied in that order as long as they have a form for it: an operation's jaxpr is evaluated primitive
by primitive, with its dimensions renamed. What leaves the program is in PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import jaxprs_in_params

from jtorch import dtypes
from jtorch.ops._ranking import ordered, reflected
from jtorch.trace._graph import Signature, spec
from jtorch.trace._jaxprs import apply_equation, walk
from jtorch.trace._value import Aval

__all__ = ["PACKED", "Kernel", "apply", "branch", "chooses", "convolves", "jaxpr_of", "plain", "positive"]

#: From (N, C, H, W) to (N, H, W, C), and back.
LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
#: Where each dimension of (N, C, H, W) is in (N, H, W, C).
PLACE = FIRST
#: Up to so many channels, as pictures have them, are chosen from place by place: with 3 channels XLA compiles
#: a transposition in 110 ms, the choice in 55, a copy in 53, and both run in the same time.
COLOURS = 4
#: From (O, I, H, W) to (H, W, I, O), as XLA wants kernels; where the former's dimensions are in the latter.
PACKED, HELD = (2, 3, 1, 0), (3, 2, 0, 1)


class Image:
    """A value of four dimensions in one order or in both, made when it is asked for.

    Attributes:
        held: it comes from a convolution and is computed channels last.
    """

    __slots__ = ("first", "held", "last", "recipe")

    def __init__(self, first: Any = None, last: Any = None, recipe: Callable[[], Any] | None = None) -> None:
        self.first, self.last, self.recipe = first, last, recipe
        self.held = first is None

    def plain(self) -> Any:
        """Channels first."""
        if self.first is None:
            self.first = lax.transpose(self.last, FIRST)
        return self.first

    def turned(self) -> Any:
        """Channels last."""
        if self.last is None:
            self.last = turn(self.first) if self.recipe is None else self.recipe()
        return self.last


class Kernel:
    """The weight of a convolution, ``(O, I, H, W)``, held as ``(H, W, I, O)``."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def plain(self) -> Any:
        """In PyTorch's order."""
        return lax.transpose(self.array, HELD)


def turn(x: Any) -> Any:
    """An array with its channels moved last."""
    n, c, h, w = x.shape
    if c == 1 or h == w == 1:  # a reshape costs nothing
        return lax.reshape(x, (n, h, w, c))
    if c > COLOURS:
        return lax.transpose(x, LAST)
    shape = (n, h, w, c)
    channel = lax.broadcasted_iota(np.int32, shape, 3)
    spread = [lax.broadcast_in_dim(lax.index_in_dim(x, i, 1, False), shape, (0, 1, 2)) for i in range(c)]
    made = spread[0]
    for i in range(1, c):
        made = lax.select(lax.eq(channel, np.int32(i)), spread[i], made)
    return made


def plain(x: Any) -> Any:
    """An operand or a result in PyTorch's order."""
    return x.plain() if type(x) is Image or type(x) is Kernel else x


def turned(x: Any) -> Any:
    """The same channels last; scalars as they are."""
    if type(x) is Image:
        return x.turned()
    x = plain(x)
    return turn(x) if x.ndim else x


def held(x: Any) -> bool:
    return type(x) is Image and x.held


def permuted(entries: Sequence[Any]) -> tuple[Any, ...]:
    """One entry per dimension, in the order of channels last."""
    return tuple(entries[i] for i in LAST)


# ---- a rule per primitive: NotImplemented where dimensions would change their order ---------------------

Rule = Callable[[Any, Sequence[Any]], Any]
RULES: dict[str, Rule] = {}


def bind(eqn: Any, operands: Sequence[Any], **changed: Any) -> Any:
    """The primitive with some other parameters."""
    return eqn.primitive.bind(*operands, **{**eqn.params, **changed})


def elementwise(eqn: Any, operands: Sequence[Any]) -> Any:
    return Image(last=bind(eqn, [turned(x) for x in operands]))


ELEMENTWISE = """
    abs acos add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy cos cosh
    div eq erf erf_inv erfc exp exp2 expm1 floor forwards_only ge gt integer_pow is_finite le log log1p
    logistic lt max min mul ne neg nextafter not or pow quotient reduce_precision rem round rsqrt select_n
    sign sin sinh sqrt square stop_gradient sub tan tanh xor
"""
RULES.update(dict.fromkeys(ELEMENTWISE.split(), elementwise))


def renamed(*names: str) -> Rule:
    """The rule of a primitive whose parameters have an entry per dimension."""

    def rule(eqn: Any, operands: Sequence[Any]) -> Any:
        changed = {n: permuted(eqn.params[n]) for n in names if eqn.params[n] is not None}
        return Image(last=bind(eqn, [turned(x) for x in operands], **changed))

    return rule


RULES["pad"] = renamed("padding_config")
RULES["slice"] = renamed("start_indices", "limit_indices", "strides")
WINDOW = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
RULES.update(dict.fromkeys(("reduce_window_max", "reduce_window_min", "reduce_window_sum"), renamed(*WINDOW)))


def concatenate(eqn: Any, operands: Sequence[Any]) -> Any:
    return Image(last=bind(eqn, [turned(x) for x in operands], dimension=PLACE[eqn.params["dimension"]]))


def split(eqn: Any, operands: Sequence[Any]) -> Any:
    return [Image(last=x) for x in bind(eqn, [turned(operands[0])], axis=PLACE[eqn.params["axis"]])]


def reverse(eqn: Any, operands: Sequence[Any]) -> Any:
    dimensions = tuple(PLACE[i] for i in eqn.params["dimensions"])
    return Image(last=bind(eqn, [turned(operands[0])], dimensions=dimensions))


def reduction(eqn: Any, operands: Sequence[Any]) -> Any:
    axes = eqn.params["axes"]
    result = bind(eqn, [turned(operands[0])], axes=tuple(sorted(PLACE[i] for i in axes)))
    left = [i for i in LAST if i not in axes]
    return result if left == sorted(left) else lax.transpose(result, [left.index(i) for i in sorted(left)])


RULES["concatenate"], RULES["split"], RULES["rev"] = concatenate, split, reverse
for _name in ("sum", "max", "min", "and", "or", "prod"):
    RULES[f"reduce_{_name}"] = reduction


def broadcast(eqn: Any, operands: Sequence[Any]) -> Any:
    """Made from what is smaller, in the order that is asked for."""
    x, shape, dims = operands[0], eqn.params["shape"], eqn.params["broadcast_dimensions"]
    if len(shape) != 4 or eqn.params["sharding"] is not None:
        return NotImplemented
    if held(x):
        return Image(last=lax.broadcast_in_dim(x.turned(), permuted(shape), range(4)))
    x = plain(x)
    places = [PLACE[i] for i in dims]
    order = sorted(range(len(places)), key=places.__getitem__)

    def recipe() -> Any:
        given = lax.transpose(x, order) if order != sorted(order) else x
        return lax.broadcast_in_dim(given, permuted(shape), [places[i] for i in order])

    return Image(bind(eqn, [x]), recipe=recipe)


def weighted(eqn: Any, operands: Sequence[Any]) -> Any:
    """Images times a factor per channel, summed, and the gradient of the factors."""
    if eqn.params["axis"] != 1 or eqn.invars[1].aval.ndim != 4:
        return NotImplemented
    first = turned(operands[0]) if eqn.invars[0].aval.ndim == 4 else plain(operands[0])
    result = bind(eqn, [first, *map(turned, operands[1:])], axis=3)
    return Image(last=result) if result.ndim == 4 else result


def transpose(eqn: Any, operands: Sequence[Any]) -> Any:
    x, order = operands[0], tuple(eqn.params["permutation"])
    return x.turned() if held(x) and order == LAST else NotImplemented


def dot(eqn: Any, operands: Sequence[Any]) -> Any:
    """A product, if what is not summed over keeps its order."""
    contracted, batch = eqn.params["dimension_numbers"]
    if any(batch):
        return NotImplemented
    given, dims = [], []
    for x, over in zip(operands, contracted, strict=True):
        if held(x):
            if 1 not in over and not {2, 3} <= set(over):
                return NotImplemented
            given.append(x.turned())
            dims.append(tuple(PLACE[i] for i in over))
        else:
            given.append(plain(x))
            dims.append(tuple(over))
    return bind(eqn, given, dimension_numbers=(tuple(dims), batch))


RULES["transpose"], RULES["dot_general"] = transpose, dot
RULES["weighted_sum"] = RULES["weighted_products"] = weighted


def convolution(eqn: Any, operands: Sequence[Any]) -> Any:
    """Applied whether an operand is held or not: the result of one over images is held."""
    numbers = eqn.params["dimension_numbers"]
    if len(numbers.out_spec) != 4:
        return NotImplemented
    hold = numbers.out_spec == (0, 1, 2, 3)
    x, weight = operands
    if hold and type(x) is not Image and numbers.lhs_spec == (0, 1, 2, 3):
        x = Image(x)
    given: list[Any] = []
    specs: list[Any] = []
    for operand, order in ((x, numbers.lhs_spec), (weight, numbers.rhs_spec)):
        if type(operand) is Kernel and order == (0, 1, 2, 3):
            given.append(operand.array)
            specs.append(HELD)
            continue
        turns = type(operand) is Image and (operand.held or hold)
        given.append(operand.turned() if turns else plain(operand))
        specs.append(tuple(PLACE[i] for i in order) if turns else order)
    if not hold:
        return bind(eqn, given, dimension_numbers=type(numbers)(*specs, numbers.out_spec))
    return Image(last=bind(eqn, given, dimension_numbers=type(numbers)(*specs, (0, 3, 1, 2))))


ALWAYS: dict[str, Rule] = {"conv_general_dilated": convolution, "broadcast_in_dim": broadcast}


# ---- jaxprs --------------------------------------------------------------------------------------------


def evaluate(jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any]) -> list[Any]:
    """The results of a jaxpr; operands and results may be images."""
    return walk(jaxpr, consts, operands, step)


def step(eqn: Any, given: list[Any]) -> Any:
    """One equation."""
    name, params = eqn.primitive.name, eqn.params
    if name == "platform_index":
        return params["platforms"]
    if name == "cond" and type(given[0]) is tuple:
        platforms, *given = given
        body = params["branches"][branch(platforms)]
        return evaluate(body.jaxpr, body.consts, given)
    if name in ("jit", "custom_jvp_call") and wide(eqn):
        body = params["jaxpr" if name == "jit" else "call_jaxpr"]
        return evaluate(body.jaxpr, body.consts, given)
    rule = ALWAYS.get(name)
    if rule is None and any(map(held, given)):
        rule = RULES.get(name)
    made = NotImplemented if rule is None else rule(eqn, given)
    if made is not NotImplemented:
        return made
    return apply_equation(eqn, [plain(x) for x in given])


def wide(eqn: Any) -> bool:
    """Whether there may be images in it."""
    return any(getattr(v.aval, "ndim", 0) == 4 for v in (*eqn.invars, *eqn.outvars))


def branch(platforms: Sequence[Any]) -> int:
    """What to take of ``lax.platform_dependent``.

    A way of its own on the CPU that a convolution calls ``channels_first``, too, is left for XLA's. The
    choice must not depend on operands: a backward takes what its forward has left for the same one.
    """
    return next(i for i, n in enumerate(platforms) if n is None or ("cpu" in n and "channels_first" not in n))


_jaxprs: dict[int, Any] = {}
_convolving: dict[int, bool] = {}


def jaxpr_of(signature: Signature) -> Any:
    """The closed jaxpr of an operation; that of a jitted function is there already."""
    found = _jaxprs.get(signature.id)
    if found is None:
        specs = map(spec, signature.operands)
        traced: Any = signature.traced
        found = traced.trace(*specs).jaxpr if hasattr(traced, "trace") else jax.make_jaxpr(traced)(*specs)
        _jaxprs[signature.id] = found
    return found


def convolves(signature: Signature) -> bool:
    """Whether a convolution over images is part of the operation."""
    found = _convolving.get(signature.id)
    if found is None:
        images = any(isinstance(x, Aval) and len(x.shape) == 4 for x in signature.operands)
        found = _convolving[signature.id] = images and contains_convolution(jaxpr_of(signature).jaxpr)
    return found


def contains_convolution(jaxpr: Any) -> bool:
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "conv_general_dilated":
            if eqn.outvars[0].aval.ndim == 4:
                return True
        elif any(map(contains_convolution, jaxprs_in_params(eqn.params))):
            return True
    return False


#: Operations whose result is chosen from the elements of an image by their order.
CHOICES = frozenset({"nn.functional.max_pool2d"})


def chooses(signature: Signature) -> bool:
    """Whether an operation does so, of elements that are found among integers."""
    kind = signature.operands[0]
    return (
        signature.name in CHOICES
        and len(signature.outputs) == 1
        and isinstance(kind, Aval)
        and kind.dtype == dtypes.float32
    )


def choice(signature: Signature, image: Image) -> Image:
    """What an operation of :data:`CHOICES` makes of an image, found among integers.

    LLVM takes longer for the comparisons of floats: 85 ms to compile a network of four convolutions with two
    pools of 2 x 2, instead of 47.
    """
    like = jax.ShapeDtypeStruct(signature.operands[0].shape, np.int32)  # type: ignore[union-attr]
    closed = jax.make_jaxpr(signature.traced)(like)
    (made,) = evaluate(closed.jaxpr, closed.consts, [Image(last=ordered(image.turned()))])
    return Image(last=lax.bitcast_convert_type(reflected(made.turned()), np.float32))


def positive(x: Any) -> Any:
    """``relu`` as a maximum, where :func:`~jtorch.trace._maxima.unreduced` allows it."""
    return lax.max(x, x.dtype.type(0))


def apply(
    signature: Signature, operands: Sequence[Any], quick: bool = False, maximum: bool = False
) -> Sequence[Any]:
    """The results of an operation, some of them perhaps images.

    Args:
        signature: the operation.
        operands: arrays, images and kernels.
        quick: whether it should compile fast.
        maximum: whether it is a ``relu`` that may be a maximum.
    """
    if not convolves(signature) and not any(map(held, operands)):
        return signature.traced(*map(plain, operands))
    if quick and chooses(signature) and held(operands[0]):
        return (choice(signature, operands[0]),)
    if maximum and held(operands[0]):
        return (Image(last=positive(operands[0].turned())),)
    closed = jaxpr_of(signature)
    return evaluate(closed.jaxpr, closed.consts, operands)
