"""Finding the operation whose gradient fails or is nan (``torch.autograd.anomaly_mode``)."""

from __future__ import annotations

import warnings

from jtorch.dispatch import modes

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Switch anomaly detection on or off, at once; as a context manager, until its end.

    With it, the backward pass shows where in the forward pass the operation was whose gradient failed.

    Args:
        mode: on or off.
        check_nan: stop at the first gradient with a nan.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                "set_anomaly_enabled(): argument 'enabled' (position 1) must be bool, not "
                f"{type(mode).__name__}"
            )
        self.prev, self.prev_check_nan = modes.anomaly, modes.anomaly_check_nan
        modes.set(anomaly=mode, anomaly_check_nan=check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        modes.set(anomaly=self.prev, anomaly_check_nan=self.prev_check_nan)


class detect_anomaly:
    """Anomaly detection inside a ``with`` block; see :class:`set_detect_anomaly`.

    Args:
        check_nan: stop at the first gradient with a nan.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.prev = modes.anomaly
        self.check_nan = check_nan
        self.prev_check_nan = modes.anomaly_check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.prev, self.prev_check_nan = modes.anomaly, modes.anomaly_check_nan
        modes.set(anomaly=True, anomaly_check_nan=self.check_nan)

    def __exit__(self, *_: object) -> None:
        modes.set(anomaly=self.prev, anomaly_check_nan=self.prev_check_nan)
