"""A cache for surveys: prepared networks, and the scores of pictures already visited.

Scores are kept by place, such as the corner of a window, for one (model, picture, baseline, kind of
survey): a survey of windows with another stride shares whatever positions coincide. Models are
recognised by identity and by a fingerprint of all that they compute with, so that a changed model
never meets old scores.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from .agreement import Agreement, first_line
from .capture import Captured
from .fingerprint import fingerprint, structure
from .incremental import IncrementalNetwork, record
from .teams import awaited
from .twin import Network

_LIMIT_BYTES = 256 << 20  # 65,000 windows of 1,000 classes
_SIZES = 4  # sizes of input for which a network stays prepared
_RECORDS = 16  # graphs, whose weights belong to the networks


class Prepared(NamedTuple):
    """A network prepared for surveys of one size of input.

    Attributes:
        network: ready for incremental inference.
        key: of the network when it was prepared; see `Memory.key`.
    """

    network: IncrementalNetwork
    key: object


class KnownScores:
    """Logits by place, such as the corner of a window, for one model, picture and baseline.

    Attributes:
        clean: logits of the uncovered picture, float32 (classes,).
        agreement: how far those windows that the network itself computed too were from it.
    """

    def __init__(self, size: tuple[int, ...], clean: Tensor) -> None:
        """Begin empty, for places inside ``size``, such as corners inside (height, width)."""
        self.clean = clean
        self.agreement = Agreement()
        self._rows = np.full(size, -1, dtype=np.int32)
        self._logits = torch.empty(0, len(clean))
        self._count = 0
        self._lock = threading.Lock()

    def knows(self, places: np.ndarray) -> np.ndarray:
        """Which places were visited: (n, k) -> bool (n,)."""
        return self._rows[tuple(places.T)] >= 0

    def take(self, places: np.ndarray) -> Tensor:
        """Logits float32 (n, classes); a row of NaN for a place that was not visited."""
        with self._lock:
            rows = self._rows[tuple(places.T)]
            found = torch.full((len(rows), self._logits.shape[1]), torch.nan)
            known = rows >= 0
            found[torch.from_numpy(known)] = self._logits[torch.from_numpy(rows[known]).long()]
        return found

    def add(self, places: np.ndarray, logits: Tensor) -> None:
        """Remember logits (n, classes); places that are known already keep what they have."""
        with self._lock:
            new = self._rows[tuple(places.T)] < 0
            needed = self._count + int(new.sum())
            if needed > len(self._logits):  # grow by half, so that adding stays cheap
                larger = torch.empty(max(needed, len(self._logits) * 3 // 2), logits.shape[1])
                larger[: self._count] = self._logits[: self._count]
                self._logits = larger
            self._logits[self._count : needed] = logits[torch.from_numpy(new)]
            self._rows[tuple(places[new].T)] = np.arange(self._count, needed)
            self._count = needed

    def forget(self) -> None:
        """Forget all places, which are not to be believed."""
        with self._lock:
            self._rows[:] = -1
            self._count = 0
            self.agreement = Agreement()

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
        self._keys: WeakKeyDictionary[Network, tuple[str, object]] = WeakKeyDictionary()
        self._prepared: WeakKeyDictionary[Network, OrderedDict[Hashable, Prepared]]
        self._prepared = WeakKeyDictionary()
        self._records: OrderedDict[Hashable, Captured | ValueError] = OrderedDict()
        self._threads = ThreadPoolExecutor(1, "prepare")  # one after the other
        self._scores: OrderedDict[tuple[object, ...], KnownScores] = OrderedDict()
        self._lock = threading.RLock()

    def key(self, network: Network) -> object:
        """What stands for a network as it is now; unlike an id, it is never used again.

        Changed in any way that may change its scores, a network has another key.

        Raises:
            ModelError: a parameter or buffer has no values.
        """
        now = fingerprint(network)
        with self._lock:
            known = self._keys.get(network)
            if known is None or known[0] != now:
                known = self._keys[network] = (now, object())
            return known[1]

    def prepared(self, network: Network, inputs: Tensor) -> Prepared:
        """A network, ready for inputs like one (1, C, H, W); prepared again if it was changed.

        What is prepared is compared with the network itself on that input.

        Raises:
            ModelError: the network cannot be computed on it.
        """
        key = self.key(network)
        like = tuple(inputs.shape), inputs.dtype, inputs.device
        known = self._at_hand(network, key, like)
        # Whoever leaves meanwhile will ask for it again.
        return known or awaited(self._threads.submit(self._prepare, network, inputs, key, like))

    def _at_hand(self, network: Network, key: object, like: Hashable) -> Prepared | None:
        with self._lock:
            sizes = self._prepared.setdefault(network, OrderedDict())
            known = sizes.get(like)
            if known is None or known.key is not key:
                return None
            sizes.move_to_end(like)
            return known

    def _prepare(self, network: Network, inputs: Tensor, key: object, like: Hashable) -> Prepared:
        known = self._at_hand(network, key, like)
        if known is not None:  # others asked before
            return known
        known = Prepared(IncrementalNetwork(network, inputs, self._record), key)
        with self._lock:
            sizes = self._prepared.setdefault(network, OrderedDict())
            sizes[like] = known
            sizes.move_to_end(like)
            while len(sizes) > _SIZES:
                sizes.popitem(last=False)
        return known

    def _record(self, network: Network, inputs: Tensor, single: bool) -> Captured:
        """The graph of a network; networks of one structure share it."""
        key = (structure(network), tuple(inputs.shape), inputs.dtype, inputs.device, single)
        found = self._records.get(key)
        if found is None:
            try:
                found = record(network, inputs, single)
            except UserError:
                raise
            except Exception as error:  # noqa: BLE001 - the network's own code may raise anything
                # Without what it refers to, which would hold all that the network computed.
                found = ValueError(first_line(error))
            self._records[key] = found
        self._records.move_to_end(key)
        while len(self._records) > _RECORDS:
            self._records.popitem(last=False)
        if isinstance(found, ValueError):
            raise found
        return found

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
        """Drop all networks and scores; graphs, which hold no weights, stay."""
        with self._lock:
            self._prepared.clear()
            self._keys.clear()
            self._scores.clear()


memory = Memory()
