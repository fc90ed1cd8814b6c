"""Exact re-inference of a convolutional network on pictures that differ from a kept one in a rectangle.

(Krypton) ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from core.errors import SettingError
from core.folding import folded_graph, inference_copy
from core.layers import Pad, Pairs, Region, Step, compile_steps


class IncrementalNetwork:
    """A convolutional network prepared for exact re-inference on locally changed inputs."""

    def __init__(self, module: nn.Module) -> None:
        self.fallback: str | None = None
        self.module: nn.Module = inference_copy(module)
        self.steps: list[Step] = []
        try:
            self.module = folded_graph(self.module)
        except Exception as error:  # noqa: BLE001
            self.fallback = f"The network cannot be traced ({error}): every change is computed densely."
            return
        self.input, self.steps, self.output = compile_steps(self.module)
        self.last_uses = {}
        for step in self.steps:
            for n in step.inputs:
                self.last_uses[n] = step
        self.released = {step: [n for n, s in self.last_uses.items() if s is step and n is not self.output] for step in self.steps}

    def dense(self, batch: Tensor) -> Tensor:
        """Logits (n, classes) of a batch (n, C, H, W)."""
        with torch.inference_mode():
            batch = batch.contiguous(memory_format=torch.channels_last)
            if self.fallback:
                scores = self.module(batch)
            else:
                scores = _Pass(self, batch).run(batch)
        return scores.clone()

    def keep(self, inputs: Tensor) -> KeptActivations:
        return KeptActivations(self, inputs)


class _Pass:
    """Whole values only."""

    def __init__(self, network, count) -> None:
        self.network = network
        self.values = {}

    def value(self, node):
        return self.values[node]

    whole = value

    def seen(self, step, value): ...

    def run(self, batch):
        self.values[self.network.input] = batch
        for step in self.network.steps:
            value = step.compute(self, None)
            self.values[step.node] = value
            self.seen(step, value)
            for node in self.network.released[step]:
                del self.values[node]
        return self.values[self.network.output]


class _KeepingPass(_Pass):
    def __init__(self, network, batch):
        super().__init__(network, batch)
        self.limits = {}
        self.patchable = {network.input}
        self.stores = {}
        self.total = 0

    def note(self, node, value):
        if isinstance(value, Tensor) and value.dim() == 4:
            self.limits[node] = np.array(value.shape[2:])

    def seen(self, step, value):
        if step.node is not None:
            self.note(step.node, value)
        self.total += step.weights * int(np.prod(value.shape[2:])) if step.weights and value.dim() == 4 else step.weights
        if all(n in self.patchable for n in step.inputs):
            if type(step) is not Step:
                self.patchable.add(step.node)
            if step.keeps:
                for n in step.inputs:
                    if n in self.limits:
                        before, after, fill = step.margins(self.limits[n], self.limits.get(step.node))
                        self.store(n, before, after, fill)

    def store(self, node, before, after, fill):
        old = self.stores.get((node, fill))
        if old is not None:
            if (old.before >= before).all() and (old.after >= after).all():
                return
            before = np.maximum(before, old.before)
            after = np.maximum(after, old.after)
        self.stores[node, fill] = Store(self.values[node], before, after, fill)


class Store:
    def __init__(self, value, before, after, fill):
        self.before, self.after = before, after
        (t, l), (b, r) = before.tolist(), after.tolist()
        padded = torch.nn.functional.pad(value, (l, r, t, b), value=fill)
        self.map = padded[0].permute(1, 2, 0).contiguous()
        self.rows = self.map.view(-1, self.map.shape[2])

    def window(self, start, size):
        start = start + self.before[:, None]
        h, w = size.tolist()
        width = self.map.shape[1]
        index = (start[0] * width + start[1])[:, None, None] + (np.arange(h) * width)[:, None] + np.arange(w)
        index = torch.from_numpy(index.reshape(-1)).to(self.rows.device)
        n = start.shape[1]
        return self.rows.index_select(0, index).view(n, h, w, -1).permute(0, 3, 1, 2)


class KeptActivations:
    def __init__(self, network: IncrementalNetwork, inputs: Tensor) -> None:
        self.network = network
        self.inputs = inputs
        with torch.inference_mode():
            p = _KeepingPass(network, inputs)
            p.note(network.input, inputs)
            scores = p.run(inputs.contiguous(memory_format=torch.channels_last))
        self.scores = scores.clone()
        self.limits, self.stores, self.dense_multiply_adds = p.limits, p.stores, p.total

    def rescore(self, patches, tops, lefts):
        with torch.inference_mode():
            start = np.stack([np.asarray(tops, dtype=np.int64), np.asarray(lefts, dtype=np.int64)])
            plan = _Plan(self, start, np.array(patches.shape[2:]))
            out = _ChangedPass(self.network, self, plan).run(patches.contiguous(memory_format=torch.channels_last))
        return out.clone()

    def multiply_adds(self, height, width, tops, lefts):
        start = np.stack([np.asarray(tops, dtype=np.int64), np.asarray(lefts, dtype=np.int64)])
        plan = _Plan(self, start, np.array([height, width]))
        total = 0
        for step in self.network.steps:
            if step.weights:
                r = plan.asked[step]
                area = int(np.prod(self.limits[step.node])) if step.node in self.limits else 1
                if r is not None:
                    area = int(r.size.prod())
                total += area * step.weights
        return total * start.shape[1]


class _Plan:
    def __init__(self, kept, start, size):
        self.kept = kept
        net = kept.network
        last = start + size[:, None] - 1
        self.regions = {net.input: Region(start, last, start, size)}
        self.asked = {}
        for step in net.steps:
            region = step.region(self)
            self.asked[step] = region
            if region is not None and (region.size == self.limit(step.node)).all():
                region = None
            self.regions[step.node] = region

    def region(self, node):
        return self.regions[node]

    def limit(self, node):
        return self.kept.limits[node]


class _ChangedPass(_Pass):
    def __init__(self, network, kept, plan):
        super().__init__(network, None)
        self.kept = kept
        self.plan = plan

    def run(self, batch):
        self.values[self.network.input] = batch
        for step in self.network.steps:
            self.values[step.node] = step.compute(self, self.plan.asked[step])
            for node in self.network.released[step]:
                del self.values[node]
        return self.values[self.network.output]

    def whole(self, node):
        region = self.plan.regions[node]
        if region is None:
            return self.values[node]
        return self.window(node, np.zeros_like(region.start), self.plan.limit(node), 0.0)

    def window(self, node, start, size, fill):
        region = self.plan.regions[node]
        value = self.values[node]
        if (region.size == size).all() and (region.start == start).all():
            return value
        store = self.kept.stores.get((node, fill))
        if store is None:
            store = next(s for (n, f), s in self.kept.stores.items() if n is node)
        window = store.window(start, size)
        offset = region.start - start
        edges = [0, *(np.flatnonzero((offset[:, 1:] != offset[:, :-1]).any(axis=0)) + 1).tolist(), offset.shape[1]]
        for a, b in zip(edges[:-1], edges[1:], strict=True):
            (t, l) = offset[:, a].tolist()
            t0, l0 = max(t, 0), max(l, 0)
            t1, l1 = min(t + value.shape[2], int(size[0])), min(l + value.shape[3], int(size[1]))
            window[a:b, :, t0:t1, l0:l1] = value[a:b, :, t0 - t : t1 - t, l0 - l : l1 - l]
        return window
