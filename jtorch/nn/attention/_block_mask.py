"""Masks of attention by blocks: which tiles of the matrix of scores are empty, full, or seen in part."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

from jtorch import dtypes
from jtorch.tensor import Tensor
from jtorch.tensor._creation import zeros
from jtorch.tensor._ranges import arange

#: Rows and columns of a tile, and what stands for "one tile holds everything".
DEFAULT_BLOCK, LARGE_BLOCK = 128, 1 << 30
MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

_TENSORS = (
    "kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices", "q_num_blocks", "q_indices",
    "full_q_num_blocks", "full_q_indices",
)  # fmt: skip


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """Everything is seen."""
    return batch.new_ones(size=(), dtype=dtypes.bool_)


def _sliced_mask_mod_error(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """Stands where a part of a mask has lost its function: its positions are others."""
    raise RuntimeError(
        "Cannot use mask_mod from a sliced BlockMask. When you slice a BlockMask using [], the mask_mod "
        "attribute is reset. You must set it from the original BlockMask's mask_mod."
    )


def and_masks(*mask_mods: MaskMod) -> MaskMod:
    """What all of several functions let see.

    Raises:
        RuntimeError: one of them is no function.
    """
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def and_mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = b.new_ones((), dtype=dtypes.bool_)
        for mod in mask_mods:
            result = result & mod(b, h, q_idx, kv_idx)
        return result

    return and_mask


def or_masks(*mask_mods: MaskMod) -> MaskMod:
    """What at least one of several functions lets see.

    Raises:
        RuntimeError: one of them is no function.
    """
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def or_mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = b.new_zeros((), dtype=dtypes.bool_)
        for mod in mask_mods:
            result = result | mod(b, h, q_idx, kv_idx)
        return result

    return or_mask


def for_all_positions(function: Callable[..., Tensor], scores: bool = False) -> Callable[..., Tensor]:
    """A function of single positions, for all batches, heads, queries and keys at once.

    Args:
        function: of a batch, a head, a query and a key, after a score if ``scores``.
        scores: the first argument has shape ``(B, H, Q, KV)``.
    """
    vmap = import_module("jtorch.func").vmap
    first = (0,) if scores else ()
    for varying in range(3, -1, -1):  # from keys out to batches
        dims = first + tuple(0 if place == varying else None for place in range(4))
        function = vmap(function, in_dims=dims)
    return function


def positions(B: int, H: int, Q: int, KV: int, device: Any) -> list[Tensor]:
    """The numbers of all batches, heads, queries and keys."""
    return [arange(0, size, device=device) for size in (B, H, Q, KV)]


def _default_device() -> Any:
    return import_module("jtorch.accelerator").current_accelerator() or "cpu"


def takes_scores(function: Callable[..., Any]) -> bool:
    """Whether a function is a ``score_mod``, not a ``mask_mod``: it has five parameters without default."""
    parameters = inspect.signature(function).parameters.values()
    count = sum(p.default is inspect.Parameter.empty for p in parameters)
    if count not in (4, 5):
        raise AssertionError(f"Expected 4 or 5 positional args, got {count}")
    return count == 5


def create_mask(
    mod_fn: Callable[..., Tensor], B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Tensor:
    """All that a function lets see, position by position.

    Args:
        mod_fn: a ``mask_mod``, or a ``score_mod`` that gives minus infinity where nothing shall be seen.
        B: number of batches; 1 if ``None``.
        H: number of heads; 1 if ``None``.
        Q_LEN: number of queries.
        KV_LEN: number of keys.
        device: of the result; the accelerator if there is one by default.

    Returns:
        Booleans of shape ``(B, H, Q_LEN, KV_LEN)``.
    """
    device = _default_device() if device is None else device
    sizes = (B or 1, H or 1, Q_LEN, KV_LEN)
    where = positions(*sizes, device)
    if takes_scores(mod_fn):
        return ~for_all_positions(mod_fn, scores=True)(zeros(sizes, device=device), *where).isneginf()
    return for_all_positions(mod_fn)(*where)


def _to_ordered(dense: Tensor) -> tuple[Tensor, Tensor]:
    """How many tiles each row has, and their columns, those that it has first."""
    dense = dense.to(dtypes.int32)
    columns = dense.argsort(dim=-1, descending=True, stable=True)
    return dense.sum(-1).to(dtypes.int32), columns.to(dtypes.int32)


def _to_dense(count: Tensor, columns: Tensor) -> Tensor:
    """The inverse of :func:`_to_ordered`: ones where there are tiles."""
    present = arange(columns.shape[-1], device=columns.device) < count.unsqueeze(-1)
    return columns.new_zeros(columns.shape).scatter(-1, columns.long(), present.to(dtypes.int32))


def _transposed(count: Tensor | None, columns: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    if count is None or columns is None:
        return None, None
    return _to_ordered(_to_dense(count, columns).transpose(-2, -1))


class BlockMask:
    """A mask as tiles of ``BLOCK_SIZE`` queries and keys, and the function that decides inside of them.

    Made by :func:`create_block_mask` or :meth:`from_kv_blocks`. ``mask_mod`` is asked about the positions of
    tiles that are seen in part, not about those of full ones.

    Attributes:
        kv_num_blocks, kv_indices: for each row of tiles, how many are seen in part and which: shapes
            ``(B, H, rows)`` and ``(B, H, rows, columns)``.
        full_kv_num_blocks, full_kv_indices: likewise for those seen in full; may be ``None``.
        q_num_blocks, q_indices, full_q_num_blocks, full_q_indices: the same by columns.
        BLOCK_SIZE: queries and keys of a tile.
        mask_mod: of a batch, head, query and key, whether the query sees the key.
        seq_lengths: numbers of queries and keys.
    """

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None,
        q_num_blocks: Tensor | None,
        q_indices: Tensor | None,
        full_q_num_blocks: Tensor | None,
        full_q_indices: Tensor | None,
        BLOCK_SIZE: tuple[int, int] = (DEFAULT_BLOCK, DEFAULT_BLOCK),
        mask_mod: MaskMod = noop_mask,
    ) -> None:
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        for kind in ("kv", "q"):
            if (locals()[f"full_{kind}_num_blocks"] is None) != (locals()[f"full_{kind}_indices"] is None):
                raise AssertionError(
                    f"full_{kind}_num_blocks and full_{kind}_indices must be both provided or omitted"
                )
        self.seq_lengths = seq_lengths
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = q_num_blocks, q_indices
        self.full_q_num_blocks, self.full_q_indices = full_q_num_blocks, full_q_indices
        self.BLOCK_SIZE, self.mask_mod = BLOCK_SIZE, mask_mod

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = DEFAULT_BLOCK,
        mask_mod: MaskMod | None = None,
        seq_lengths: tuple[int, int] | None = None,
        compute_q_blocks: bool = True,
    ) -> BlockMask:
        """A mask of the tiles in each row; those in each column are worked out.

        Args:
            kv_num_blocks: as the attribute.
            kv_indices: as the attribute.
            full_kv_num_blocks: as the attribute.
            full_kv_indices: as the attribute.
            mask_mod: as the attribute; all is seen if ``None``.
            BLOCK_SIZE: of a tile; one number for both sides.
            seq_lengths: numbers of queries and keys; as many as the tiles have if ``None``.
            compute_q_blocks: whether to work out the columns.
        """
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        if seq_lengths is None:
            rows, columns = kv_indices.shape[-2:]
            seq_lengths = (rows * size[0], columns * size[1])
        partial = _transposed(kv_num_blocks, kv_indices) if compute_q_blocks else (None, None)
        full = _transposed(full_kv_num_blocks, full_kv_indices) if compute_q_blocks else (None, None)
        return cls(
            seq_lengths, kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices, *partial, *full,
            size, mask_mod or noop_mask,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, ...]:
        """Batches, heads, queries, keys."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """How many positions there are."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """How much of the matrix lies in empty tiles, in percent."""
        tiles = self.kv_num_blocks.sum()
        if self.full_kv_num_blocks is not None:
            tiles = tiles + self.full_kv_num_blocks.sum()
        return 100 * (1 - tiles.item() * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1] / self.numel())

    def to_dense(self) -> Tensor:
        """Ones for the tiles that are not empty: shape ``(B, H, rows, columns)``, int32."""
        seen = _to_dense(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is not None and self.full_kv_indices is not None:
            seen = seen | _to_dense(self.full_kv_num_blocks, self.full_kv_indices)
        return seen

    def visible(self, device: Any) -> Tensor:
        """All that is seen, position by position: booleans of shape ``(B, H, Q, KV)``."""
        *batches, queries, keys = self.shape
        B, H = ([1, 1, *batches])[-2:]
        inside = for_all_positions(self.mask_mod)(*positions(B, H, queries, keys, device))
        seen = self._stretched(_to_dense(self.kv_num_blocks, self.kv_indices)) & inside
        if self.full_kv_num_blocks is not None and self.full_kv_indices is not None:
            seen = seen | self._stretched(_to_dense(self.full_kv_num_blocks, self.full_kv_indices))
        return seen

    def _stretched(self, tiles: Tensor) -> Tensor:
        """A value per tile as one per position."""
        (rows, columns), (queries, keys) = self.BLOCK_SIZE, self.seq_lengths
        q = arange(queries, device=tiles.device).div(rows, rounding_mode="floor")
        k = arange(keys, device=tiles.device).div(columns, rounding_mode="floor")
        return tiles.index_select(-2, q).index_select(-1, k).to(dtypes.bool_)

    def _made_of(self, **changes: Any) -> BlockMask:
        given = {
            "kv_num_blocks": self.kv_num_blocks, "kv_indices": self.kv_indices,
            "full_kv_num_blocks": self.full_kv_num_blocks, "full_kv_indices": self.full_kv_indices,
            "BLOCK_SIZE": self.BLOCK_SIZE, "mask_mod": self.mask_mod, "seq_lengths": self.seq_lengths,
            "compute_q_blocks": self.q_indices is not None,
        }  # fmt: skip
        return type(self).from_kv_blocks(**{**given, **changes})

    def __getitem__(self, index: Any) -> BlockMask:
        """The mask of some batches, heads and rows of tiles; its ``mask_mod`` must be set anew."""
        index = index if isinstance(index, tuple) else (index,)
        padded = (*index, slice(None), slice(None), slice(None))[:3]
        sizes = self.kv_num_blocks.shape[:3]
        places = tuple(
            slice(i % n, i % n + 1) if isinstance(i, int) and -n <= i < n else i
            for i, n in zip(padded, sizes, strict=True)
        )
        parts = {name: getattr(self, name) for name in _TENSORS[:4]}
        cut = {name: None if t is None else t[places] for name, t in parts.items()}
        return self._made_of(**cut, mask_mod=_sliced_mask_mod_error)

    def _adjust(self, new_q_len: int, new_kv_len: int) -> BlockMask:
        """The upper left part of the mask, for shorter sequences."""
        rows = -(-new_q_len // self.BLOCK_SIZE[0])
        columns = -(-new_kv_len // self.BLOCK_SIZE[1])
        count, indices = _to_ordered(_to_dense(self.kv_num_blocks, self.kv_indices)[..., :rows, :columns])
        changes: dict[str, Any] = {"kv_num_blocks": count, "kv_indices": indices}
        if self.full_kv_num_blocks is not None and self.full_kv_indices is not None:
            dense = _to_dense(self.full_kv_num_blocks, self.full_kv_indices)[..., :rows, :columns]
            changes["full_kv_num_blocks"], changes["full_kv_indices"] = _to_ordered(dense)
        return self._made_of(**changes, seq_lengths=(new_q_len, new_kv_len))

    def to(self, device: Any) -> BlockMask:
        """A copy on another device."""
        held = {name: getattr(self, name) for name in _TENSORS}
        moved: dict[str, Any] = {name: None if t is None else t.to(device) for name, t in held.items()}
        return BlockMask(self.seq_lengths, **moved, BLOCK_SIZE=self.BLOCK_SIZE, mask_mod=self.mask_mod)

    def __repr__(self) -> str:
        shapes = {name: getattr(self, name) for name in _TENSORS}
        lines = [f"    {name}={None if t is None else t.shape}," for name, t in shapes.items()]
        return "\n".join(
            [
                "BlockMask(",
                *lines,
                f"    BLOCK_SIZE={self.BLOCK_SIZE},",
                f"    shape={self.shape},",
                f"    sparsity={self.sparsity():.2f}%,",
                f"    mask_mod={getattr(self.mask_mod, '__name__', self.mask_mod)}",
                ")",
            ]
        )

    def __str__(self) -> str:
        return (
            f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n{self.to_string().strip()}\n)"
        )

    def to_string(self, grid_size: int | tuple[int, int] = (20, 20), limit: int = 4) -> str:
        """A drawing of the tiles: empty, seen in part, full.

        Args:
            grid_size: at most so many rows and columns.
            limit: at most so many matrices.
        """
        dense = self.to_dense()
        *batches, rows, columns = dense.shape
        most = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
        steps = [max(1, -(-n // m)) for n, m in zip((rows, columns), most, strict=True)]
        drawn = []
        for i, place in enumerate(itertools.product(*map(range, batches))):
            if i == limit:
                drawn += [
                    "...",
                    "To print out more, set BlockMask.to_string(limit=N)",
                    "You can also index (BlockMask[batch, head]) to choose a specific batch or head",
                ]
                break
            drawn.append(f"{place}\n" + _drawing(dense[place].numpy(), *steps))
        return "\n".join(drawn)


def _drawing(tiles: Any, down: int, across: int) -> str:
    rows, columns = tiles.shape
    text = ""
    for r in range(0, rows, down):
        for c in range(0, columns, across):
            share = tiles[r : r + down, c : c + across].mean()
            text += ("█" if share == 1 else " " if share == 0 else "░") * 2
        text += "\n"
    return text


def create_block_mask(
    mask_mod: MaskMod,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = DEFAULT_BLOCK,
    _compile: bool = False,
    separate_full_blocks: bool = True,
) -> BlockMask:
    """A mask by tiles of what a function lets see.

    Args:
        mask_mod: of a batch, head, query and key (integers without dims), whether the query sees the key.
        B: number of batches; 1 if ``None``: one mask for all.
        H: number of heads; likewise.
        Q_LEN: number of queries.
        KV_LEN: number of keys.
        device: of the result; the accelerator if there is one by default.
        BLOCK_SIZE: of a tile; one number for both sides.
        separate_full_blocks: whether tiles seen in full are told from those seen in part.
    """
    if takes_scores(mask_mod):
        raise AssertionError(f"create-block_mask requires a mask_mod function! Got {mask_mod}")
    rows, columns = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    b, h = mask.shape[:2]
    padded = mask.new_zeros((b, h, -(-Q_LEN // rows) * rows, -(-KV_LEN // columns) * columns))
    padded[:, :, :Q_LEN, :KV_LEN] = mask
    tiles = padded.view(b, h, -1, rows, padded.shape[3] // columns, columns)
    seen = tiles.sum(dim=(3, 5))
    full = seen == rows * columns
    partial = (seen > 0) & ~full if separate_full_blocks else seen > 0
    count, indices = _to_ordered(partial)
    full_count, full_indices = _to_ordered(full) if separate_full_blocks else (None, None)
    return BlockMask.from_kv_blocks(
        count,
        indices,
        full_count,
        full_indices,
        BLOCK_SIZE=(rows, columns),
        mask_mod=mask_mod,
        seq_lengths=(Q_LEN, KV_LEN),
    )
