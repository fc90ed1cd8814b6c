"""The command ``compare``."""

from dataclasses import replace

import pytest

from core.cli import compare
from tests.commands import SWAN

pytestmark = pytest.mark.usefixtures("load_once")


def test_compare_says_equal(run):
    code, lines, err = run("compare", SWAN, "--window", 112, "--stride", 112)
    assert (code, err) == (0, "")
    text = "\n".join(lines)
    assert "EfficientNet-Lite0 on cpu" in lines[0]
    assert [line.split()[0] for line in lines[2:4]] == ["incremental", "captum"]
    assert [line.split()[2] for line in lines[2:4]] == ["4", "4"]
    assert "times as long" in text
    assert "seconds went into recording the network, once for all maps of a process." in text
    assert "% of those of dense passes" in text
    assert "logits, equal (limit 1e-04)" in lines[-1]


def test_compare_says_when_the_maps_differ(run, monkeypatch):
    honest = compare.captum_occlusion

    def wrong(*arguments, **options):
        found = honest(*arguments, **options)
        return replace(found, values=found.values + 0.25)

    monkeypatch.setattr(compare, "captum_occlusion", wrong)
    code, lines, _ = run("compare", SWAN, "--window", 112, "--stride", 112)
    assert code == 1
    assert "2.5e-01 logits, not equal" in lines[-1]
