"""Recurrent networks as functions (``torch.lstm`` and others): they draw the dropout between layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.tensor._core import Tensor, call
from jtorch.tensor._creation import empty
from jtorch.tensor._derive import derived

__all__: list[str] = []


def _masks(
    lead: Sequence[int], like: Tensor, width: int, num_layers: int, dropout: float, train: bool
) -> tuple[Tensor, ...]:
    """What the outputs of each layer but the last are multiplied by."""
    if not train or dropout == 0 or num_layers < 2:
        return ()
    shape, keep = (*lead, width), 1 - dropout
    masks = []
    for _ in range(num_layers - 1):
        noise: Any = empty(shape, dtype=like.dtype, device=like.device)
        masks.append(noise.zero_() if keep == 0 else noise.bernoulli_(keep).div_(keep))
    return tuple(masks)


def _make(name: str) -> Callable[..., Any]:
    def network(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        names = ["hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional"]
        second = args[0] if args else kwargs.get("hx")
        packed = "batch_sizes" in kwargs or (
            len(args) > 1
            and isinstance(second, Tensor)
            and isinstance(args[1], Tensor | tuple | list)
            and not (isinstance(args[1], tuple | list) and args[2:] and isinstance(args[2], bool))
        )
        names = ["batch_sizes", *names] if packed else [*names, "batch_first"]
        if len(args) > len(names):
            raise TypeError(
                f"{name}() takes {len(names) + 1} positional arguments but {len(args) + 1} were given"
            )
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        missing = [n for n in names if n not in given]
        if missing or len(given) != len(names):
            wrong = missing or sorted(set(given) - set(names))
            raise TypeError(f"{name}() received an invalid combination of arguments: {', '.join(wrong)}")
        states = tuple(given["hx"]) if name == "lstm" else (given["hx"],)
        params, num_layers = tuple(given["params"]), given["num_layers"]
        directions = 2 if given["bidirectional"] else 1
        width = states[0].shape[-1] * directions
        lead = input.shape[:-1] if packed or not given["batch_first"] else (input.shape[1], input.shape[0])
        masks = _masks(lead, input, width, num_layers, given["dropout"], given["train"])
        options = (given["has_biases"], num_layers, given["bidirectional"])
        if packed:
            out, *finals = call(
                f"_{name}.packed", input, given["batch_sizes"], states, params, masks, *options
            )
        else:
            out, *finals = call(f"_{name}", input, states, params, masks, *options, given["batch_first"])
        return out, *finals

    network.__name__ = network.__qualname__ = name
    network.__module__ = "jtorch"
    network.__doc__ = f"""Outputs and final states of a network of the kind ``{name}``, as PyTorch's layers
    call it.

    ``{name}(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)`` is for
    sequences of one length, ``{name}(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
    bidirectional)`` for packed ones.
    """
    return network


for _name in ("rnn_tanh", "rnn_relu", "lstm", "gru"):
    derived[""][_name] = _make(_name)
