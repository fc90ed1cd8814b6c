"""The original study with its own model and pictures, where both are at hand."""

from pathlib import Path

import pytest

from core.models import load, record
from core.picture import picture_from_file

PICTURES = Path(__file__).resolve().parent.parent.parent / "shared" / "seed_images"


def reason():
    missing = []
    if not record("resnet18").weights.present:
        missing.append("ResNet-18's weights are not in torch's cache")
    if not PICTURES.is_dir():
        missing.append("the study's pictures are not in ../shared/seed_images")
    return " and ".join(missing)


@pytest.mark.parametrize(("name", "probability"), [("penguin.jpg", 0.99999), ("swan.jpg", 0.6037)])
def test_king_penguin_in_the_original_study(name, probability):
    if reason():
        pytest.skip(reason())
    best = load("resnet18", "cpu").predict(picture_from_file(PICTURES / name).image)[0]
    assert best.name == "king penguin"
    assert best.probability == pytest.approx(probability, abs=0.0005)
