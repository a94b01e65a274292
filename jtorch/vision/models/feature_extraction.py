"""``torchvision.models.feature_extraction``, which rewrites models by ``torch.fx``: not available."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["create_feature_extractor", "get_graph_node_names"]

_INSTEAD = "use forward hooks, or IntermediateLayerGetter in jtorch.vision.models._utils"


def create_feature_extractor(*args: Any, **kwargs: Any) -> NoReturn:
    """Refuse: there is no ``torch.fx``.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(f"create_feature_extractor needs torch.fx, which jtorch has not; {_INSTEAD}")


def get_graph_node_names(*args: Any, **kwargs: Any) -> NoReturn:
    """Refuse: there is no ``torch.fx``.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(f"get_graph_node_names needs torch.fx, which jtorch has not; {_INSTEAD}")
