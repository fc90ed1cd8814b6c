"""Tables of the documentation are those that the benchmarks write of what they kept."""

import json
from pathlib import Path

import pytest

from core.methods.registry import METHODS

ROOT = Path(__file__).resolve().parent.parent


def kept(name):
    return json.loads((ROOT / "benchmarks" / "kept" / f"{name}.json").read_text("utf-8"))


def page(name):
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def test_what_works_of_which_architecture():
    pytest.importorskip("huggingface_hub")
    from benchmarks.architectures import ARCHITECTURES
    from benchmarks.architectures_table import table

    titles = {name: METHODS[name].title for name in METHODS}
    assert table(ARCHITECTURES, titles, kept("architectures")) == page("architectures")


def test_trust_measures():
    from benchmarks.judgements import settings_of
    from benchmarks.judgements_table import written

    found = kept("judgements")
    assert written(page("trust"), found, list(settings_of(METHODS))) == page("trust")
    assert all(f"<!-- {model} -->\n\n| map |" in page("trust") for model in found)


def test_a_table_counts_what_passed_and_takes_means():
    from benchmarks.judgements_table import written

    def finding(good, number, complete=None):
        measures = ("deletion", "insertion", "infidelity", "weights", "noise")
        return {**{name: [good, number] for name in measures}, "all_orders": good} | {
            "complete": complete
        }

    found = {
        "m": {
            "B": {"a": finding(True, 0.5), "b": finding(False, -0.3)},
            "A": {"a": finding(True, 0.1, complete=True)},
            "none": {"a": {"reason": "it has no attention"}},
        }
    }
    text = written("x\n<!-- m -->\nold\n<!-- end -->\ny\n", found, ["A", "B", "none", "C"])
    lines = text.splitlines()
    assert lines[:3] == ["x", "<!-- m -->", ""]
    passed = "1 (+0.10) | 1 (+0.10) | 1 | {} | 1 (+0.10) | 1 (+0.10) | 1 (+0.10) |"
    assert lines[5:] == [
        f"| A (1 of 2 pictures) | {passed.format(1)}",
        f"| B | {passed.format('')}",
        *("", "<!-- end -->", "y"),
    ]
