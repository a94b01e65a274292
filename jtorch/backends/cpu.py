"""The CPU (``torch.backends.cpu``)."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["get_capabilities", "get_cpu_capability"]

_INFO = Path("/proc/cpuinfo")


def get_cpu_capability() -> str:
    """``"AVX512"``, ``"AVX2"`` or ``"DEFAULT"``: the widest vectors that XLA can use here."""
    flags = _INFO.read_text() if platform.machine() == "x86_64" and _INFO.exists() else ""
    return "AVX512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "DEFAULT"


#: What PyTorch lists of x86 processors, and Linux's names where they are others.
_X86 = (
    "sse", "sse2", "sse3", "ssse3", "sse4_1", "sse4_2", "sse4a", "avx", "avx2", "avx_vnni", "avx512_f",
    "avx512_cd", "avx512_dq", "avx512_bw", "avx512_vl", "avx512_ifma", "avx512_vbmi", "avx512_vbmi2",
    "avx512_bitalg", "avx512_vpopcntdq", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "avx512_vp2intersect", "avx512_4vnniw", "avx512_4fmaps", "avx10_1", "avx10_2", "avx_vnni_int8",
    "avx_vnni_int16", "avx_ne_convert", "amx_bf16", "amx_tile", "amx_int8", "amx_fp16", "fma3", "fma4",
    "f16c", "bmi", "bmi2", "popcnt", "lzcnt", "aes", "sha", "clflush", "clflushopt", "clwb",
)  # fmt: skip
_LINUX = {"sse3": "pni", "sha": "shani", "lzcnt": "abm", "fma3": "fma", "bmi": "bmi1"}


def get_capabilities() -> Mapping[str, Any]:
    """What the processor can do: ``{"architecture": "x86_64", "avx2": True, ...}`` (``torch.cpu``).

    It is read from ``/proc/cpuinfo``; without that, only the architecture and the number of cores are known.
    """
    # Differs from PyTorch: sizes of caches, the processor's name and its sockets are not listed.
    found: dict[str, Any] = {"architecture": platform.machine(), "num_logical_cores": os.cpu_count()}
    text = _INFO.read_text() if _INFO.exists() else ""
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = {flag.replace("_", "") for flag in line[1].split()} if line else set()
    if line and platform.machine() in ("x86_64", "AMD64"):
        found.update((name, _LINUX.get(name, name.replace("_", "")) in flags) for name in _X86)
    else:
        found.update((flag, True) for flag in flags)
    return MappingProxyType(found)
