"""A bounded cache of results, by key; the least recently used go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """At most ``entries`` values, safe to share between threads.

    Unlike ``functools.lru_cache`` it can be asked without computing, and given a value that was
    computed step by step elsewhere.
    """

    def __init__(self, entries: int) -> None:
        """Begin empty."""
        self._entries = entries
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable) -> Value | None:
        """The value under a key, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> Value:
        """Store a value and return it."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._entries:
                self._values.popitem(last=False)
            return value

    def get_or_make(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value under a key; made, once, if it is not there."""
        with self._lock:  # held while making: a second caller waits instead of making it twice
            found = self.get(key)
            return self.put(key, make()) if found is None else found
