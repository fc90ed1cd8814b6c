"""What surveys remember: prepared networks, and the scores of windows already visited.

Scores are kept by position, not by grid, for one (model, picture, window, baseline): a survey with
another stride shares whatever positions coincide. Models are recognised by identity and by a
fingerprint of their weights and settings, so that a changed model never meets old scores.
"""

import threading
from collections import OrderedDict
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
import xxhash
from torch import Tensor, nn

from core.incremental import IncrementalNetwork

_LIMIT_BYTES = 256 << 20  # 65,000 windows of 1,000 classes
_PLAIN = (int, float, str, tuple, type(None))


class Prepared(NamedTuple):
    """A module prepared for surveys.

    Attributes:
        fingerprint: of the module when it was prepared.
        network: the module, ready for incremental inference.
        key: stands for this module with these weights; unlike an id, it is never used again.
    """

    fingerprint: str
    network: IncrementalNetwork
    key: object


class KnownScores:
    """Logits by window corner, for one model, picture, window and baseline.

    Attributes:
        clean: logits of the uncovered picture, float32 (classes,).
    """

    def __init__(self, size: tuple[int, int], clean: Tensor) -> None:
        """Begin empty, for windows whose corners lie inside ``size`` (height, width)."""
        self.clean = clean
        self._rows = np.full(size, -1, dtype=np.int32)
        self._logits = torch.empty(0, len(clean))
        self._count = 0
        self._lock = threading.Lock()

    def knows(self, corners: np.ndarray) -> np.ndarray:
        """Which windows were visited: (n, 2) corners -> bool (n,)."""
        return self._rows[tuple(corners.T)] >= 0

    def take(self, corners: np.ndarray) -> Tensor:
        """Logits float32 (n, classes); a row of NaN for a window that was not visited."""
        with self._lock:
            rows = self._rows[tuple(corners.T)]
            found = torch.full((len(rows), self._logits.shape[1]), torch.nan)
            known = rows >= 0
            found[torch.from_numpy(known)] = self._logits[torch.from_numpy(rows[known]).long()]
        return found

    def add(self, corners: np.ndarray, logits: Tensor) -> None:
        """Remember logits (n, classes); windows that are known already keep what they have."""
        with self._lock:
            new = self._rows[tuple(corners.T)] < 0
            needed = self._count + int(new.sum())
            if needed > len(self._logits):  # grow by half, so that adding stays cheap
                larger = torch.empty(max(needed, len(self._logits) * 3 // 2), logits.shape[1])
                larger[: self._count] = self._logits[: self._count]
                self._logits = larger
            self._logits[self._count : needed] = logits[torch.from_numpy(new)]
            self._rows[tuple(corners[new].T)] = np.arange(self._count, needed)
            self._count = needed

    @property
    def bytes(self) -> int:
        """Memory that is held."""
        return self._logits.nbytes + self._rows.nbytes


class Memory:
    """A thread-safe store of prepared networks and known scores; the least recent go first.

    The bound is on what is held here: a survey that is still in use keeps its own scores alive.
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        """Begin empty, to hold about ``limit_bytes`` of scores."""
        self._limit = limit_bytes
        self._prepared: WeakKeyDictionary[nn.Module, Prepared] = WeakKeyDictionary()
        self._scores: OrderedDict[tuple[object, ...], KnownScores] = OrderedDict()
        self._lock = threading.RLock()

    def prepared(self, module: nn.Module) -> Prepared:
        """The module, ready for incremental inference; prepared again if it was changed since."""
        now = fingerprint(module)
        with self._lock:
            known = self._prepared.get(module)
            if known is None or known.fingerprint != now:
                known = self._prepared[module] = Prepared(now, IncrementalNetwork(module), object())
            return known

    def scores(self, *key: object) -> KnownScores | None:
        """What is known under a key, if anything."""
        with self._lock:
            known = self._scores.get(key)
            if known is not None:
                self._scores.move_to_end(key)
            return known

    def begin(self, known: KnownScores, *key: object) -> KnownScores:
        """Store fresh scores under a key; if another thread was faster, its scores are returned."""
        with self._lock:
            known = self._scores.setdefault(key, known)
            self._scores.move_to_end(key)
            while (
                len(self._scores) > 1 and sum(s.bytes for s in self._scores.values()) > self._limit
            ):
                self._scores.popitem(last=False)
            return known

    def forget_scores(self) -> None:
        """Drop the scores; networks stay prepared."""
        with self._lock:
            self._scores.clear()

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self._prepared.clear()
            self._scores.clear()


memory = Memory()


def digest(tensor: Tensor) -> str:
    """Hex XXH3 (128 bits) of a tensor's shape, type and values.

    It guards against mistakes, not against forgery, and reads weights as fast as memory gives them.
    """
    found = xxhash.xxh3_128()
    _add(found, tensor)
    return found.hexdigest()


def fingerprint(module: nn.Module) -> str:
    """Digest of what a module computes: classes, plain settings, parameters and buffers."""
    found = xxhash.xxh3_128()
    for name, child in module.named_modules():
        settings = {
            key: value
            for key, value in vars(child).items()
            if key != "training" and isinstance(value, _PLAIN)
        }
        found.update(f"{name} {type(child)} {sorted(settings.items())}".encode())
        for held in (child._parameters, child._buffers):
            for key, tensor in held.items():
                if tensor is not None:
                    found.update(f"{key} {tensor.device} ".encode())
                    _add(found, tensor)
    return found.hexdigest()


def _add(found: xxhash.xxh3_128, tensor: Tensor) -> None:
    plain = tensor.detach().cpu().contiguous()
    found.update(f"{tuple(plain.shape)} {plain.dtype} ".encode())
    found.update(plain.reshape(-1).view(torch.uint8).numpy().data)
