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
        self._making: dict[Hashable, threading.Lock] = {}
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

    def pop(self, key: Hashable) -> Value | None:
        """Take a value out, or None."""
        with self._lock:
            return self._values.pop(key, None)

    def get_or_make(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value under a key; made, once, if it is not there.

        A second caller of the same key waits; those of other keys do not.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            found = self.get(key)
            if found is None:
                found = self.put(key, make())
        with self._lock:
            self._making.pop(key, None)
        return found
