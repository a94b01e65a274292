"""What a gradient that is differentiated again is called.

PyTorch computes gradients with other operations, and a gradient shows the last of them as ``grad_fn``. Here
the gradient of an operation is one node; it bears that name where PyTorch has a single one for all operands.
"""

from __future__ import annotations

__all__ = ["derivative_node"]

#: Node of an operation -> node of its gradient. Read off PyTorch 2.13 with ``create_graph=True``.
_NAMES = {
    "MulBackward0": (
        "AbsBackward0 AcosBackward0 AcoshBackward0 Atan2Backward0 AsinBackward0 CosBackward0 CoshBackward0 "
        "DotBackward0 ErfBackward0 ExpBackward0 Expm1Backward0 LinalgVectorNormBackward0 "
        "LogsumexpBackward0 "
        "MishBackward0 MulBackward0 PowBackward0 PowBackward1 ProdBackward0 ReciprocalBackward0 "
        "RsqrtBackward0 "
        "SiluBackward0 SinBackward0 SinhBackward0 StdBackward0 TanBackward0 VarBackward0"
    ),
    "DivBackward0": (
        "AtanBackward0 DivBackward0 LogBackward0 Log10Backward0 Log1PBackward0 Log2Backward0 SqrtBackward0"
    ),
    "DivBackward1": "MeanBackward0 MeanBackward1",
    "MulBackward1": "Exp2Backward0",
    "ExpandBackward0": "SumBackward0 SumBackward1",
    "NegBackward0": "NegBackward0 RsubBackward1 SubBackward0",
    "MmBackward0": "MmBackward0 AddmmBackward0",
    "MvBackward0": "MvBackward0",
    "BmmBackward0": "BmmBackward0",
    "WhereBackward0": "ClampBackward1 WhereBackward0",
    "MaskedFillBackward0": "MaximumBackward0 MinimumBackward0",
    "MaskedFillBackward1": "MaxBackward1 MinBackward1",
    "ThresholdBackwardBackward0": "ReluBackward0",
    "EluBackwardBackward0": "EluBackward0 CeluBackward0",
    "SoftmaxBackwardDataBackward0": "SoftmaxBackward0",
    "LogSoftmaxBackwardDataBackward0": "LogSoftmaxBackward0",
    "TBackward0": "TBackward0",
    "ViewBackward0": "ViewBackward0 ExpandBackward0",
    "SliceBackward0": "CatBackward0",
    "FlipBackward0": "CumsumBackward0",
    "SqueezeBackward1": "UnsqueezeBackward0",
    "UnsqueezeBackward0": "SqueezeBackward0",
    "TransposeBackward0": "TransposeBackward0",
    "PermuteBackward0": "PermuteBackward0",
}
_DERIVATIVES = {node: name for name, nodes in _NAMES.items() for node in nodes.split()}


def derivative_node(node: str) -> str:
    """The name of the gradient's node for an operation's node."""
    return _DERIVATIVES.get(node) or node.removesuffix("0") + "Backward0"
