"""How often partial maps are shown, and what the progress bar says of the time that is left."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from core.methods.forecast import Forecast
from dashboard.browser import components
from dashboard.session import live
from dashboard.session.live import Job, _asking, _left, _total


def job(passes, seconds):
    return Job("map", iter(()), lambda: Forecast(passes, seconds), print, print)


def test_time_left_for_one_map():
    assert _left(2.0, 100, 300, []) == " · 6 s left"


def test_time_left_for_the_whole_run():
    assert _left(2.0, 100, 300, [job(25, 8.0)]) == " · 14 s left for all 2"
    assert _left(2.0, 100, 300, [job(25, 8.0), job(50, 1.2)]) == " · 15 s left for all 3"


def test_a_part_of_the_time_does_not_pass_for_all_of_it():
    assert _left(2.0, 100, 300, [job(25, 8.0), job(50, None)]) == " · 6 s left for this one"
    assert _total([job(784, None), job(25, 0.4)]) == "809 passes"
    assert _total([job(784, 8.1), job(25, 0.4)]) == "809 passes, about 8 s"


def test_long_computations_are_asked_for_in_one_short_sentence():
    assert _asking([job(784, 81.0)]) == "map: 784 passes, about 81 s. Start?"
    three = [job(784, 81.0), job(784, 81.0), job(25, 4.0)]
    assert _asking(three) == "map and 2 more: 1,593 passes, about 3 min. Start?"


def test_no_time_before_there_is_something_to_judge_it_by():
    assert _left(0.4, 20, 300, []) == ""
    assert _left(2.0, 0, 300, []) == ""


def test_the_time_of_later_maps_is_asked_for_anew():
    """Their passes may have been measured meanwhile."""
    forecasts = [Forecast(25, None), Forecast(25, 3.0)]
    later = Job("map", iter(()), lambda: forecasts.pop(0), print, print)
    assert _left(1.0, 100, 100, [later]) == " · 1 s left for this one"
    assert _left(1.0, 100, 100, [later]) == " · 4 s left for all 2"


@pytest.fixture
def frames(monkeypatch):
    """Runs a job of 20 seconds in steps of 0.05; gives the seconds at which it was shown."""
    clock, shown = [0.0], []

    def steps():
        for done in range(1, 401):
            clock[0] = 0.05 * done
            yield SimpleNamespace(done=done, total=400, snapshot=lambda: None)

    def run(stands):
        monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: clock[0]))
        monkeypatch.setattr(components, "page_stands", lambda: stands)
        show = lambda _, words: shown.append((clock[0], words is None))  # noqa: E731
        job = Job("map", steps(), lambda: Forecast(400, None), show, print)
        assert live._run(job, [], SimpleNamespace(progress=lambda *_: None), agreed=True)
        assert [finished for _, finished in shown] == [False] * (len(shown) - 1) + [True]
        return [seconds for seconds, _ in shown]

    return run


def test_frames_come_quickly_first_and_more_slowly_later(frames):
    seconds = frames(stands=True)
    gaps = [after - before for before, after in pairwise(seconds)]
    assert seconds[0] < 0.3
    assert min(gaps[:-1]) > 0.19
    assert max(gaps[:10]) < 0.3
    assert min(gaps[-4:-1]) > 0.9


def test_there_are_hardly_any_frames_before_the_page_stands(frames):
    assert frames(stands=False) == pytest.approx([5, 10, 15, 20], abs=0.06)


@pytest.mark.parametrize(
    ("agreed", "seconds_a_pass", "reached"),
    [(False, 0.25, 5), (False, 0.125, 400), (True, 0.25, 400)],
)
def test_what_turns_out_to_take_long_is_left_until_the_person_agrees(
    monkeypatch, agreed, seconds_a_pass, reached
):
    # 400 passes of 0.25 s are 100 s. The first takes 5 s, as where a network is prepared; a second
    # after it the pace is known.
    clock, shown = [0.0], []

    def steps():
        yield SimpleNamespace(done=0, total=400, snapshot=lambda: None)
        for done in range(1, 401):
            clock[0] = 5 + seconds_a_pass * done
            yield SimpleNamespace(done=done, total=400, snapshot=lambda done=done: done)

    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(components, "page_stands", lambda: True)
    show = lambda done, _: shown.append(done)  # noqa: E731
    job = Job("map", steps(), lambda: Forecast(400, None), show, print)
    ended = live._run(job, [], SimpleNamespace(progress=lambda *_: None), agreed)
    assert ended == (reached == 400)
    assert shown[-1] == reached


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (6000, "2 h"), (7260, "2 h")],
)
def test_long_times_are_counted_in_minutes_and_hours(seconds, words):
    assert live.duration(seconds) == words


def test_waiting_until_the_page_is_still_can_be_left(monkeypatch):
    clock, ticks = [0.0], []
    sleep = lambda seconds: clock.__setitem__(0, clock[0] + seconds)  # noqa: E731
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    monkeypatch.setattr(live, "tick", lambda: ticks.append(clock[0]))
    live.wait_until_still()
    assert clock[0] == pytest.approx(3, abs=0.06)
    assert max(after - before for before, after in pairwise(ticks)) < 0.06

    def superseded():
        if clock[0] > 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(live, "tick", superseded)
    with pytest.raises(KeyboardInterrupt):
        live.wait_until_still()
    assert clock[0] == pytest.approx(4, abs=0.06)
