"""The command ``study``."""

import csv

import numpy as np
import pytest
from PIL import Image

from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import IntegratedGradientsSetting, SmoothSetting
from core.talks import study
from tests.commands import record_in

pytestmark = pytest.mark.usefixtures("load_once")


def test_study_writes_all_maps_a_page_and_a_table(run, tmp_path, monkeypatch):
    quick = SmoothSetting(IntegratedGradientsSetting(2), "smoothgrad_sq", samples=2)
    monkeypatch.setattr(study, "SMOOTHING", quick)
    windows = (OcclusionSetting(112, 100), OcclusionSetting(200, 24))
    monkeypatch.setattr(study, "WINDOWS", {"penguin": windows, "swan": windows})
    code, lines, err = run("study", "--out", tmp_path / "study")
    assert (code, err) == (0, "")
    maps = [
        f"{picture}_{name}"
        for picture in ("penguin", "swan")
        for name in (
            "occlusion_112-100",
            "occlusion_200-24",
            "smoothgrad_sq_integrated_gradients-2-1.0-0-2",
        )
    ]
    names = {f"{name}.{kind}" for name in maps for kind in ("npz", "json")}
    found = {path.name for path in (tmp_path / "study").iterdir()}
    assert found == names | {"predictions.csv", "study.png"}
    for name in maps:
        assert np.load(tmp_path / "study" / f"{name}.npz")["values"].shape == (224, 224)
        record = record_in(tmp_path / "study", name)
        assert record["image"] == f"{name.split('_')[0]}.jpg"
        assert record["target_name"] == record["top"][0]["name"]
    with (tmp_path / "study" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["picture", "class", "name", "probability"]
    assert [row[:3] for row in rows[1:]] == [
        ["penguin.jpg", "145", "king penguin"],
        ["swan.jpg", "145", "king penguin"],
    ]
    assert float(rows[2][3]) == pytest.approx(0.528, abs=0.002)
    with Image.open(tmp_path / "study" / "study.png") as page:
        assert page.mode == "RGB"
        assert page.width == 1800
    assert "king penguin" in "\n".join(lines)


def test_study_without_its_pictures(run, tmp_path):
    code, lines, err = run("study", "--images", tmp_path, "--out", tmp_path / "study")
    assert (code, lines) == (2, [])
    assert err.startswith(f"There is no penguin in {tmp_path}: give a folder with penguin.jpg")
    assert err.count("\n") == 1
    assert not (tmp_path / "study").exists()
