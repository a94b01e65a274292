"""The CPU (``torch.backends.cpu``)."""

import platform
from pathlib import Path

__all__ = ["get_cpu_capability"]

_INFO = Path("/proc/cpuinfo")


def get_cpu_capability() -> str:
    """``"AVX512"``, ``"AVX2"`` or ``"DEFAULT"``: the widest vectors that XLA can use here."""
    flags = _INFO.read_text() if platform.machine() == "x86_64" and _INFO.exists() else ""
    return "AVX512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "DEFAULT"
