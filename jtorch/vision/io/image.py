"""Images from files and bytes, and back (``torchvision.io.image``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor

__all__ = [
    "ImageReadMode",
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]


class ImageReadMode(Enum):
    """Which channels an image is read with; ``UNCHANGED``: those of the file."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGBA: "RGBA",
}


def read_file(path: str | os.PathLike[str]) -> Tensor:
    """Bytes of a file, uint8 ``(N,)``."""
    return to_tensor(np.fromfile(path, np.uint8))


def write_file(filename: str | os.PathLike[str], data: Tensor) -> None:
    """Write bytes, uint8 ``(N,)``, to a file."""
    contents(_checked_bytes(data)).tofile(filename)


def _checked_bytes(data: Tensor) -> Tensor:
    if data.device.type != "cpu":
        raise RuntimeError("Expected a CPU tensor")
    if data.dtype != jtorch.uint8:
        raise RuntimeError("Expected a torch.uint8 tensor")
    if data.dim() != 1 or not data.numel():
        raise RuntimeError("Expected a non empty 1-dimensional tensor")
    return data


def _mode_of(mode: ImageReadMode | str) -> ImageReadMode:
    return ImageReadMode[mode.upper()] if isinstance(mode, str) else mode


def _pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    """Channels first; single bits as 0 and 255."""
    pixels = np.asarray(image)
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    elif image.mode.startswith("I"):
        pixels = pixels.astype(np.uint16)  # the only kind of file is PNG with 16 bits
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _decode(data: Tensor, mode: ImageReadMode | str, apply_exif_orientation: bool, kinds: Any) -> Tensor:
    raw = contents(_checked_bytes(data)).tobytes()
    try:
        image: Image.Image = Image.open(BytesIO(raw), formats=kinds)
    except Image.UnidentifiedImageError:
        raise RuntimeError(
            "Unsupported image file. Only jpeg, png, webp and gif are currently supported. For avif and heic "
            "format, please rely on `decode_avif` and `decode_heic` directly."
        ) from None
    mode = _mode_of(mode)
    wanted = _MODES.get(mode)
    if wanted is None and image.mode == "P":
        wanted = "RGBA" if "transparency" in image.info else "RGB"
    if image.format == "JPEG" and wanted == "L":
        image.draft("L", image.size)  # brightness as the file has it, not computed from RGB
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    if wanted is not None and image.mode != wanted:
        image = image.convert(wanted)
    return to_tensor(_pixels(image))


def decode_image(
    input: Tensor | str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image in the bytes of a JPEG, PNG, WebP or GIF file, or in a file at a path.

    Args:
        input: uint8 ``(N,)``, or a path.
        mode: channels of the result, or their name.
        apply_exif_orientation: turn the image as its EXIF data say.

    Returns:
        uint8 ``(C, H, W)``, uint16 for PNG with 16 bits; ``(T, C, H, W)`` for a GIF with several frames.

    Raises:
        RuntimeError: another kind of tensor or file.
    """
    if not isinstance(input, Tensor):
        input = read_file(input)
    if contents(_checked_bytes(input))[:3].tobytes() == b"GIF":
        return decode_gif(input)
    return _decode(input, mode, apply_exif_orientation, ("JPEG", "PNG", "WEBP"))


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image in a file; see :func:`decode_image`."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def decode_png(
    input: Tensor,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image in the bytes of a PNG file; see :func:`decode_image`."""
    return _decode(input, mode, apply_exif_orientation, ("PNG",))


def decode_jpeg(
    input: Tensor | Sequence[Tensor],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Tensor | list[Tensor]:
    """The image in the bytes of a JPEG file, or a list of them; see :func:`decode_image`.

    Args:
        input: uint8 ``(N,)`` on the CPU, or a list.
        mode: channels of the result, or their name.
        device: of the result; decoding takes place on the CPU.
        apply_exif_orientation: turn the image as its EXIF data say.
    """
    if isinstance(input, Tensor):
        if input.device.type != "cpu":
            raise ValueError("Input tensor must be a CPU tensor")
        return _decode(input, mode, apply_exif_orientation, ("JPEG",)).to(device)
    if not input:
        raise ValueError("Input list must contain at least one element")
    if not all(isinstance(t, Tensor) for t in input):
        raise ValueError("All elements of the input list must be tensors.")
    if not all(t.device.type == "cpu" for t in input):
        raise ValueError("Input list must contain tensors on CPU.")
    return [_decode(t, mode, apply_exif_orientation, ("JPEG",)).to(device) for t in input]


def decode_webp(input: Tensor, mode: ImageReadMode | str = ImageReadMode.UNCHANGED) -> Tensor:
    """The image in the bytes of a WebP file; see :func:`decode_image`."""
    return _decode(input, mode, False, ("WEBP",))


def decode_gif(input: Tensor) -> Tensor:
    """The frames of a GIF file in RGB: uint8 ``(T, 3, H, W)``, or ``(3, H, W)`` if there is one."""
    with Image.open(BytesIO(contents(_checked_bytes(input)).tobytes()), formats=("GIF",)) as image:
        frames = [_pixels(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    return to_tensor(frames[0] if len(frames) == 1 else np.stack(frames))


def _encode(input: Tensor, format: str, **options: Any) -> Tensor:
    if input.dtype != jtorch.uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    if input.dim() != 3:
        raise RuntimeError("Input data should be a 3-dimensional tensor")
    channels = input.size(0)
    if channels not in (1, 3):
        raise RuntimeError(f"The number of channels should be 1 or 3, got: {channels}")
    pixels = contents(input)
    image = Image.fromarray(pixels[0] if channels == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return to_tensor(np.frombuffer(buffer.getvalue(), np.uint8))


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """Bytes of a PNG file of an image.

    Args:
        input: uint8 ``(C, H, W)`` with 1 or 3 channels.
        compression_level: 0 to 9.

    Returns:
        uint8 ``(N,)``.

    Raises:
        RuntimeError: another kind of image, or level.
    """
    if not 0 <= compression_level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")
    return _encode(input, "PNG", compress_level=compression_level)


def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Write an image, uint8 ``(C, H, W)``, to a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def encode_jpeg(input: Tensor | Sequence[Tensor], quality: int = 75) -> Tensor | list[Tensor]:
    """Bytes of a JPEG file of an image, or of each of a list.

    Args:
        input: uint8 ``(C, H, W)`` with 1 or 3 channels, or a list.
        quality: 1 to 100.

    Returns:
        uint8 ``(N,)``, or a list.

    Raises:
        ValueError: the quality is out of range, or the list empty.
        RuntimeError: another kind of image.
    """
    if quality < 1 or quality > 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    if isinstance(input, Tensor):
        return _encode(input, "JPEG", quality=quality)
    if not input:
        raise ValueError("encode_jpeg requires at least one input tensor when a list is passed")
    return [_encode(image, "JPEG", quality=quality) for image in input]


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Write an image, uint8 ``(C, H, W)``, to a JPEG file."""
    made = encode_jpeg(input, quality)
    assert isinstance(made, Tensor)
    write_file(filename, made)
