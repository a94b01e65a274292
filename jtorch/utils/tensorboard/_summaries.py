"""Tensors as TensorBoard's messages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

from jtorch.tensor import Tensor

__all__ = [
    "array_of",
    "as_hwc",
    "histogram",
    "histogram_raw",
    "image",
    "pr_curve",
    "scalar",
    "session",
    "text",
]


def array_of(value: Any) -> np.ndarray[Any, Any]:
    """A NumPy array of a tensor, an array or a number."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        if str(value.dtype).endswith("bfloat16"):
            value = value.float()
        return np.asarray(value.numpy())
    return np.asarray(value)


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> Any:
    """One number."""
    array = array_of(value).squeeze()
    if array.ndim != 0:
        raise AssertionError(
            "Tensor should contain one element (0 dimensions). "
            f"Was given size: {array.size} and {array.ndim} dimensions."
        )
    number = float(array)
    if not new_style:
        return Summary(value=[Summary.Value(tag=tag, simple_value=number)])
    tensor = TensorProto(float_val=[number], dtype="DT_FLOAT")
    if double_precision:
        tensor = TensorProto(double_val=[number], dtype="DT_DOUBLE")
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=_metadata("scalars"))])


def _metadata(plugin: str, content: Any = None) -> Any:
    data = {} if content is None else {"content": content.SerializeToString()}
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, **data))


def histogram_raw(
    tag: str, min: Any, max: Any, num: Any, sum: Any, sum_squares: Any, limits: Any, counts: Any
) -> Any:
    """A histogram from its parts."""
    proto = HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares, bucket_limit=limits, bucket=counts
    )
    return Summary(value=[Summary.Value(tag=tag, histo=proto)])


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> Any:
    """A histogram of all elements; empty bins at both ends are left out but for one below.

    Raises:
        ValueError: there are no elements.
    """
    flat = array_of(values).astype(float).reshape(-1)
    if flat.size == 0:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(flat, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        together = len(counts) // max_bins
        counts = np.pad(counts, (0, -len(counts) % together)).reshape(-1, together).sum(-1)
        limits = np.append(limits[:-1:together], limits[-1])
    filled = np.flatnonzero(counts)
    first, last = int(filled[0]), int(filled[-1])
    counts = np.append(0, counts[: last + 1]) if first == 0 else counts[first - 1 : last + 1]
    limits = limits[first : last + 2]
    return histogram_raw(
        tag, flat.min(), flat.max(), flat.size, flat.sum(), flat.dot(flat), limits.tolist(), counts.tolist()
    )


def as_hwc(array: np.ndarray[Any, Any], dataformats: str) -> np.ndarray[Any, Any]:
    """A picture with channels last, RGB; several ones side by side."""
    order = dataformats.upper()
    if len(set(order)) != len(order):
        raise AssertionError(
            f"You can not use the same dimension shordhand twice. input_format: {dataformats}"
        )
    if array.ndim != len(order):
        raise AssertionError(
            "size of input tensor and input format are different. "
            f"tensor shape: {array.shape}, input_format: {dataformats}"
        )
    if "C" not in order:
        array, order = array[..., None], order + "C"
    if "N" in order:
        array = _grid(array.transpose([order.index(c) for c in "NCHW"]))
        order = "CHW"
    array = array.transpose([order.index(c) for c in "HWC"])
    return np.concatenate([array] * 3, -1) if array.shape[-1] == 1 else array


def _grid(images: np.ndarray[Any, Any], columns: int = 8) -> np.ndarray[Any, Any]:
    """Pictures (N, C, H, W) as one (C, rows * H, columns * W)."""
    count, channels, height, width = images.shape
    columns = min(count, columns)
    rows = -(-count // columns)
    missing = np.zeros((rows * columns - count, channels, height, width), images.dtype)
    cells = np.concatenate([images, missing]).reshape(rows, columns, channels, height, width)
    return cells.transpose(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)


def image(tag: str, value: Any, dataformats: str) -> Any:
    """A picture; integers of 8 bits are taken as they are, other numbers lie between 0 and 1."""
    from PIL import Image  # noqa: PLC0415 - optional

    array = array_of(value)
    array = as_hwc(array, dataformats)
    scale = 1 if array.dtype == np.uint8 else 255
    pixels = (array.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)
    height, width, channels = pixels.shape
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG")
    proto = Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=encoded.getvalue()
    )
    return Summary(value=[Summary.Value(tag=tag, image=proto)])


def _shape(*sizes: int) -> Any:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


def text(tag: str, words: str) -> Any:
    """Text in Markdown."""
    tensor = TensorProto(dtype="DT_STRING", string_val=[words.encode()], tensor_shape=_shape(1))
    plugin = _metadata("text", TextPluginData(version=0))
    return Summary(value=[Summary.Value(tag=f"{tag}/text_summary", metadata=plugin, tensor=tensor)])


def pr_curve(tag: str, rows: Sequence[Any], num_thresholds: int) -> Any:
    """Precision and recall by threshold: rows of true and false positives, true and false negatives, both."""
    data = np.stack([array_of(row) for row in rows])
    plugin = _metadata("pr_curves", PrCurvePluginData(version=0, num_thresholds=num_thresholds))
    tensor = TensorProto(
        dtype="DT_FLOAT", float_val=data.reshape(-1).tolist(), tensor_shape=_shape(*data.shape)
    )
    return Summary(value=[Summary.Value(tag=tag, metadata=plugin, tensor=tensor)])


def session(infos: Sequence[Any], metrics: Sequence[Any], values: dict[str, Any]) -> list[Any]:
    """A run's hyperparameters: what there are, their values, and that the run has ended."""
    start = plugin_data_pb2.SessionStartInfo()
    for name, value in values.items():
        setattr(start.hparams[name], "string_value" if isinstance(value, str) else "number_value", value)
    experiment = api_pb2.Experiment(hparam_infos=infos, metric_infos=metrics)
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))
    parts = (
        (metadata.EXPERIMENT_TAG, {"experiment": experiment}),
        (metadata.SESSION_START_INFO_TAG, {"session_start_info": start}),
        (metadata.SESSION_END_INFO_TAG, {"session_end_info": end}),
    )
    found = []
    for tag, part in parts:
        content = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **part)
        plugin = _metadata(metadata.PLUGIN_NAME, content)
        found.append(Summary(value=[Summary.Value(tag=tag, metadata=plugin)]))
    return found
