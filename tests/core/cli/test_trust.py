"""The command ``trust``, with the real model."""

import re
import sys
from dataclasses import replace

import pytest
from PIL import Image
from torch import nn

from core.models import classifiers
from tests.commands import SWAN, record_in
from tests.core.explaining.test_explainer import staged
from tests.toys import seeded

pytestmark = pytest.mark.usefixtures("load_once")


def test_trust_writes_all_measures_and_says_them(run, tmp_path):
    code, lines, err = run(
        *("trust", SWAN, "--method", "saliency", "--points", "3", "--repeats", "2"),
        *("--block", "56", "--reveal", "black", "--order-seed", "4", "--out", tmp_path),
    )
    assert (code, err) == (0, "")
    assert all(line[:2] in ("+ ", "- ", "~ ") for line in lines[:4])
    found = record_in(tmp_path, "swan_saliency_trust")
    assert (found["target_name"], found["method"]) == ("king penguin", "saliency")
    trust = found["trust"]
    # A badge for each measure, then the sentences of the file, then what was written.
    shown = [re.fullmatch(r"[-+~] [a-z ,]+ \((.+)\)", line)[1] for line in lines[:4]]
    assert shown == figures(trust)
    assert lines[4:-1] == trust["sentences"]
    assert lines[4].startswith("Deletion, strongest blocks covered first: mean probability ")
    assert lines[5].startswith("Insertion, strongest blocks revealed first: mean probability ")
    assert lines[6].startswith("Infidelity ")
    assert lines[7].startswith("Weights randomised ")
    assert lines[8].startswith("Noise of at most 0.02 ")
    assert lines[9].startswith("Wrote ")
    assert trust["settings"] == {
        "block": 56, "points": 3, "repeats": 2, "seed": 4, "baseline": "black",
    }  # fmt: skip
    assert trust["curves"]["deletion"]["scores"][0] == pytest.approx(0.528, abs=0.002)
    assert trust["curves"]["insertion"]["scores"][-1] == pytest.approx(0.528, abs=0.002)
    assert 0 <= trust["infidelity"]["explained"] <= 1
    stages = [stage["random_layers"] for stage in trust["randomisation"]["stages"]]
    assert stages == sorted(stages)
    assert stages[-1] == trust["randomisation"]["layers"]
    assert trust["sensitivity"]["largest"] > 0
    with Image.open(tmp_path / "swan_saliency_trust.png") as picture:
        assert picture.width > 1000


def test_trust_by_road(run, tmp_path):
    code, lines, err = run(
        *("trust", SWAN, "--method", "saliency", "--points", "3", "--repeats", "2"),
        *("--block", "56", "--reveal", "road:2", "--out", tmp_path),
    )
    assert (code, err) == (0, "")
    assert re.search(r"\(deletion [+−]0\.\d\d, insertion [+−]0\.\d\d \(ROAD\)\)$", lines[0])
    trust = record_in(tmp_path, "swan_saliency_trust")["trust"]
    assert trust["settings"]["baseline"] == "road:2"
    deletion, insertion = (
        trust["curves"][each]["scores"][1:-1] for each in ("deletion", "insertion")
    )
    expected = (sum(insertion) / len(insertion) - sum(deletion) / len(deletion)) / 2
    assert trust["road_combined"] == pytest.approx(expected)
    assert trust["sentences"][2].startswith(
        "Blocks were covered by noisy linear imputation (ROAD), seed 2. Its combined score, "
    )
    assert f"is {expected:.2f}".replace("-", "−") in trust["sentences"][2]


def figures(trust):
    """What the badges of a record say in numbers."""
    areas = (trust["curves"][each] for each in ("deletion", "insertion"))
    covering, revealing = (each["random_mean"] - each["area"] for each in areas)
    alike = (trust[each]["spearman"] for each in ("randomisation", "sensitivity"))
    words = [
        f"deletion {covering:+.2f}, insertion {-revealing:+.2f}",
        f"{100 * trust['infidelity']['explained']:.0f} % explained",
        *(f"Spearman {each:.2f}" for each in alike),
    ]
    return [each.replace("-", "−") for each in words]


def test_trust_of_a_map_that_adds_up_with_progress(run, tmp_path, monkeypatch):
    toy = staged()
    toy.module.last = seeded(lambda: nn.Linear(8, 6))
    toy = replace(toy, record=replace(toy.record, class_names=tuple("abcdef")))
    monkeypatch.setattr(classifiers, "load", lambda *_: toy)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, lines, err = run(
        *("trust", SWAN, "--method", "deep_lift", "--points", "3", "--repeats", "2"),
        *("--block", "14", "--target", "1", "--out", tmp_path),
    )
    assert code == 0
    assert re.fullmatch(r"\+ complete \(off by 0\.\d %\)", lines[1])
    assert "Explained: logit of b." in lines
    found = record_in(tmp_path, "swan_deep_lift_target-1_trust")["trust"]["sentences"]
    assert found[2].startswith("Completeness: sum ")
    assert found[3].startswith("Infidelity ")
    totals = re.findall(r"(\d+) of (\d+) passes", err)
    assert totals[-1] == ("68", "68")  # 12 of curves, 49 of squares, 7 maps
    assert "\n" not in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--points", "1"], "Points: 1; choose between 3 and 1000."),
        (["--repeats", "1"], "Random orders: 1; choose between 2 and 100."),
        (["--block", "0"], "Block: 0; choose between 1 and 224."),
        (["--order-seed", "-1"], "Seed: -1; choose between 0 and 2147483647."),
        (["--reveal", "pink"], 'There is no baseline "pink"'),
        (["--reveal", "road:x"], "ROAD of 'x': choose a seed from 0, a whole number."),
        (["--baseline", "road"], "it serves deletion and insertion alone: choose one of grey"),
    ],
)
def test_trust_refuses_bad_settings(run, tmp_path, options, sentence):
    code, lines, err = run("trust", SWAN, "--method", "ig", *options, "--out", tmp_path / "a")
    assert (code, lines) == (2, [])
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "a").exists()
