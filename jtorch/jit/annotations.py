"""Names for annotations that programs import from ``torch.jit.annotations``; they are those of ``typing``."""

from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: UP035  # the old names are the point

__all__ = ["Any", "Dict", "Final", "List", "Optional", "Tuple", "Union"]
