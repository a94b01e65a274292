"""Short-time Fourier transform and its inverse."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import kind, scalar_type
from jtorch.ops._registry import register

__all__ = ["istft", "stft"]


def described(x: Any, kind_of: str = "torch.{}Tensor{}", braces: bool = False) -> str:
    """A tensor as PyTorch's texts name it."""
    shape = f"{{{list(x.shape)}}}" if braces else str(list(x.shape))
    return kind_of.format(scalar_type(x), shape)


def _flag(value: Any) -> str:
    """An optional flag as C++ prints it."""
    return "None" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


def padded_window(window: Array | None, win_length: int, n_fft: int, dtype: Any) -> Array | None:
    """The window in the middle of ``n_fft`` points; ``None`` if it is ones all over."""
    if window is None:
        if win_length == n_fft:
            return None
        window = jnp.ones((win_length,), dtype)
    left = (n_fft - win_length) // 2
    return jnp.pad(window, (left, n_fft - win_length - left))


def check_stft(
    x: Array, n_fft: int, hop_length: int, win_length: int, window: Array | None, described_as: str
) -> None:
    """Sizes and types of a short-time transform, ``x`` with its padding."""
    if kind(x) in "bi":
        raise RuntimeError(f"{described_as} expected a tensor of floating point or complex values")
    if x.ndim not in (1, 2):
        raise RuntimeError(f"{described_as} expected a 1D or 2D tensor")
    length = x.shape[-1]
    if not 0 < n_fft <= length:
        raise RuntimeError(f"{described_as} expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop_length <= 0:
        raise RuntimeError(f"{described_as} expected hop_length > 0, but got hop_length={hop_length}")
    if not 0 < win_length <= n_fft:
        raise RuntimeError(
            f"{described_as} expected 0 < win_length <= n_fft, but got win_length={win_length}"
        )
    if window is not None and window.shape != (win_length,):
        raise RuntimeError(
            f"{described_as} expected a 1D window tensor of size equal to win_length={win_length}, but got "
            "window "
            f"with size {list(window.shape)}"
        )


_PAD_MODES = {"reflect": "reflect", "constant": "constant", "replicate": "edge", "circular": "wrap"}


def centred(x: Array, n_fft: int, pad_mode: str) -> Array:
    """The signal with half a window of padding at both ends, so that frames are centred on their points."""
    if pad_mode not in _PAD_MODES:
        raise NotImplementedError(f"Unrecognised padding mode {pad_mode}")
    half = n_fft // 2
    if pad_mode == "reflect" and half >= x.shape[-1]:
        shape = [1] * (3 - x.ndim) + list(x.shape)
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: "
            "padding "
            f"({half}, {half}) at dimension 2 of input {shape}"
        )
    if half <= 0:
        return x
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], mode=_PAD_MODES[pad_mode])


def _stft_node(shapes: Any, static: Any) -> str:
    if static["return_complex"] is False:
        return "ViewAsRealBackward0"
    return "SqueezeBackward4" if len(shapes[0]) == 1 else "TransposeBackward1"


def _stft_watches(args: Any) -> str:
    """The input is kept by the padding, the window by the product."""
    padded = args["center"] and args["pad_mode"] in ("reflect", "replicate")
    return "window@input" + (" input@input" if padded else " input@window")


@register(
    "stft",
    node=_stft_node,
    static="n_fft hop_length win_length center pad_mode normalized onesided return_complex align_to_window",
    promote=None,
    saves="intermediate",
    watches=_stft_watches,
    method=True,
)
def stft(
    input: Array,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Array | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Array:
    """Fourier transforms of overlapping windows of a signal.

    Args:
        input: signals, shape ``(*, length)`` with at most one batch dim.
        n_fft: points of each transform.
        hop_length: distance of neighbouring windows; a quarter of ``n_fft`` by default.
        win_length: length of the window, padded with zeros to ``n_fft``; equal to it by default.
        window: its values; ones by default.
        center: pad the signal, so that window t is centred on point t * hop_length.
        pad_mode: how.
        normalized: divide by the root of ``n_fft``.
        onesided: only the first n_fft // 2 + 1 frequencies; by default for real signals and windows.
        return_complex: complex result; ``False`` (deprecated) has real and imaginary parts in a last dim of
            size 2.
        align_to_window: place the windows, not the transforms, from the start; only without ``center``.

    Returns:
        Shape ``(*, frequencies, windows)``.

    Raises:
        RuntimeError: sizes, types or options that do not fit.
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    is_complex = kind(input) == "c" or (window is not None and kind(window) == "c")
    if return_complex is None and not is_complex:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further require "
            "that "
            "return_complex=True in a future PyTorch release."
        )
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    x = centred(input, n_fft, pad_mode) if center else input
    shown = "None" if window is None else described(window, braces=True)
    text = (
        f"stft({described(x)}, n_fft={n_fft}, hop_length={hop}, win_length={width}, window={shown}, "
        f"normalized={int(normalized)}, onesided={_flag(onesided)}, return_complex={_flag(return_complex)}, "
        f"align_to_window={_flag(align_to_window)}) :"
    )
    check_stft(x, n_fft, hop, width, window, text)
    onesided = not is_complex if onesided is None else onesided
    if is_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if align_to_window and width < n_fft:
        left = (n_fft - width) // 2
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(left, left)])
    windows = 1 + (x.shape[-1] - n_fft) // hop
    starts = np.arange(windows) * hop
    frames = x[..., starts[:, None] + np.arange(n_fft)]
    values = padded_window(window, width, n_fft, x.dtype)
    frames = frames if values is None else frames * values
    transform = jnp.fft.rfft if onesided and kind(frames) != "c" else jnp.fft.fft
    out = transform(frames, norm="ortho" if normalized else "backward")
    out = jnp.swapaxes(out, -1, -2)
    if return_complex is False:
        return jnp.stack([out.real, out.imag], -1)
    return out


@register(
    "istft",
    node="SqueezeBackward1",
    static="n_fft hop_length win_length center normalized onesided length return_complex",
    promote=None,
    method=True,
)
def istft(
    input: Array,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Array | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Array:
    """The signal whose :func:`stft` is nearest to the input: windows added up, divided by their squares' sum.

    Args:
        input: complex, shape ``(*, frequencies, windows)`` with at most one batch dim.
        n_fft: points of each transform.
        hop_length: distance of neighbouring windows; a quarter of ``n_fft`` by default.
        win_length: length of the window; ``n_fft`` by default.
        window: its values; ones by default.
        center: the signal was padded by half of ``n_fft``.
        normalized: transforms were divided by the root of ``n_fft``.
        onesided: only half of the frequencies are there; by default if fewer than ``n_fft`` are.
        length: of the signal, cut or padded with zeros.
        return_complex: the signal is complex.

    Raises:
        RuntimeError: sizes, types or options that do not fit.

    Reference: Griffin & Lim, "Signal estimation from modified short-time Fourier transform", 1984,
    https://doi.org/10.1109/TASSP.1984.1164317
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    onesided = check_istft(
        input, n_fft, hop, width, window, center, normalized, onesided, length, return_complex
    )
    real = jnp.zeros((), input.dtype).real.dtype
    values = padded_window(window, width, n_fft, real)
    spectra = jnp.swapaxes(input, -1, -2)
    norm = "ortho" if normalized else "backward"
    if return_complex:
        frames = jnp.fft.ifft(spectra, n=n_fft, norm=norm)
    else:
        half = spectra if onesided else spectra[..., : n_fft // 2 + 1]
        frames = jnp.fft.irfft(half, n=n_fft, norm=norm)
    values = jnp.ones((n_fft,), real) if values is None else values
    frames = frames * values
    windows = frames.shape[-2]
    total = n_fft + hop * (windows - 1)
    places = (np.arange(windows) * hop)[:, None] + np.arange(n_fft)
    signal = jnp.zeros((*frames.shape[:-2], total), frames.dtype).at[..., places].add(frames)
    weight = jnp.zeros((total,), values.dtype).at[places].add(jnp.broadcast_to(values**2, places.shape))
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else total - n_fft // 2 if center else total
    signal = signal[..., start:stop] / weight[start:stop]
    if length is not None and signal.shape[-1] < length:
        signal = jnp.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(0, length - signal.shape[-1])])
    return signal


def check_istft(
    x: Array,
    n_fft: int,
    hop: int,
    width: int,
    window: Array | None,
    center: bool,
    normalized: bool,
    onesided: bool | None,
    length: int | None,
    return_complex: bool,
) -> bool:
    """Sizes, types and options of an inverse short-time transform; whether half a spectrum is given."""
    if kind(x) != "c":
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    shown = "None" if window is None else described(window, braces=True)
    text = (
        f"istft({described(x, 'CPU{}Type{}')}, n_fft={n_fft}, hop_length={hop}, win_length={width}, "
        f"window={shown}, "
        f"center={int(center)}, normalized={int(normalized)}, onesided={_flag(onesided)}, "
        f"length={_flag(length)}, "
        f"return_complex={int(return_complex)}) "
    )
    if x.size == 0:
        raise RuntimeError(f"{text}: input tensor cannot be empty.")
    if x.ndim not in (2, 3):
        raise RuntimeError(f"{text}: expected a tensor with 3 or 4 dimensions, but got {x.ndim + 1}")
    half = n_fft != x.shape[-2] if onesided is None else onesided
    if half and x.shape[-2] != n_fft // 2 + 1:
        raise RuntimeError(
            f"{text}: expected the frequency dimension (3rd to the last) of the input tensor to match "
            "n_fft / 2 + 1 "
            f"when onesided=True, but got {x.shape[-2]}"
        )
    if not half and x.shape[-2] != n_fft:
        raise RuntimeError(
            f"{text}: expected the frequency dimension (3rd to the last) of the input tensor to match "
            "n_fft when "
            f"onesided=False, but got {x.shape[-2]}"
        )
    if not 0 < hop <= width:
        raise RuntimeError(f"{text}: expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{text}: expected 0 < win_length <= n_fft")
    if window is not None and window.shape != (width,):
        raise RuntimeError(f"{text}: Invalid window shape. window has to be 1D and length of `win_length`")
    if return_complex and half:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    return half
