"""``SummaryWriter``: numbers, histograms, pictures and texts for TensorBoard."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime
from typing import Any

import numpy as np
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.plugins.hparams import api_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from jtorch.tensor import Tensor
from jtorch.utils.tensorboard import _summaries as summaries

__all__ = ["FileWriter", "SummaryWriter"]


class FileWriter:
    """Writes events to one file.

    Args:
        log_dir: folder of the file.
        max_queue: events that may wait to be written.
        flush_secs: seconds after which they are written.
        filename_suffix: end of the file's name.
    """

    def __init__(
        self, log_dir: Any, max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = ""
    ) -> None:
        self.event_writer = EventFileWriter(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return str(self.event_writer.get_logdir())

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Write an event, stamped with the time and a step."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(self, summary: Any, global_step: Any = None, walltime: float | None = None) -> None:
        """Write a summary."""
        self.add_event(event_pb2.Event(summary=summary), global_step, walltime)

    def flush(self) -> None:
        """Write what waits."""
        self.event_writer.flush()

    def close(self) -> None:
        """Write what waits and close the file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Go on in a new file."""
        self.event_writer.reopen()


def _missing(what: str, instead: str) -> NotImplementedError:
    return NotImplementedError(f"SummaryWriter.{what} is missing; {instead}")


class SummaryWriter:
    """Writes a training run's numbers where TensorBoard finds them.

    Args:
        log_dir: folder; by default ``runs/`` with the time and the host's name.
        comment: end of the default folder's name.
        purge_step: steps from this one on of an earlier, crashed run are hidden.
        max_queue: events that may wait to be written.
        flush_secs: seconds after which they are written.
        filename_suffix: end of the files' names.

    Every method takes the step (``global_step``) and the time (``walltime``, now by default).
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir, self.purge_step = log_dir, purge_step
        self.max_queue, self.flush_secs, self.filename_suffix = max_queue, flush_secs, filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        positive = 1e-12 * 1.1 ** np.arange(774)  # up to 1e20, as PyTorch
        self.default_bins = [*(-positive[::-1]).tolist(), 0.0, *positive.tolist()]
        self._get_file_writer()

    def _get_file_writer(self) -> FileWriter:
        if self.file_writer is None or self.all_writers is None:
            self.file_writer = self._new(str(self.log_dir))
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                start = SessionLog(status=SessionLog.START)
                for event in (Event(file_version="brain.Event:2"), Event(session_log=start)):
                    self.file_writer.add_event(event, self.purge_step)
                self.purge_step = None
        return self.file_writer

    def _new(self, folder: str) -> FileWriter:
        return FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)

    def _add(self, summary: Any, global_step: Any, walltime: float | None) -> None:
        self._get_file_writer().add_summary(summary, global_step, walltime)

    def get_logdir(self) -> Any:
        """The folder."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number, or a tensor with one element."""
        self._add(summaries.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Several numbers in one diagram; each has a folder of its own."""
        walltime = time.time() if walltime is None else walltime
        base = self._get_file_writer().get_logdir()
        assert self.all_writers is not None
        for tag, value in tag_scalar_dict.items():
            folder = f"{base}/{main_tag.replace('/', '_')}_{tag}"
            if folder not in self.all_writers:
                self.all_writers[folder] = self._new(folder)
            self.all_writers[folder].add_summary(summaries.scalar(main_tag, value), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """The distribution of a tensor's elements; ``bins`` as for NumPy, or by default exponential ones."""
        edges = self.default_bins if isinstance(bins, str) and bins == "tensorflow" else bins
        self._add(summaries.histogram(tag, values, edges, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """A histogram that was counted elsewhere."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        proto = summaries.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts)
        self._add(proto, global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture, uint8 or between 0 and 1; ``dataformats`` orders its dimensions."""
        self._add(summaries.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Pictures, eight in a row."""
        self._add(summaries.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """One figure of matplotlib, or several; ``close`` closes them."""
        from matplotlib import pyplot as plt  # noqa: PLC0415 - optional
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

        drawn = []
        for one in figure if isinstance(figure, list) else [figure]:
            canvas: Any = FigureCanvasAgg(one)
            canvas.draw()
            drawn.append(np.asarray(canvas.buffer_rgba())[..., :3])
            if close:
                plt.close(one)
        if isinstance(figure, list):
            self.add_image(tag, np.stack(drawn), global_step, walltime, dataformats="NHWC")
        else:
            self.add_image(tag, drawn[0], global_step, walltime, dataformats="HWC")

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Text in Markdown."""
        self._add(summaries.text(tag, text_string), global_step, walltime)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Precision and recall of probabilities ``predictions`` for labels 0 and 1, by threshold."""
        count = min(num_thresholds, 127)
        truth = summaries.array_of(labels).astype(np.float64)
        buckets = np.floor(summaries.array_of(predictions) * (count - 1)).astype(np.int32)
        weight = 1.0 if weights is None else summaries.array_of(weights)

        def above(share: Any) -> Any:
            """How much lies in each bucket or a higher one."""
            found, _ = np.histogram(buckets, count, (0, count - 1), weights=share * weight)
            return found[::-1].cumsum()[::-1]

        tp, fp = above(truth), above(1.0 - truth)
        tn, fn = fp[0] - fp, tp[0] - tp
        precision, recall = tp / np.maximum(1e-7, tp + fp), tp / np.maximum(1e-7, tp + fn)
        self._add(summaries.pr_curve(tag, (tp, fp, tn, fn, precision, recall), count), global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Precision and recall that were counted elsewhere."""
        rows = (true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts,
                precision, recall)  # fmt: skip
        self._add(summaries.pr_curve(tag, rows, min(num_thresholds, 127)), global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: Any,
        metric_dict: Any,
        hparam_domain_discrete: Any = None,
        run_name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """A run's hyperparameters with what came out.

        Raises:
            TypeError: an argument is no dictionary.
            ValueError: a hyperparameter is no number, string, bool or tensor.
        """
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        values, infos = {}, []
        for name, value in hparam_dict.items():
            if value is None:
                continue
            if not isinstance(value, (int, float, str, Tensor)):
                raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
            values[name] = value.item() if isinstance(value, Tensor) else value
            kind = "STRING" if isinstance(value, str) else "FLOAT64"
            info = api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(f"DATA_TYPE_{kind}"))
            info.domain_discrete.extend((hparam_domain_discrete or {}).get(name, []))
            infos.append(info)
        metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in metric_dict]
        folder = os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        with SummaryWriter(log_dir=folder) as writer:
            for summary in summaries.session(infos, metrics, values):
                writer._add(summary, global_step, None)
            for name, value in metric_dict.items():
                writer.add_scalar(name, value, global_step)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Missing: there is no TorchScript graph to draw."""
        raise _missing("add_graph", "torchinfo.summary prints a model, jtorch.export gives its program")

    def add_video(self, *args: Any, **kwargs: Any) -> None:
        """Missing."""
        raise _missing("add_video", "add_images shows the frames")

    def add_audio(self, *args: Any, **kwargs: Any) -> None:
        """Missing."""
        raise _missing("add_audio", "add_figure can show the waveform")

    def add_embedding(self, *args: Any, **kwargs: Any) -> None:
        """Missing."""
        raise _missing("add_embedding", "project the rows yourself and show them with add_figure")

    def add_mesh(self, *args: Any, **kwargs: Any) -> None:
        """Missing."""
        raise _missing("add_mesh", "add_figure can show it in three dimensions")

    def flush(self) -> None:
        """Write what waits."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Write what waits and close the files; a later call of another method opens new ones."""
        for writer in (self.all_writers or {}).values():
            writer.flush()
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
