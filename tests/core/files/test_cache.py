"""The bounded cache: what goes first, and what two threads see."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.files.cache import BoundedCache


def test_the_least_recently_used_goes_first():
    cache = BoundedCache(2)
    assert cache.put("a", 1) == 1
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_putting_again_replaces_and_refreshes():
    cache = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 10)
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b")) == (10, None)


def test_asking_for_what_is_absent_changes_nothing():
    cache = BoundedCache(1)
    cache.put("a", 1)
    assert cache.get("b") is None
    assert cache.get("a") == 1


@settings(max_examples=50, deadline=None)
@given(
    entries=st.integers(1, 4),
    actions=st.lists(st.tuples(st.sampled_from(["get", "put"]), st.integers(0, 6)), max_size=40),
)
def test_like_a_list_in_order_of_use(entries, actions):
    cache, order = BoundedCache(entries), []
    for action, key in actions:
        if action == "put":
            cache.put(key, -key)
            order = [k for k in order if k != key] + [key]
            order = order[-entries:]
        else:
            assert cache.get(key) == (-key if key in order else None)
            if key in order:
                order.remove(key)
                order.append(key)
    assert [key for key in range(7) if cache.get(key) is not None] == sorted(order)


def test_made_once():
    cache, made = BoundedCache(2), []

    def make():
        made.append(1)
        return object()

    assert cache.get_or_make("a", make) is cache.get_or_make("a", make)
    assert len(made) == 1


def test_made_once_for_all_threads():
    cache, made, together = BoundedCache(2), [], threading.Barrier(8)
    begun = threading.Event()

    def make():
        made.append(1)
        begun.wait(0.05)  # time enough for the others to arrive
        return object()

    def ask(_):
        together.wait(10)
        return cache.get_or_make("a", make)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert len(made) == 1
    assert len(set(map(id, found))) == 1


def test_one_value_may_be_made_from_another():
    cache = BoundedCache(4)
    value = cache.get_or_make("outer", lambda: cache.get_or_make("inner", lambda: 1) + 1)
    assert (value, cache.get("inner")) == (2, 1)


def test_a_failure_is_not_remembered():
    cache = BoundedCache(2)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("a", lambda: 1 // 0)
    assert cache.get("a") is None
    assert cache.get_or_make("a", lambda: 5) == 5


def test_many_threads_keep_within_the_bound():
    cache = BoundedCache(3)

    def work(seed):
        for i in range(200):
            key = (seed * 7 + i) % 11
            assert cache.get_or_make(key, lambda key=key: key + 1) == key + 1
            assert cache.get(key) in (None, key + 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sum(cache.get(key) is not None for key in range(11)) == 3
