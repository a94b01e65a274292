"""Batches of sequences of different lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from jtorch.dtypes import int64
from jtorch.tensor import Tensor
from jtorch.tensor._core import call
from jtorch.tensor._creation import as_tensor, empty, from_numpy, full, tensor
from jtorch.tensor._forms import Form, forms_of, refusal

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


_Fields.__name__ = "PackedSequence_"


class PackedSequence(_Fields):
    """Sequences of different lengths, their elements step by step and no padding.

    Attributes:
        data: the elements of all sequences at step 0, at step 1, ...
        batch_sizes: how many sequences reach each step.
        sorted_indices: the order of the sequences, longest first.
        unsorted_indices: the way back to the given order.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, list | tuple) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created "
                "manually. They should be instantiated by functions like pack_sequence and "
                "pack_padded_sequences in nn.utils.rnn. "
                "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _mapped(
        self, change: Callable[[Tensor], Tensor], order: Callable[[Tensor], Tensor]
    ) -> PackedSequence:
        data = change(self.data)
        if data is self.data:
            return self
        indices = [None if x is None else order(x) for x in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(data, self.batch_sizes, *indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """As :meth:`Tensor.to` of the data; itself if nothing changes."""
        where = self.data.to(*args, **kwargs).device
        return self._mapped(lambda t: t.to(*args, **kwargs), lambda t: t.to(where))

    def pin_memory(self) -> PackedSequence:
        """In memory from which accelerators copy faster."""
        return self._mapped(lambda t: t.pin_memory(), lambda t: t.pin_memory())

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On a GPU."""
        return self.to("cuda", *args, **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu", *args, **kwargs)

    def double(self) -> PackedSequence:
        """As float64."""
        return self._mapped(lambda t: t.double(), lambda t: t)

    def float(self) -> PackedSequence:
        """As float32."""
        return self._mapped(lambda t: t.float(), lambda t: t)

    def half(self) -> PackedSequence:
        """As float16."""
        return self._mapped(lambda t: t.half(), lambda t: t)

    def long(self) -> PackedSequence:
        """As int64."""
        return self._mapped(lambda t: t.long(), lambda t: t)

    def int(self) -> PackedSequence:
        """As int32."""
        return self._mapped(lambda t: t.int(), lambda t: t)

    def short(self) -> PackedSequence:
        """As int16."""
        return self._mapped(lambda t: t.short(), lambda t: t)

    def char(self) -> PackedSequence:
        """As int8."""
        return self._mapped(lambda t: t.char(), lambda t: t)

    def byte(self) -> PackedSequence:
        """As uint8."""
        return self._mapped(lambda t: t.byte(), lambda t: t)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The order that undoes another."""
    if permutation is None:
        return None
    order = permutation._host()
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return from_numpy(inverse).to(permutation.device)


def _forms(name: str, space: str = "torch") -> tuple[Form, ...]:
    found = forms_of(space, name)
    assert found is not None
    return found


def _places(lengths: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Sizes of the steps, and of every packed element (step, sequence) as ``step * N + sequence``."""
    steps = np.arange(int(lengths[0]))
    sizes = (lengths[None, :] > steps[:, None]).sum(1)
    present = np.arange(len(lengths))[None, :] < sizes[:, None]
    return sizes, np.flatnonzero(present.reshape(-1))


def _check_lengths(input: Any, lengths: Tensor, host: np.ndarray[Any, Any], batch_first: Any) -> None:
    """Types of the arguments, and lengths that are positive and fall."""
    error = refusal(
        "_pack_padded_sequence", _forms("_pack_padded_sequence"), (input, lengths, batch_first), {}
    )
    if error is not None:
        raise error
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if host.ndim != 1:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {host.ndim}D "
            f"{lengths.device.type} Long tensor"
        )
    batch = input.size(0 if batch_first else 1)
    if len(host) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(host)} (batch_size={batch})"
        )
    if host[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (host[1:] > host[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this "
            "requirement if you do not need ONNX exportability."
        )


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch.

    Args:
        input: shape ``(T, N, *)``, or ``(N, T, *)`` with ``batch_first``.
        lengths: of the sequences.
        batch_first: see ``input``.
        enforce_sorted: the sequences come longest first; else they are sorted here.

    Raises:
        RuntimeError: lengths that do not fit, are not positive or not sorted.
    """
    if isinstance(lengths, Tensor):
        lengths = lengths.to(int64)
    else:
        lengths = as_tensor(lengths, dtype=int64, device="cpu")
    host, order = np.asarray(lengths._host()), None
    if not enforce_sorted and host.ndim == 1:
        order = from_numpy(np.argsort(-host, kind="stable")).to(input.device)
        host = -np.sort(-host, kind="stable")
        input = input.index_select(0 if batch_first else 1, order)
    _check_lengths(input, lengths, host, batch_first)
    if batch_first:
        input = input.transpose(0, 1)
    sizes, places = _places(host)
    flat = input.reshape(-1, *input.shape[2:])
    data = flat.index_select(0, from_numpy(places).to(input.device))
    return PackedSequence(data, from_numpy(sizes.astype(np.int64)), order, None)


def lengths_of(batch_sizes: Tensor) -> np.ndarray[Any, Any]:
    """Lengths of the sequences, longest first."""
    sizes = batch_sizes._host()
    return (sizes[:, None] > np.arange(int(sizes[0]))[None, :]).sum(0)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undo :func:`pack_padded_sequence`.

    Args:
        sequence: the packed batch.
        batch_first: return ``(N, T, *)`` instead of ``(T, N, *)``.
        padding_value: what fills up shorter sequences.
        total_length: pad to this many steps.

    Returns:
        The padded batch and the lengths, in the given order.
    """
    longest = sequence.batch_sizes.size(0)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {longest}"
            )
        longest = total_length
    given = sequence.data, sequence.batch_sizes, batch_first, padding_value, longest
    error = refusal("_pad_packed_sequence", _forms("_pad_packed_sequence"), given, {})
    if error is not None:
        raise error
    lengths = lengths_of(sequence.batch_sizes)
    padded = padded_steps(sequence.data, sequence.batch_sizes, longest, padding_value)
    known = from_numpy(lengths.astype(np.int64))
    if sequence.unsorted_indices is not None:
        order = sequence.unsorted_indices
        padded = padded.index_select(1, order)
        known = known[order.cpu()]
    return (padded.transpose(0, 1) if batch_first else padded), known


def padded_steps(data: Any, batch_sizes: Tensor, longest: int, value: float = 0.0) -> Any:
    """Packed elements as ``(T, N, *)``, longest sequence first."""
    _, places = _places(lengths_of(batch_sizes))
    batch = int(batch_sizes[0])
    rows = full((longest * batch, *data.shape[1:]), value, dtype=data.dtype, device=data.device)
    index = from_numpy(places).to(data.device)
    return rows.index_copy(0, index, data).view(longest, batch, *data.shape[1:])


def packed_steps(padded: Any, batch_sizes: Tensor) -> Any:
    """The inverse of :func:`padded_steps`."""
    _, places = _places(lengths_of(batch_sizes))
    flat = padded.reshape(-1, *padded.shape[2:])
    return flat.index_select(0, from_numpy(places).to(padded.device))


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences of different lengths as one tensor.

    Args:
        sequences: of shapes ``(length, *)``.
        batch_first: return ``(N, T, *)`` instead of ``(T, N, *)``.
        padding_value: what fills up shorter sequences.
        padding_side: ``"right"`` or ``"left"``.

    Returns:
        A tensor of the dtype and the trailing sizes of the first sequence.

    Raises:
        RuntimeError: no sequences, others than those, or sizes that do not go together.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    given: tuple[Any, ...] = tuple(sequences)
    error = refusal(
        "pad_sequence", _forms("pad_sequence", "nn"), (given, batch_first, padding_value, padding_side), {}
    )
    if error is not None:
        raise error
    if not given:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first, longest = given[0], max(t.size(0) for t in given)
    rows = []
    for t in given:
        if t.shape[1:] != first.shape[1:] or t.dtype is not first.dtype:
            t = empty((t.size(0), *first.shape[1:]), dtype=first.dtype, device=t.device).copy_(t)
        missing = longest - t.size(0)
        if missing:
            filling = full((missing, *t.shape[1:]), padding_value, dtype=t.dtype, device=t.device)
            t = call("cat", [t, filling] if padding_side == "right" else [filling, t], 0)
        rows.append(t)
    return call("stack", rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, each with its own length."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    sizes = [int(n) for n in lengths]
    return [sequence[:n] for sequence, n in zip(padded_sequences, sizes, strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of different lengths."""
    lengths = tensor([t.size(0) for t in sequences], dtype=int64)
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
