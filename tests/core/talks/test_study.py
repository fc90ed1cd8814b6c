"""The study: its settings, its page, and its predictions where model and pictures are at hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import ImageError
from core.methods.attribution import Attribution
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import IntegratedGradientsSetting, SmoothSetting
from core.methods.scores import Question
from core.models.classifiers import load
from core.models.registry import record
from core.pictures.picture import picture_from_file
from core.talks import study
from tests import unprivileged

PICTURES = Path(__file__).resolve().parents[3].parent / "shared" / "seed_images"


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


def test_the_settings_are_those_of_the_study():
    smooth = SmoothSetting(IntegratedGradientsSetting(200), "smoothgrad_sq", 10, 1.0)
    assert study.maps("penguin") == {
        "Smoothed Integrated Gradients": smooth,
        "Occlusion small 22/10": OcclusionSetting(22, 10),
        "Occlusion large 50/40": OcclusionSetting(50, 40),
    }
    assert list(study.maps("swan").values()) == [
        smooth,
        OcclusionSetting(15, 8),
        OcclusionSetting(60, 50),
    ]


def test_pictures_of_any_format(tmp_path):
    for name in ("penguin.png", "swan.webp", "swan.txt.bak", "goose.jpg"):
        (tmp_path / name).touch()
    found = study.picture_files(tmp_path)
    assert found["penguin"] == tmp_path / "penguin.png"
    assert found["swan"].name.startswith("swan.")
    (tmp_path / "penguin.png").unlink()
    for folder in (tmp_path, tmp_path / "not there"):
        with pytest.raises(ImageError) as refused:
            study.picture_files(folder)
        assert str(refused.value) == (
            f"There is no penguin in {folder}: give a folder with penguin.jpg, and likewise "
            "swan.jpg."
        )


def test_the_page_shows_positive_values_in_blue():
    values = np.zeros((20, 20), np.float32)
    values[:, :10], values[:, 10:] = 1.0, -1.0
    made = Attribution(values=values, method="occlusion", question=Question(0))
    rows = {"penguin": Image.new("RGB", (20, 20), "red"), "swan": Image.new("RGB", (20, 20))}
    titles = ("a $1", "b", "c")
    found = {name: dict.fromkeys(titles, made) for name in rows}
    page = study.sheet(rows, found, dict.fromkeys(rows, "It says goose"))
    assert page.mode == "RGB"
    pixels = np.asarray(page).astype(int)
    assert page.width == 1800
    columns = [pixels[:, i * 450 : (i + 1) * 450].reshape(-1, 3) for i in range(4)]
    red, blue = ((0, 2), (2, 0))
    assert ((columns[0][:, red[0]] - columns[0][:, red[1]]) > 200).sum() > 50_000
    for column in columns[1:]:
        blues = (column[:, blue[0]] - column[:, blue[1]]) > 60
        assert 50_000 < blues.sum() < 200_000  # the left half of two maps
        assert not ((column[:, red[0]] - column[:, red[1]]) > 60).any()


def test_a_folder_that_must_not_be_read_is_not_said_to_be_empty():
    imports = "from pathlib import Path\nfrom core.talks.study import picture_files"
    with unprivileged.place() as folder:
        (folder / "shut").mkdir(mode=0o111)
        found = unprivileged.run(imports, "picture_files(Path(sys.argv[1]))", folder / "shut")
    assert f"The folder {folder / 'shut'} cannot be read (Permission denied)" in found.stderr
