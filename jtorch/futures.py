"""Results that come later (``torch.futures``), for code that hands them on; nothing here runs by itself."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")
S = TypeVar("S")


class Future(Generic[T]):
    """A result that somebody sets.

    Args:
        devices: of the tensors in the result; results are not checked.
    """

    def __init__(self, *, devices: Sequence[Any] | None = None) -> None:
        self._future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def done(self) -> bool:
        """Whether there is a result or an exception."""
        return self._future.done()

    def wait(self) -> T:
        """The result, once it is there; an exception that was set is raised."""
        return self._future.result()

    def value(self) -> T:
        """The result, which has to be there."""
        if not self.done():
            raise RuntimeError("Future's value() called before it has been completed. Call wait() first.")
        return self._future.result()

    def then(self, callback: Callable[[Future[T]], S]) -> Future[S]:
        """A future of what ``callback`` returns, called with this one as soon as it is done."""
        following: Future[S] = Future()

        def run(_: Any) -> None:
            try:
                following.set_result(callback(self))
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                following.set_exception(
                    RuntimeError(f"Got the following error when running the callback: {what}")
                )

        self._future.add_done_callback(run)
        return following

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call ``callback`` with this future as soon as it is done."""
        self._future.add_done_callback(lambda _: callback(self))

    def set_result(self, result: T) -> None:
        """Set the result, once.

        Raises:
            RuntimeError: there is one.
        """
        try:
            self._future.set_result(result)
        except concurrent.futures.InvalidStateError:
            raise RuntimeError(
                "Attempting to mark a completed Future as complete again. Note that a Future can only be "
                "marked completed once."
            ) from None

    def set_exception(self, result: Exception) -> None:
        """Set an exception instead of the result.

        Raises:
            AssertionError: ``result`` is none.
        """
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._future.set_exception(result)


def collect_all(futures: list[Future[Any]]) -> Future[list[Future[Any]]]:
    """A future of the list itself, done when all of them are."""
    every: Future[list[Future[Any]]] = Future()
    left = len(futures)
    if not left:
        every.set_result(futures)

    def one_is_done(_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            every.set_result(futures)

    for future in futures:
        future.add_done_callback(one_is_done)
    return every


def wait_all(futures: list[Future[Any]]) -> list[Any]:
    """The results of all, once they are there; the first exception is raised."""
    return [future.wait() for future in futures]
