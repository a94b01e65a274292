"""CUDA devices as a kind of accelerator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from jtorch._accelerators import Kind

__all__ = ["KIND", "refuse", "refused"]


def _missing() -> Exception:
    return AssertionError("Torch not compiled with CUDA enabled")


KIND = Kind("cuda", _missing)


def refuse(name: str, instead: str, dummy: str | None = None) -> NoReturn:
    """Raise what the constructor of a class does that CUDA has and JAX has not.

    Args:
        name: of the class.
        instead: what to use.
        dummy: the name of the class in PyTorch's error where there is no GPU, if it is another.

    Raises:
        RuntimeError: there is no GPU.
        NotImplementedError: there is one.
    """
    if not KIND.is_available():
        raise RuntimeError(f"Tried to instantiate dummy base class {dummy or name}")
    raise NotImplementedError(f"torch.cuda.{name}(): {instead}")


def refused(name: str, instead: str) -> Callable[..., Any]:
    """A function that CUDA has and JAX has not."""

    def function(*args: Any, **kwargs: Any) -> Any:
        """Not supported: JAX's client owns GPUs, their memory and the handles of CUDA's libraries.

        Raises:
            AssertionError: there is no GPU.
            NotImplementedError: there is one; the text says what to use instead.
        """
        KIND.check()
        raise NotImplementedError(f"torch.cuda.{name}(): {instead}")

    function.__name__ = function.__qualname__ = name
    return function
