"""How two runs differ, in words: which setting, what it was and what it is."""

import json
from dataclasses import replace

import pytest

from core.folders.differences import difference
from core.folders.job import Job, methods_of
from core.models.heads import SOFTMAX, Head
from core.trust.settings import FaithfulnessSetting

SIGMOID = Head("sigmoid")


def told(wanted, given, model="resnet18", head=SOFTMAX, **more):
    """What decides a run, as a manifest says it."""
    job = Job("in", model, "cpu", methods_of(wanted, given), **more)
    return {
        "address": "in",
        "model": model,
        "weights_sha256": "a" * 64,
        "settings": job.settings(head),
        "pictures_sha256": "b" * 64,
        "versions": {"python": "3.12", "torch": "2.9"},
    }


BEFORE = told("ig,occlusion", {"steps": 50})


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (told("ig,occlusion", {"steps": 20}), "(steps of ig: was 50, now 20)"),
        (told("ig", {"steps": 50}), "(methods: was ig and occlusion, now ig)"),
        (
            told("ig,occlusion", {"window": 9, "stride": 3, "steps": 50}, only="wrong"),
            "(window of occlusion: was 15, now 9; stride of occlusion: was 8, now 3; only: was "
            "all, now wrong)",
        ),
        (told("ig,occlusion", {"steps": 50}, masks="m"), "(masks: was none, now m)"),
        (
            told("ig,occlusion", {"steps": 50}, trust=FaithfulnessSetting(points=7)),
            "(trust: was none, now ",
        ),
        (told("ig,occlusion", {"steps": 50}, head=SIGMOID), "(head: was none, now "),
        (told("ig,occlusion", {"steps": 50, "baseline": f"picture:{'c' * 64}"}), "now picture:ccc"),
        ({**BEFORE, "versions": {"python": "3.12", "torch": "3"}}, "(torch: was 2.9, now 3)"),
        ({**BEFORE, "weights_sha256": "d" * 64}, "was aaaaaaaaaaaa, now dddddddddddd)"),
        ({**BEFORE, "model": "x", "pictures_sha256": "d"}, "(model: was resnet18, now x)"),
        (told("ig,occlusion", {"steps": 50}, model="x"), "(model: was resnet18, now x)"),
    ],
)
def test_what_differs_is_named(now, words):
    said = difference(BEFORE, now)
    assert said.startswith("with other settings (")
    assert words in said
    assert not set(said) & set("{}[]\"'")


def test_what_json_makes_of_a_setting_is_no_difference():
    """Such as a list of a tuple."""
    of_labels = told("ig", {}, head=replace(SIGMOID, thresholds=(0.3, 0.6)))
    was = json.loads(json.dumps(of_labels))
    assert difference(was, {**of_labels, "pictures_sha256": "d"}).startswith("when the folder held")
    now = told("ig", {}, head=replace(SIGMOID, thresholds=(0.3, 0.7)))
    assert difference(was, now) == (
        "with other settings (thresholds of head: was 0.3 and 0.6, now 0.3 and 0.7)"
    )


def test_other_pictures_are_said_last():
    assert difference(BEFORE, {**BEFORE, "pictures_sha256": "d"}) == (
        "when the folder held other pictures or labels"
    )


def test_of_many_differences_the_first_are_said():
    now = told(
        "ig,occlusion",
        {"window": 9, "stride": 3, "steps": 50},
        batch=7,
        trust=FaithfulnessSetting(),
    )
    assert difference(BEFORE, now).endswith("batch: was 4, now 7; 1 more)")
