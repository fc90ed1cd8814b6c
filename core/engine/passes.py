"""Forward passes: dense, dense with kept activations, and incremental."""

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from .compilation import Program
from .layers import Pairs, Region, Step
from .teams import heed


class DensePass:
    """Computes everything, for every picture of a batch."""

    def __init__(self, program: Program) -> None:
        """Prepare one pass; an instance runs once."""
        self.program = program
        self.values: dict[fx.Node, Any] = {}

    def run(self, inputs: Tensor) -> Any:
        """The output for inputs (n, C, H, W)."""
        self.values[self.program.input] = inputs
        for step in self.program.steps:
            heed()
            self.values[step.node] = self.compute(step)
            for node in self.program.finished[step]:
                del self.values[node]
        return self.values[self.program.output]

    def compute(self, step: Step) -> Any:
        """The output of a step; its inputs are still there."""
        return step.compute(self, None)

    def value(self, node: fx.Node) -> Any:
        """See `core.engine.layers.Pass`, also for the methods below."""
        return self.values[node]

    def whole(self, node: fx.Node) -> Any:
        """All of a value."""
        return self.values[node]

    def blank(self, node: fx.Node) -> Any:
        """A value of the right shape."""
        return self.values[node]

    def region(self, node: fx.Node) -> Region | None:  # noqa: ARG002
        """None: everything is computed as a whole."""
        return None

    def limit(self, node: fx.Node) -> Pairs:
        """(2,) height and width of a map."""
        return _rows_and_columns(self.program, node, self.values[node].shape)

    def window(self, node: fx.Node, start: Pairs, size: Pairs, fill: float) -> Tensor:
        """Never asked for, as nothing has a region; nor are those below."""
        raise NotImplementedError

    def kept_window(self, node: fx.Node, start: Pairs, size: Pairs, fill: float) -> Tensor:
        """See `core.engine.layers.Pass`."""
        raise NotImplementedError

    def overlay(self, window: Tensor, node: fx.Node, start: Pairs) -> None:
        """See `core.engine.layers.Pass`."""
        raise NotImplementedError

    def channels(self, node: fx.Node) -> int:
        """See `core.engine.layers.Pass`."""
        raise NotImplementedError


class KeptMap:
    """A map with its padding, from which windows are cut.

    Attributes:
        before: (2,) padding above and to the left.
        after: (2,) padding below and to the right.
    """

    def __init__(self, value: Tensor, before: Pairs, after: Pairs, fill: float) -> None:
        """Copy a map (1, C, H, W)."""
        self.before, self.after = before, after
        (top, left), (bottom, right) = before.tolist(), after.tolist()
        padded = F.pad(value, (left, right, top, bottom), value=fill)
        self._width = padded.shape[3]
        self.pixels = padded[0].permute(1, 2, 0).flatten(0, 1).contiguous()

    def windows(self, start: Pairs, size: Pairs) -> Tensor:
        """(n, C, *size) in channels_last, from start (2, n) on, counted without the padding."""
        height, width = size.tolist()
        top, left = start + self.before[:, None]
        corners = (top * self._width + left)[:, None, None]
        rows, columns = np.arange(height)[:, None] * self._width, np.arange(width)
        index = torch.from_numpy((corners + rows + columns).ravel()).to(self.pixels.device)
        cut = self.pixels.index_select(0, index)
        return cut.view(len(top), height, width, -1).permute(0, 3, 1, 2)


class KeepingPass(DensePass):
    """Computes everything for one picture and keeps what later changes of it will read.

    Attributes:
        shapes: of all tensors.
        kept: the maps, by what their padding consists of.
        multiply_adds: of convolutions and linear layers.
        live_bytes: the most that the values of the pass took at one time.
    """

    def __init__(self, program: Program) -> None:
        """Prepare one pass, with nothing kept yet."""
        super().__init__(program)
        self.shapes: dict[fx.Node, torch.Size] = {}
        self.kept: dict[fx.Node, dict[float, KeptMap]] = {}
        self.multiply_adds = 0
        self.live_bytes = 0

    def run(self, inputs: Tensor) -> Any:
        """The output for inputs (1, C, H, W)."""
        self.shapes[self.program.input] = inputs.shape
        return super().run(inputs)

    def compute(self, step: Step) -> Any:
        """The output of a step, whose inputs are kept if it reads around a change."""
        output = super().compute(step)
        if isinstance(output, Tensor):
            self.shapes[step.node] = output.shape
            self.multiply_adds += step.terms * output.numel()
            live = (value for value in self.values.values() if isinstance(value, Tensor))
            self.live_bytes = max(
                self.live_bytes, output.nbytes + sum(value.nbytes for value in live)
            )
        if step.reads_surroundings:
            for node in self.program.local.intersection(step.inputs):
                size = np.zeros(2, np.int64)
                if step.local:
                    size = _rows_and_columns(self.program, step.node, self.shapes[step.node])
                surroundings = step.surroundings(self.limit(node), size)
                self._keep(node, self.values[node], *surroundings)
        if step.keeps_output and step.node in self.program.local:
            none = np.zeros(2, np.int64)
            self._keep(step.node, output, none, none, 0.0)
        return output

    def _keep(self, node: fx.Node, value: Tensor, before: Pairs, after: Pairs, fill: float) -> None:
        maps = self.kept.setdefault(node, {})
        if fill in maps:
            before = np.maximum(before, maps[fill].before)
            after = np.maximum(after, maps[fill].after)
        maps[fill] = KeptMap(self.program.places[node].map(value), before, after, fill)


class ChangedPass(DensePass):
    """Computes only what n changed rectangles of the kept picture reach.

    Attributes:
        regions: where each value is recomputed; None for all of it.
    """

    def __init__(self, kept: KeepingPass, start: Pairs, size: Pairs) -> None:
        """Plan the regions for rectangles of size (2,) at start (2, n)."""
        super().__init__(kept.program)
        self._shapes, self._kept = kept.shapes, kept.kept
        self._count = start.shape[1]
        self._computed: dict[Step, Region | None] = {}
        last = start + size[:, None] - 1
        self.regions: dict[fx.Node, Region | None] = {
            self.program.input: Region(start, last, start, size)
        }
        for step in self.program.steps:
            region = self._computed[step] = step.region(self)
            everywhere = region is not None and (region.size == self.limit(step.node)).all()
            self.regions[step.node] = None if everywhere else region

    def compute(self, step: Step) -> Any:
        """The part of the output that the plan says."""
        region = self._computed[step]
        found = step.compute(self, region)
        if region is None or self.regions[step.node] is not None:
            return found
        return found.permute(self.program.places[step.node].order)  # all of it, with its own axes

    def multiply_adds(self) -> int:
        """Multiply-adds of convolutions and linear layers for all rectangles together."""
        total = 0
        for step in self.program.steps:
            if step.terms:
                numbers = math.prod(self._shapes[step.node][1:])
                region = self._computed[step]
                if region is not None:
                    share = numbers // int(self.limit(step.node).prod())
                    numbers = share * int(region.size.prod())
                total += step.terms * numbers
        return total * self._count

    def region(self, node: fx.Node) -> Region | None:
        """Where a value is recomputed."""
        return self.regions[node]

    def limit(self, node: fx.Node) -> Pairs:
        """(2,) height and width of a map."""
        return _rows_and_columns(self.program, node, self._shapes[node])

    def blank(self, node: fx.Node) -> Any:
        """A value of the right shape that takes no memory, if only a region is at hand."""
        value = self.values[node]
        if self.regions[node] is None:
            return value
        return value.new_empty(()).expand(self._count, *self._shapes[node][1:])

    def whole(self, node: fx.Node) -> Any:
        """All of a value, for every rectangle."""
        region = self.regions[node]
        if region is None:
            return self.values[node]
        found = self.window(node, np.zeros_like(region.start), self.limit(node), 0.0)
        return found.permute(self.program.places[node].order)

    def window(self, node: fx.Node, start: Pairs, size: Pairs, fill: float) -> Tensor:
        """(n, C, *size) of a map from start (2, n) on: what was kept, with the changes on top."""
        region, changed = self.regions[node], self.values[node]
        assert region is not None, "a value without a region is there as a whole"
        shift = region.start - start
        if not shift.any() and (region.size == size).all():
            return changed
        window = self.kept_window(node, start, size, fill)
        self.overlay(window, node, start)
        return window

    def kept_window(self, node: fx.Node, start: Pairs, size: Pairs, fill: float) -> Tensor:
        """(n, C, *size) of a map as it was kept, from start (2, n) on."""
        maps = self._kept[node]
        # A window that stays inside of the map may come from one with any padding.
        return maps.get(fill, next(iter(maps.values()))).windows(start, size)

    def overlay(self, window: Tensor, node: fx.Node, start: Pairs) -> None:
        """Write what changed of a map into a window of it that begins at start (2, n)."""
        region, changed = self.regions[node], self.values[node]
        if region is None:
            window.copy_(self.program.places[node].map(changed))
            return
        shift, size = region.start - start, np.array(window.shape[2:])
        low, high = np.maximum(shift, 0), np.minimum(shift + region.size[:, None], size[:, None])
        # Neighbours in the batch mostly lie alike and are written together.
        borders = np.flatnonzero((shift[:, 1:] != shift[:, :-1]).any(axis=0)) + 1
        for begin, end in itertools.pairwise([0, *borders.tolist(), self._count]):
            down, right = shift[:, begin].tolist()
            (top, left), (bottom, edge) = low[:, begin].tolist(), high[:, begin].tolist()
            window[begin:end, :, top:bottom, left:edge] = changed[
                begin:end, :, top - down : bottom - down, left - right : edge - right
            ]

    def channels(self, node: fx.Node) -> int:
        """How many channels a map has."""
        return self._shapes[node][self.program.places[node].axes.index("C")]


def _rows_and_columns(program: Program, node: fx.Node, shape: torch.Size) -> Pairs:
    """(2,) height and width of a map of some shape."""
    axes = program.places[node].axes
    return np.array([shape[axes.index("H")], shape[axes.index("W")]])
