"""TF32, on or off: the precision of float32 products as the switches of backends show it."""

from __future__ import annotations

from types import ModuleType

from jtorch.tensor._settings import get_float32_matmul_precision, set_float32_matmul_precision

__all__ = ["Precise", "PreciseModule"]


class Precise:
    """Shows the precision of float32 products as ``allow_tf32`` and ``fp32_precision``."""

    @property
    def allow_tf32(self) -> bool:
        """Whether products may round their operands to TF32; the same switch for all products."""
        return get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        set_float32_matmul_precision("high" if value else "highest")

    @property
    def fp32_precision(self) -> str:
        """``"ieee"``, ``"tf32"`` or ``"bf16"``."""
        return {"highest": "ieee", "high": "tf32", "medium": "bf16"}[get_float32_matmul_precision()]

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        levels = {"ieee": "highest", "none": "highest", "tf32": "high", "bf16": "medium"}
        if value not in levels:
            raise RuntimeError(f"Invalid precision {value}, should be one of ieee, tf32, bf16, none")
        set_float32_matmul_precision(levels[value])


class PreciseModule(Precise, ModuleType):
    """A module with these attributes."""
