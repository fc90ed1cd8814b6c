"""The queue: one at a time, first come, first served, and nobody twice before another."""

import threading
import time

import pytest

from core.engine.lock import Line


def wait_until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


def test_nobody_waits_for_the_second_jobs_of_two_others():
    line, order, running = Line(), [], []
    lock, arrived = threading.Lock(), threading.Barrier(4)

    def person(name):
        arrived.wait()
        for _ in range(5):
            with line.admitted(lambda _: None):
                with lock:
                    running.append(name)
                    assert len(running) == 1
                    order.append(name)
                wait_until(lambda: len(line._tickets) == min(4, len(left())))
                running.remove(name)

    def left():
        return [name for name in "abcd" if order.count(name) < 5 or name in running]

    threads = [threading.Thread(target=person, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(order) == 20
    for start in range(0, 20, 4):  # each round has everybody once
        assert sorted(order[start : start + 4]) == list("abcd")


def test_the_place_is_said_and_moves_up():
    line, said = Line(), []
    release = [threading.Event() for _ in range(2)]

    def hold(i):
        with line.admitted(lambda _: None):
            release[i].wait(10)

    threads = []
    for i in range(2):
        threads.append(threading.Thread(target=hold, args=(i,)))
        threads[-1].start()
        wait_until(lambda i=i: len(line._tickets) == i + 1)

    def waiting(before):
        said.append(before)
        release[2 - before].set()  # the one in front goes, once it was said

    with line.admitted(waiting):
        pass
    assert sorted(set(said), reverse=True) == [2, 1]
    assert said == sorted(said, reverse=True)


def test_whoever_leaves_while_waiting_or_working_holds_up_nobody():
    line = Line()

    class GoneError(Exception):
        pass

    def gone(_before):
        raise GoneError

    with line.admitted(lambda _: None), pytest.raises(GoneError), line.admitted(gone):
        pytest.fail("admitted before its turn")
    with pytest.raises(GoneError), line.admitted(gone):
        raise GoneError
    with line.admitted(gone):  # nobody is before
        pass


def test_as_many_as_there_are_places_and_the_next_one_waits():
    line, release, inside, said = Line(lambda: 2), threading.Event(), [], []

    def hold():
        with line.admitted(said.append):
            inside.append(1)
            release.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for i, thread in enumerate(threads):
        thread.start()
        wait_until(lambda i=i: len(line._tickets) == i + 1)
    wait_until(lambda: {1, 2} <= set(said))
    assert len(inside) == 2
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(inside) == 4
    assert set(said) == {1, 2}


def test_until_there_are_places_nobody_is_before():
    places, said = iter([0, 0, 0, 1]), []
    with Line(lambda: next(places)).admitted(said.append):
        pass
    assert said == [0, 0, 0]
