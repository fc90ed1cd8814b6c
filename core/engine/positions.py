"""Finds the spatial axes of feature maps, and the grid positions of tokens.

A map holds one number, or one vector of channels, for each place of a grid that lies over the
picture. Its axes may stand in any order (ConvNeXt and Swin keep channels last), and a transformer
lists the places one after another, as tokens, perhaps behind tokens that belong to no place.
"""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, fx

from .operations import (
    ARITHMETIC,
    OVER_CHANNELS,
    POINTWISE,
    POOLING,
    UNCHANGED,
    arguments,
    name,
    shape,
)

_NORMS = frozenset(["batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"])


@dataclass(frozen=True)
class Places:
    """How a value lies over the picture.

    Attributes:
        axes: a letter for each axis: N pictures, C channels (G their groups), H rows and W columns
            (h and w inside of a place that holds several), or T tokens.
        grid: (rows, columns) of places.
        skipped: tokens before the first place, such as a class token.
    """

    axes: str
    grid: tuple[int, int]
    skipped: int = 0

    @property
    def is_map(self) -> bool:
        """Whether the axes are those of a map, in any order, and no others."""
        return sorted(self.axes) == sorted("NCHW")

    @property
    def is_tokens(self) -> bool:
        """Whether the axes are those of a list of tokens, in any order."""
        return sorted(self.axes) == sorted("NCT")

    @property
    def order(self) -> tuple[int, ...]:
        """The permutation of (n, C, H, W) that gives the value; for a map without tokens."""
        return tuple("NCHW".index(axis) for axis in self.axes)

    def map(self, value: Tensor) -> Tensor:
        """The value as (n, C, H, W)."""
        if self.is_map:
            return value.permute([self.axes.index(axis) for axis in "NCHW"])
        tokens = value.permute([self.axes.index(axis) for axis in "NCT"])
        count = self.grid[0] * self.grid[1]
        return tokens[:, :, self.skipped : self.skipped + count].unflatten(2, self.grid)


def positions(graph: fx.Graph) -> dict[fx.Node, Places]:
    """The places of every value that has them, as far as the operations prove it.

    A sum or product with a map of the same shape is a map, and so are channels beside those of a
    map: so a residual connection carries the places past an attention, whose own values are not
    followed.
    """
    found: dict[fx.Node, Places] = {}
    for node in graph.nodes:
        sides = shape(node)
        if sides is None:
            continue
        if node.op == "placeholder":
            places = Places("NCHW", sides[2:]) if len(sides) == 4 else None
        else:
            places = _places(node, sides, found)
        if places is not None:
            found[node] = places
    return found


def read_places(graph: fx.Graph, places: dict[fx.Node, Places]) -> set[fx.Node]:
    """The values whose places the output depends on.

    Behind the last attention, a network may read a class token alone: what it computes there for
    the places has no effect.
    """
    read: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        users = node.users if node in places else ()
        if any(user in read or _reads(user, places, places[node]) for user in users):
            read.add(node)
    return read


def _reads(user: fx.Node, places: dict[fx.Node, Places], before: Places) -> bool:
    """Whether an operation takes the places of a value out of their order, or the output does."""
    if user in places:
        return False
    if name(user) not in ("select", "slice"):
        return True
    given = arguments(user)
    end = given["index"] + 1 if name(user) == "select" else given["end"]
    start = given["index"] if name(user) == "select" else given["start"] or 0
    numbers = isinstance(start, int) and isinstance(end, int) and start >= 0
    return not (before.axes[given["dim"]] == "T" and numbers and 0 < end <= before.skipped)


def _places(node: fx.Node, sides: tuple[Any, ...], found: dict[fx.Node, Places]) -> Places | None:
    kind = name(node)
    if kind == "cat":
        return _joined(node, found)
    if kind in ARITHMETIC:
        alike = (each for each in node.all_input_nodes if each in found)
        return next((found[each] for each in alike if _equal(shape(each), sides)), None)
    source = node.args[0] if node.args else None
    if isinstance(source, fx.Node) and name(source) in ("chunk", "split", "split_with_sizes"):
        whole = found.get(arguments(source)["self"])
        return whole if whole and whole.axes[arguments(source)["dim"]] == "C" else None
    before = found.get(source) if isinstance(source, fx.Node) else None
    if before is None:
        return None
    assert isinstance(source, fx.Node)
    old = shape(source)
    assert old is not None
    if kind in POINTWISE or kind in UNCHANGED or kind in _NORMS:
        return before
    if kind in OVER_CHANNELS:
        return before if len(old) == len(sides) and _over_channels(node, before) else None
    if kind == "linear":
        return before if before.axes[-1] == "C" else None
    if kind in ("conv2d", "pad", "constant_pad_nd") or kind in POOLING:
        return replace(before, grid=_grid(before, sides)) if _keeps_axes(kind, before) else None
    if kind in ("permute", "transpose"):
        return replace(before, axes=_permuted(node, before.axes))
    if kind in ("reshape", "view", "flatten", "unflatten"):
        return _reshaped(before, old, sides)
    if kind == "slice":
        return _sliced(node, before, old, sides)
    if kind == "index_select":
        return before if before.axes[arguments(node)["dim"]] == "C" else None
    return None


def _equal(a: tuple[Any, ...] | None, b: tuple[Any, ...]) -> bool:
    return a is not None and [str(side) for side in a] == [str(side) for side in b]


def _keeps_axes(kind: str, before: Places) -> bool:
    return before.axes == "NCHW" or (kind in ("pad", "constant_pad_nd") and "T" not in before.axes)


def _grid(before: Places, sides: tuple[Any, ...]) -> tuple[int, int]:
    return sides[before.axes.index("H")], sides[before.axes.index("W")]


def _over_channels(node: fx.Node, before: Places) -> bool:
    given = arguments(node).get("dim")
    chosen = given if isinstance(given, list | tuple) else [given]
    return all(isinstance(each, int) and before.axes[each] == "C" for each in chosen)


def _permuted(node: fx.Node, axes: str) -> str:
    given = arguments(node)
    if name(node) == "permute":
        return "".join(axes[each] for each in given["dims"])
    swapped = list(axes)
    a, b = given["dim0"], given["dim1"]
    swapped[a], swapped[b] = swapped[b], swapped[a]
    return "".join(swapped)


def _joined(node: fx.Node, found: dict[fx.Node, Places]) -> Places | None:
    """Channels side by side, or tokens before and behind those of the places."""
    given = arguments(node)
    parts: list[fx.Node] = list(given["tensors"])
    known = [found[part] for part in parts if part in found]
    if not known:
        return None
    axis = known[0].axes[given["dim"]]
    if axis == "C" and len(set(known)) == 1:
        first = next(part for part in parts if part in found)
        return known[0] if all(_beside(part, first, given["dim"]) for part in parts) else None
    if axis == "T" and len(known) == 1:
        before = parts[: next(n for n, part in enumerate(parts) if part in found)]
        added = sum(_side(part, given["dim"]) for part in before)
        return replace(known[0], skipped=known[0].skipped + added)
    return None


def _beside(part: fx.Node, other: fx.Node, axis: int) -> bool:
    """Whether two values have the same sides but for one axis."""
    sides, others = (list(shape(each) or ()) for each in (part, other))
    if len(sides) != len(others) or not sides:
        return False
    sides[axis] = others[axis] = 0
    return _equal(tuple(sides), tuple(others))


def _side(part: fx.Node, axis: int) -> int:
    sides = shape(part)
    assert sides is not None
    return int(sides[axis])


def _reshaped(before: Places, old: tuple[Any, ...], new: tuple[Any, ...]) -> Places | None:
    """The same axes; rows and columns listed one after another; or such a list cut into rows.

    Or channels cut into groups, and groups put together again.
    """
    if _equal(old, new):
        return before
    around = before.axes[0] == "N" and before.axes[-2:] == "HW" and len(new) in (4, 5)
    if around and _equal((old[0], *old[-2:]), (new[0], *new[-2:])):
        return replace(before, axes="NCHW" if len(new) == 4 else "NGCHW")
    rows, columns = before.grid
    if before.axes == "NHWC" and len(new) == 6:
        inside = new[2], new[4]
        cut = (old[0], old[1] // inside[0], inside[0], old[2] // inside[1], inside[1], old[3])
        return Places("NHhWwC", (new[1], new[3])) if _equal(cut, new) else None
    merged = before.axes[:3] == "NHW" and sorted(before.axes[3:]) == sorted("hwC")
    if merged and len(new) == 4 and _equal(old[:3], new[:3]):
        return replace(before, axes="NHWC")
    at = before.axes.find("HW")
    if at >= 0 and _equal((*old[:at], rows * columns, *old[at + 2 :]), new):
        return replace(before, axes=before.axes.replace("HW", "T"))
    at = before.axes.find("T")
    whole = at >= 0 and str(old[at]) == str(rows * columns)
    if whole and _equal((*old[:at], rows, columns, *old[at + 1 :]), new):
        return replace(before, axes=before.axes.replace("T", "HW"))
    return None


def _sliced(
    node: fx.Node, before: Places, old: tuple[Any, ...], new: tuple[Any, ...]
) -> Places | None:
    """Some of the channels, the tokens without the first ones, or each second row."""
    given = arguments(node)
    axis, start, step = before.axes[given["dim"]], given["start"] or 0, given["step"]
    if axis == "C" or _equal(old, new):
        return before
    side = old[given["dim"]]
    if not isinstance(side, int) or not isinstance(start, int):
        return None
    start = start + side if start < 0 else start
    if axis == "T" and step == 1 and start <= before.skipped:
        last = before.skipped + before.grid[0] * before.grid[1]
        whole = start + new[given["dim"]] >= last
        return replace(before, skipped=before.skipped - start) if whole else None
    if axis in "HW" and start < step and new[given["dim"]] == -(-(side - start) // step):
        return replace(before, grid=_grid(before, new))
    return None
