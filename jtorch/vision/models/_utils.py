"""What the models share: old spellings of arguments, published weights, first weights, widths."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from jtorch import nn
from jtorch.errors import warn_user
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum

__all__ = ["IntermediateLayerGetter", "Layer", "build", "handle_legacy_interface", "initialize"]

M = TypeVar("M", bound=nn.Module)
V = TypeVar("V")

#: Makes a layer.
Layer = Callable[..., nn.Module]


class IntermediateLayerGetter(nn.ModuleDict):
    """A model up to some of its direct children, whose outputs it returns.

    The children must be used in the order in which they were assigned, each once.

    Args:
        model: the whole.
        return_layers: names of children, and the names of their outputs in the result.

    Raises:
        ValueError: the model has no such child.
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: dict[str, str]) -> None:
        children = dict(model.named_children())
        if not set(return_layers) <= set(children):
            raise ValueError("return_layers are not present in model")
        last = max((list(children).index(name) for name in return_layers), default=0)
        super().__init__(OrderedDict(list(children.items())[: last + 1]))
        self.return_layers = return_layers

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """The outputs by their new names."""
        out: OrderedDict[str, Tensor] = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of ``divisor`` next to ``v``, at least ``min_value`` and at least 90 % of ``v``."""
    least = divisor if min_value is None else min_value
    made = max(least, int(v + divisor / 2) // divisor * divisor)
    return made + divisor if made < 0.9 * v else made


def _ovewrite_named_param(kwargs: dict[str, Any], param: str, new_value: Any) -> None:
    """Set an argument that the user may have given only with this very value.

    Raises:
        ValueError: there was another one.
    """
    if kwargs.setdefault(param, new_value) != new_value:
        raise ValueError(
            f"The parameter '{param}' expected value {new_value} but got {kwargs[param]} instead."
        )


def build(make: Callable[..., M], *args: Any, weights: Any, progress: bool, **kwargs: Any) -> M:
    """Make a model and load published weights into it.

    Args:
        make: its class.
        args: of ``make``.
        weights: a member of the model's enum, or ``None``.
        progress: show a bar while downloading.
        kwargs: of ``make``; ``num_classes`` follows from the weights.

    Raises:
        ValueError: ``num_classes`` contradicts the weights.
    """
    if weights is not None and weights.meta["categories"] is not None:
        _ovewrite_named_param(kwargs, "num_classes", len(weights.meta["categories"]))
    model = make(*args, **kwargs)
    if weights is not None:
        model.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))
    return model


def initialize(
    model: nn.Module,
    conv: Callable[[nn.Module], Any] | None = None,
    linear: Callable[[nn.Module], Any] | None = None,
    *,
    conv_bias: bool = True,
) -> None:
    """Draw the first weights of all layers, in the order of ``model.modules()``.

    Norms get weights 1 and biases 0, layers whose weights are drawn biases 0.

    Args:
        model: whose layers are meant.
        conv: draws the weight of a ``Conv2d``; ``None``: those stay as they are.
        linear: draws the weight of a ``Linear``; ``None``: those stay as they are.
        conv_bias: ``False``: the biases of convolutions stay as they are.
    """
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            if conv is not None:
                conv(m)
                if conv_bias and m.bias is not None:
                    nn.init.zeros_(m.bias)
        elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear) and linear is not None:
            linear(m)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


def draw(init: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[[nn.Module], Any]:
    """What draws a module's weight with a function of ``nn.init``."""
    return lambda m: init(m.weight, *args, **kwargs)


def _quoted(names: list[str]) -> str:
    """``'a'``; ``'a' and 'b'``; ``'a', 'b', and 'c'``."""
    if len(names) == 1:
        return f"'{names[0]}'"
    comma = "" if len(names) == 2 else ","
    return "'" + "', '".join(names[:-1]) + f"'{comma} and '{names[-1]}'"


def kwonly_to_pos_or_kw(fn: Callable[..., V]) -> Callable[..., V]:
    """Let keyword-only arguments of ``fn`` be given by position, with a warning.

    Raises:
        TypeError: it has none.
    """
    parameters = list(inspect.signature(fn).parameters.values())
    names = [p.name for p in parameters]
    only = [p.kind is p.KEYWORD_ONLY for p in parameters]
    if not any(only):
        raise TypeError(f"Found no keyword-only parameter on function '{fn.__name__}'")
    start = only.index(True)

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> V:
        by_position = dict(zip(names[start:], args[start:], strict=False))
        if by_position:
            warn_user(
                f"Using {_quoted(list(by_position))} as positional parameter(s) is deprecated since 0.13 and "
                "may be removed in the future. Please use keyword parameter(s) instead."
            )
        return fn(*args[:start], **{**kwargs, **by_position})

    return wrapper


def _is_new_style(kwargs: Mapping[str, Any], parameter: str, old: str) -> bool:
    """Whether weights are given as today: an enum, a name, ``None`` or nothing at all."""
    if parameter not in kwargs:
        return old not in kwargs
    given = kwargs[parameter]
    if isinstance(given, str):
        return given != "legacy"
    return given is None or isinstance(given, WeightsEnum)


def handle_legacy_interface(**weights: tuple[str, Any]) -> Callable[[Callable[..., M]], Callable[..., M]]:
    """Decorator of builders that accepts ``pretrained=True`` and positional arguments, with warnings.

    Args:
        weights: for each argument with weights: its old name, and what ``True`` meant, or a function from the
            arguments to that.

    Raises:
        ValueError: by the builder: ``True`` is given and there were no weights.
    """

    def decorate(builder: Callable[..., M]) -> Callable[..., M]:
        @kwonly_to_pos_or_kw
        @functools.wraps(builder)
        def wrapper(*args: Any, **kwargs: Any) -> M:
            for parameter, (old, default) in weights.items():
                if not _is_new_style(kwargs, parameter, old):
                    _replace_legacy(builder, kwargs, parameter, old, default)
            return builder(*args, **kwargs)

        return wrapper

    return decorate


def _replace_legacy(
    builder: Callable[..., Any], kwargs: dict[str, Any], parameter: str, old: str, default: Any
) -> None:
    """Put the meaning of an old argument in its place."""
    given_as_weights = parameter in kwargs
    wanted = kwargs.pop(parameter) if given_as_weights else kwargs[old]
    # What a function of the arguments expects to find.
    kwargs[old] = wanted
    meant = None
    if wanted:
        meant = default(kwargs) if callable(default) else default
        if not isinstance(meant, WeightsEnum):
            raise ValueError(f"No weights available for model {builder.__name__}")
    if not given_as_weights:
        warn_user(
            f"The parameter '{old}' is deprecated since 0.13 and may be removed in the future, please use "
            f"'{parameter}' instead."
        )
    text = (
        f"Arguments other than a weight enum or `None` for '{parameter}' are deprecated since 0.13 and may "
        f"be removed in the future. The current behavior is equivalent to passing `{parameter}={meant}`."
    )
    if wanted:
        best = f"`{parameter}={type(meant).__name__}.DEFAULT`"
        text += f" You can also use {best} to get the most up-to-date weights."
    warn_user(text)
    del kwargs[old]
    kwargs[parameter] = meant
