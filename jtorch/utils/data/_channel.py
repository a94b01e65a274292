"""Messages between a loader and one of its workers, over a pair of connected sockets.

A message is whole or not there at all (``SOCK_SEQPACKET``), so a worker that is killed in the middle of
anything leaves neither half a message nor a lock behind. What does not fit into a packet travels in anonymous
memory (``memfd``), which has no name that could be left behind: it is gone with its last user.
"""

from __future__ import annotations

import array
import ctypes
import mmap
import os
import pickle
import select
import socket
import struct
import sys
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch.dtypes import dtype
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.trace import from_host

__all__ = ["Channel", "available", "channel_pair"]

#: Larger messages travel in shared memory.
PACKET_BYTES = 1 << 16
#: Contents start at multiples of this, so that XLA can use them where they are.
ALIGNMENT = 64


def available() -> bool:
    """Whether this system has what channels are made of."""
    return sys.platform == "linux" and hasattr(os, "memfd_create")


def channel_pair() -> tuple[Channel, Channel]:
    """Two connected ends."""
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(first), Channel(second)


class Channel:
    """One end. Sending never blocks where ``send`` is told to keep what does not fit yet.

    Attributes:
        socket: the connected socket.
        backlog: packets that wait for room, with their file descriptors.
    """

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.backlog: deque[tuple[bytes, list[int]]] = deque()

    def __reduce__(self) -> Any:
        return Channel, (self.socket,)

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        """Give up this end; the other end notices."""
        self.socket.close()
        for _, descriptors in self.backlog:
            _close(descriptors)
        self.backlog.clear()

    def send(self, message: Any, *, wait: bool) -> None:
        """Send an object.

        Args:
            message: anything that can be pickled.
            wait: until there is room; else the packet is kept until :meth:`flush` finds room.

        Raises:
            OSError: the other end is gone.
        """
        packet, descriptors = _packed(message)
        if wait:
            try:
                _send(self.socket, packet, descriptors, 0)
            finally:
                _close(descriptors)
            return
        self.backlog.append((packet, descriptors))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self.backlog:
            packet, descriptors = self.backlog[0]
            try:
                _send(self.socket, packet, descriptors, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            self.backlog.popleft()
            _close(descriptors)

    def receive(self) -> Any:
        """The next object; waits for it.

        Raises:
            EOFError: the other end is gone.
        """
        packet = bytearray(PACKET_BYTES + 4096)
        try:
            count, ancillary, _, _ = self.socket.recvmsg_into(
                [packet], socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            count, ancillary = 0, []
        if not count:
            raise EOFError
        descriptors = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        if descriptors:
            return _unpacked(_mapped(descriptors[0]))
        del packet[count:]
        return _unpacked(memoryview(packet))

    def ready(self, timeout: float | None) -> bool:
        """Whether something arrives within that many seconds."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))


def _send(end: socket.socket, packet: bytes, descriptors: list[int], flags: int) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    end.sendmsg([packet], rights, flags | socket.MSG_NOSIGNAL)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


# ---- layout of a message: count of buffers, length of the pickle, lengths of the buffers, pickle, buffers


def _packed(message: Any) -> tuple[bytes, list[int]]:
    """A packet, or the descriptor of memory that holds the message."""
    buffers: list[pickle.PickleBuffer] = []
    target = _Sink()
    _Pickler(target, protocol=5, buffer_callback=buffers.append).dump(message)
    body = b"".join(target.parts)
    parts = [b.raw() for b in buffers]
    lengths = [p.nbytes for p in parts]
    head = struct.pack(f"<{2 + len(parts)}q", len(parts), len(body), *lengths) + body
    places, total = _places(len(head), lengths)
    if total <= PACKET_BYTES:
        packet = bytearray(total)
        packet[: len(head)] = head
        for place, part in zip(places, parts, strict=True):
            packet[place : place + part.nbytes] = part
        return bytes(packet), []
    memory = os.memfd_create("jtorch-batch", os.MFD_CLOEXEC)
    try:
        # The system makes pages as it copies into them: cheaper than touching mapped memory page by page.
        os.ftruncate(memory, total)
        for place, part in zip([0, *places], [memoryview(head), *parts], strict=True):
            _write_at(memory, part, place)
    except BaseException:
        os.close(memory)
        raise
    return b"m", [memory]


def _write_at(descriptor: int, part: memoryview, place: int) -> None:
    done = 0
    while done < part.nbytes:
        done += os.pwrite(descriptor, part[done:], place + done)


def _places(start: int, lengths: Sequence[int]) -> tuple[list[int], int]:
    places = []
    for length in lengths:
        start = -(-start // ALIGNMENT) * ALIGNMENT
        places.append(start)
        start += length
    return places, start


def _unpacked(memory: memoryview) -> Any:
    count, length = struct.unpack_from("<2q", memory)
    lengths = struct.unpack_from(f"<{count}q", memory, 16)
    start = 16 + 8 * count
    places, _ = _places(start + length, lengths)
    buffers = [memory[p : p + n] for p, n in zip(places, lengths, strict=True)]
    return pickle.loads(memory[start : start + length], buffers=buffers)


class _Sink:
    """A file that keeps what is written."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: Any) -> None:
        self.parts.append(bytes(data))


# ---- mapped memory without a descriptor: a list of many batches must not use up the process's descriptors

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
]  # fmt: skip
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_FAILED = ctypes.c_void_p(-1).value


def _mapped(descriptor: int) -> memoryview:
    """The memory behind a descriptor, which is closed; unmapped once nobody looks at it any more."""
    try:
        size = os.fstat(descriptor).st_size
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        address = _libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, 0)
        if address in (None, _FAILED):
            raise OSError(ctypes.get_errno(), f"cannot map {size} bytes of shared memory")
    finally:
        os.close(descriptor)
    owner = (ctypes.c_char * size).from_address(address)
    weakref.finalize(owner, _libc.munmap, address, size).atexit = False
    return memoryview(owner).cast("B")


# ---- tensors: their elements travel beside the pickle


class _Pickler(pickle.Pickler):
    """Puts the elements of plain tensors beside the pickle; NumPy does so with arrays."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not Tensor:
            return NotImplemented
        if obj._fn is not None or (obj._abase is not None and obj.requires_grad):
            raise RuntimeError(
                "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not "
                "support crossing process boundaries.  If you just want to transfer the data, call detach() "
                "on the tensor before serializing (e.g., putting it on the queue)."
            )
        if obj.device.type != "cpu":
            return NotImplemented
        array = obj._host()
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        state = {k: v for k, v in vars(obj).items() if not k.startswith("_")}
        return _tensor, (pickle.PickleBuffer(content.data), array.shape, obj.dtype, obj.requires_grad, state)


def _tensor(
    content: Any, shape: tuple[int, ...], kind: dtype, requires_grad: bool, state: dict[str, Any]
) -> Tensor:
    made = from_value(from_host(np.frombuffer(content, kind.numpy).reshape(shape)))
    if requires_grad:
        made.requires_grad_()
    if state:
        made.__dict__.update(state)
    return made
