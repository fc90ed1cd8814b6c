"""What the progress bar says of the time that is left."""

from core.forecast import Forecast
from dashboard.live import Job, _left, _total


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


def test_no_time_before_there_is_something_to_judge_it_by():
    assert _left(0.4, 20, 300, []) == ""
    assert _left(2.0, 0, 300, []) == ""


def test_the_time_of_later_maps_is_asked_for_anew():
    """Their passes may have been measured meanwhile."""
    forecasts = [Forecast(25, None), Forecast(25, 3.0)]
    later = Job("map", iter(()), lambda: forecasts.pop(0), print, print)
    assert _left(1.0, 100, 100, [later]) == " · 1 s left for this one"
    assert _left(1.0, 100, 100, [later]) == " · 4 s left for all 2"
