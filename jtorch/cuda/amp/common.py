"""Whether scaling gradients can be of use (``torch.cuda.amp.common``)."""

from jtorch.cuda._kind import KIND

__all__ = ["amp_definitely_not_available"]


def amp_definitely_not_available() -> bool:
    """Whether there is no GPU."""
    return not KIND.is_available()
