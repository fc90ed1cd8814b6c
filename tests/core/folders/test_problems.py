"""What a picture lacks, in words, and that its words tell whether a method has no map."""

import re

import pytest

from core.folders.job import Job
from core.folders.problems import Problems, a_map_is_missing
from core.methods.registry import METHODS
from core.methods.scores import Question

NAMES = ("ig", "occlusion", "lime")
JOB = Job("in", "m", "cpu", tuple((name, METHODS["saliency"].setting) for name in NAMES))


@pytest.mark.parametrize(
    ("told", "lacking", "failures", "question", "missing"),
    [
        ("", [], {}, None, False),
        (
            "There is no localisation of ig.png, because of its mask: It is empty.",
            [],
            {},
            None,
            False,
        ),
        ("", ["ig"], {}, None, True),
        ("", [], {"lime": "No."}, Question(1), True),
        ("There is no localisation: the mask a.png is gone.", ["ig", "lime"], {}, None, True),
        ("It is gone.", [], {"occlusion": "No."}, Question(0), True),
    ],
)
def test_words_say_whether_a_map_is_missing(told, lacking, failures, question, missing):
    problems = Problems(JOB, lambda index: f"class {index}, or so")
    if told:
        problems.tell(told)
    problems.lack(lacking, "There is no label image.")
    problems.add(failures, question)
    assert bool(re.search(a_map_is_missing(NAMES), problems.words)) is missing
