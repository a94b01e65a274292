"""Softmax over many classes, most of which are rare."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from jtorch.nn import functional as F
from jtorch.nn.modules.container import ModuleList, Sequential
from jtorch.nn.modules.linear import Linear
from jtorch.nn.modules.module import Module
from jtorch.tensor import Tensor
from jtorch.tensor._core import call, value_of

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


_ASMoutput.__name__ = _ASMoutput.__qualname__ = "_ASMoutput"


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log probabilities: frequent classes from one map, rare ones from smaller maps behind clusters.

    Args:
        in_features: size of the inputs.
        n_classes: number of classes, sorted by frequency.
        cutoffs: where the clusters of rarer classes begin.
        div_value: by how much smaller the map of each next cluster is.
        head_bias: whether the map of frequent classes has a bias.
        device, dtype: of the parameters.

    Reference: Grave et al., 2016, https://arxiv.org/abs/1609.04309
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            sorted(set(cutoffs)) != cutoffs
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                "where each value is between 1 and n_classes-1"
            )
        self.in_features, self.n_classes, self.div_value, self.head_bias = (
            in_features,
            n_classes,
            div_value,
            head_bias,
        )
        self.cutoffs = [*cutoffs, n_classes]
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            hidden = int(in_features // (div_value ** (i + 1)))
            first = Linear(in_features, hidden, False, device, dtype)
            self.tail.append(Sequential(first, Linear(hidden, high - low, False, device, dtype)))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for first, second in self.tail:  # type: ignore[attr-defined]
            first.reset_parameters()
            second.reset_parameters()

    def _check(self, input: Any, target: Any) -> None:
        n = target.dim()
        if n > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if n == 1 and input.size(0) != target.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input.dim() != n + 1:
            raise RuntimeError(
                f"{n}D target tensor expects {n + 1}D input tensors, but found inputs with size "
                f"{input.size()}"
            )
        if not value_of(target).pending and target.numel():
            # Looking at what is still to be computed would make the program wait.
            low, high = int(target.min()), int(target.max())
            if low < 0 or high >= self.n_classes:
                raise RuntimeError(
                    f"Target values should be in [0, {self.n_classes - 1}], but values in range [{low}, "
                    f"{high}] were found. "
                )

    def forward(self, input_: Any, target_: Any) -> _ASMoutput:
        """Log probability of each target, and minus their mean.

        Every cluster is computed for every sample: a program's shapes do not depend on the targets.
        """
        self._check(input_, target_)
        batched = target_.dim() > 0
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        head = F.log_softmax(self.head(input), 1)
        found = head.gather(1, target.clamp(max=self.shortlist_size - 1).unsqueeze(1)).squeeze(1)
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            inside = (target >= low) & (target < high)
            place = (target - low).clamp(0, high - low - 1).unsqueeze(1)
            local = F.log_softmax(self.tail[i](input), 1).gather(1, place).squeeze(1)
            found = call("where", inside, head[:, self.shortlist_size + i] + local, found)
        loss = (-found).mean()
        return _ASMoutput(found if batched else found.squeeze(0), loss)

    def log_prob(self, input: Any) -> Tensor:
        """Log probabilities of all classes."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            local = F.log_softmax(cluster(input), 1)
            parts.append(local + head[:, self.shortlist_size + i].unsqueeze(1))
        return call("cat", parts, 1)

    def predict(self, input: Any) -> Tensor:
        """The most probable class of each sample."""
        return self.log_prob(input).argmax(dim=1)
