"""Base classes of data pipes (``torch.utils.data.datapipes``): steps that are methods of each other.

PyTorch no longer develops them. Here are what programs derive their own pipes from; the stock pipes (``map``,
``batch`` and so on) and the checks of elements' types are missing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from jtorch.utils.data.dataset import Dataset, IterableDataset

__all__ = [
    "DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe", "functional_datapipe",
    "guaranteed_datapipes_determinism", "non_deterministic",
]  # fmt: skip

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class _Functions:
    """Pipes of one kind as methods of each other: ``pipe.batch(2)`` is ``Batcher(pipe, 2)``."""

    functions: ClassVar[dict[str, Callable[..., Any]]]

    def __getattr__(self, name: str) -> Any:
        if name not in self.functions:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}")
        function = self.functions[name]
        method = functools.partial(function, self)
        return functools.update_wrapper(method, function, assigned=("__doc__",))

    @classmethod
    def register_function(cls, function_name: str, function: Callable[..., Any]) -> None:
        """Make a function of a pipe a method of all pipes."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: Any, enable_df_api_tracing: bool = False
    ) -> None:
        """Make a class, whose first argument is a pipe, a method of all pipes.

        Raises:
            Exception: there is a method of that name.
        """
        if function_name in cls.functions:
            raise Exception(f"Unable to add DataPipe function name {function_name} as it is already taken")

        def make(*args: Any, **kwargs: Any) -> Any:
            return cls_to_register(*args, **kwargs)

        make.__doc__ = cls_to_register.__doc__
        cls.functions[function_name] = make

    def __str__(self) -> str:
        return type(self).__qualname__

    __repr__ = __str__

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]


class IterDataPipe(_Functions, IterableDataset[T_co]):
    """Samples one after the other: a subclass defines ``__iter__``.

    Example::

        >>> from jtorch.utils.data import IterDataPipe, functional_datapipe
        >>> class Numbers(IterDataPipe):
        ...     def __iter__(self):
        ...         yield from range(3)
        >>> @functional_datapipe("doubled")
        ... class Doubler(IterDataPipe):
        ...     def __init__(self, source):
        ...         self.source = source
        ...     def __iter__(self):
        ...         for x in self.source:
        ...             yield 2 * x
        >>> list(Numbers().doubled())
        [0, 2, 4]
    """

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}

    def reset(self) -> None:
        """Called by a subclass that keeps state between iterations; nothing here."""


class MapDataPipe(_Functions, Dataset[T_co]):
    """Samples by index or key: a subclass defines ``__getitem__``, and ``__len__`` for most samplers."""

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}


class DFIterDataPipe(IterDataPipe[T_co]):
    """Marks a pipe of data frames."""


class DataChunk(list[T]):
    """A batch that a pipe hands on: a list that can be told from the samples' own lists."""

    def __init__(self, items: Iterable[T]) -> None:
        super().__init__(items)
        self.items = list(self)

    def as_str(self, indent: str = "") -> str:
        """The items as text."""
        return indent + "[" + ", ".join(str(x) for x in self) + "]"

    def raw_iterator(self) -> Iterator[T]:
        """The items as they came."""
        yield from self.items


class functional_datapipe:
    """Decorates a class of pipes, which becomes a method of all pipes of its kind.

    Args:
        name: of the method.
        enable_df_api_tracing: accepted; data frames are not traced.
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name

    def __call__(self, cls: Any) -> Any:
        """Register the class and return it."""
        for base in (IterDataPipe, MapDataPipe):
            if issubclass(cls, base):
                base.register_datapipe_as_function(self.name, cls)
        return cls


_deterministic = [False]


class guaranteed_datapipes_determinism:
    """A block in which pipes that are :class:`non_deterministic` are refused."""

    def __init__(self) -> None:
        self.before, _deterministic[0] = _deterministic[0], True

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        _deterministic[0] = self.before


class non_deterministic:
    """Decorates a class of pipes whose samples or order differ each time.

    ``@non_deterministic(function)`` calls ``function`` with an instance's arguments to find out.
    """

    def __init__(self, arg: Any) -> None:
        self.cls: Any = None
        self.function: Any = None
        if isinstance(arg, type):
            if not issubclass(arg, IterDataPipe):
                raise TypeError(
                    "Only `IterDataPipe` can be decorated with `non_deterministic`, but "
                    f"{arg.__name__} is found"
                )
            self.cls = arg
        elif callable(arg):
            self.function = arg
        else:
            raise TypeError(f"{arg} can not be decorated by non_deterministic")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """An instance of the class; the first call with a function decorates the class."""
        if self.cls is not None:
            return self._made("", args, kwargs)
        if not (isinstance(args[0], type) and issubclass(args[0], IterDataPipe)):
            raise TypeError(f"Only `IterDataPipe` can be decorated, but {args[0].__name__} is found")
        self.cls = args[0]
        return self.deterministic_wrapper_fn

    def deterministic_wrapper_fn(self, *args: Any, **kwargs: Any) -> Any:
        """An instance of the class, after the function was asked."""
        answer = self.function(*args, **kwargs)
        if not isinstance(answer, bool):
            raise TypeError(
                "deterministic_fn of `non_deterministic` decorator is required to return a boolean value, "
                f"but {type(answer)} is found"
            )
        return self._made(" with the inputs" if answer else None, args, kwargs)

    def _made(self, when: str | None, args: Any, kwargs: Any) -> Any:
        """An instance, which differs each time under this condition, or (``None``) does not."""
        if when is not None and _deterministic[0]:
            raise TypeError(
                f"{self.cls.__name__} is non-deterministic{when}, but you set "
                "'guaranteed_datapipes_determinism'. You can turn off determinism for this DataPipe if that "
                "is acceptable for your application"
            )
        return self.cls(*args, **kwargs)
