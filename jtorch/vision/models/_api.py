"""Registry of models and their published weights (``torchvision.models._api``)."""

from __future__ import annotations

import fnmatch
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import ModuleType
from typing import Any, TypeVar, get_args

from jtorch import hub, nn

__all__ = [
    "Weights",
    "WeightsEnum",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
    "register_model",
]

F = TypeVar("F", bound=Callable[..., nn.Module])

#: Builders by the names under which they were registered.
BUILTIN_MODELS: dict[str, Callable[..., nn.Module]] = {}


@dataclass(eq=False)
class Weights:
    """One published checkpoint.

    Args:
        url: of the file.
        transforms: makes the preprocessing that the weights expect.
        meta: facts: ``categories`` (names of the classes), ``num_params``, least size of images and so on.
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]

    # Without a hash, as anything with a dict in it.
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        """Partials are equal if function and arguments are, so that copies are equal."""
        if not isinstance(other, Weights):
            return NotImplemented
        mine, theirs = _parts(self.transforms), _parts(other.transforms)
        return self.url == other.url and self.meta == other.meta and mine == theirs


def _parts(function: Any) -> Any:
    if isinstance(function, partial):
        return function.func, function.args, function.keywords
    return function


class WeightsEnum(Enum):
    """The published weights of one model; members hold :class:`Weights`, ``DEFAULT`` is the best of them."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """A member from itself, from its name (with or without the name of the class) or ``None``.

        Raises:
            KeyError: there is no such member.
            TypeError: ``obj`` is something else, such as a member of another model's weights.
        """
        if isinstance(obj, str):
            return cls[obj.replace(f"{cls.__name__}.", "")]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received {type(obj).__name__}."
            )
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The checkpoint, from the cache or the network: see ``jtorch.hub.load_state_dict_from_url``."""
        return hub.load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    @property
    def url(self) -> str:
        """Where the file is."""
        return self._weights.url

    @property
    def transforms(self) -> Callable[..., Any]:
        """Makes the preprocessing: ``weights.transforms()(image)``."""
        return self._weights.transforms

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the weights."""
        return self._weights.meta

    @property
    def _weights(self) -> Weights:
        value = self.value
        assert isinstance(value, Weights)
        return value


def get_weight(name: str) -> WeightsEnum:
    """Weights by their full name, such as ``"ResNet50_Weights.IMAGENET1K_V2"``.

    Raises:
        ValueError: the name is not of this form, or there is no such class.
        KeyError: the class has no such member.
    """
    if name.count(".") != 1:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    enum_name, member = name.split(".")
    found = vars(sys.modules[__name__.rpartition(".")[0]]).get(enum_name)
    if not (isinstance(found, type) and issubclass(found, WeightsEnum)):
        raise ValueError(f"The weight enum '{enum_name}' for the specific method couldn't be retrieved.")
    return found[member]


def get_model_weights(name: Callable[..., nn.Module] | str) -> type[WeightsEnum]:
    """The weights of a model, which is given by its name or its builder: read off the builder's annotation.

    Raises:
        ValueError: unknown model, or its builder takes no weights.
    """
    builder = get_model_builder(name) if isinstance(name, str) else name
    parameters = inspect.signature(builder, eval_str=True).parameters
    if "weights" not in parameters:
        raise ValueError("The method is missing the 'weights' argument.")
    annotation = parameters["weights"].annotation
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, WeightsEnum):
            return part
    raise ValueError(
        "The WeightsEnum class for the specific method couldn't be retrieved. "
        "Make sure the typing info is correct."
    )


def register_model(name: str | None = None) -> Callable[[F], F]:
    """Decorator that makes a builder known to :func:`get_model`.

    Args:
        name: of the model; the function's by default.

    Raises:
        ValueError: the name is taken.
    """

    def register(fn: F) -> F:
        key = fn.__name__ if name is None else name
        if key in BUILTIN_MODELS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        BUILTIN_MODELS[key] = fn
        return fn

    return register


def _matching(names: set[str], filters: Iterable[str] | str) -> set[str]:
    patterns = [filters] if isinstance(filters, str) else filters
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """Sorted names of the registered models.

    Args:
        module: the package whose models are listed; all by default.
        include: shell patterns, one of which a name must match.
        exclude: shell patterns, none of which a name may match.
    """
    names = {
        name
        for name, builder in BUILTIN_MODELS.items()
        if module is None or builder.__module__.rpartition(".")[0] == module.__name__
    }
    if include:
        names = _matching(names, include)
    if exclude:
        names -= _matching(names, exclude)
    return sorted(names)


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that makes a model, by its name in any case.

    Raises:
        ValueError: there is none.
    """
    try:
        return BUILTIN_MODELS[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name.lower()}") from None


def get_model(name: str, **config: Any) -> nn.Module:
    """Make a model.

    Args:
        name: under which it is registered.
        config: arguments of its builder: ``weights``, ``progress``, ``num_classes`` and so on.

    Raises:
        ValueError: there is no such model.
    """
    return get_model_builder(name)(**config)
