"""Regions of the pictures of a folder: worths, pictures without, resuming, copies, refusals."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from core.explaining.explainer import Explainer
from core.methods.cover_methods import SuperpixelSetting
from core.methods.scores import Question
from core.pictures.picture import picture_from_file
from tests.folders import fill, load_once, rows, run, stopped_and_finished, threads_as_before  # noqa: F401 - fixtures

BY_REGIONS = ("--methods", "superpixels")


def regions(size=64, left=20):
    """Region 1 on the left, 2 on the right, background above."""
    labels = np.ones((size, size), np.uint8)
    labels[:, left:], labels[:10] = 2, 0
    buffer = BytesIO()
    Image.fromarray(labels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folders(tmp_path):
    """Three pictures, one of them in a sub-folder, and label images for two."""
    fill(tmp_path / "in", ["birds/a.png", "b.jpg", "c.png"])
    for name in ("birds/a.png", "b.png"):
        path = tmp_path / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(regions())
    return tmp_path / "in", tmp_path / "labels"


def maps_of(out, row):
    with np.load(out / row["maps"], allow_pickle=False) as arrays:
        return arrays["superpixels"], json.loads(bytes(arrays["manifest"]))


def test_maps_are_those_of_explain_and_say_what_each_region_is_worth(folders, tmp_path, capsys):
    pictures, labels = folders
    assert run(pictures, tmp_path / "out", *BY_REGIONS, "--regions", str(labels)) == 0
    found = rows(tmp_path / "out")
    assert "3 pictures, 2 explained, 1 with an error." in capsys.readouterr().out
    assert found["c.png"]["maps"] is None
    assert found["c.png"]["predicted"] is not None
    assert found["c.png"]["error"] == (
        "superpixels: There is no map: the label image c.png cannot be read (No such file or "
        "directory): check the path."
    )
    explainer = Explainer()
    classifier = explainer.classifier("efficientnet_lite0", "cpu")
    for name, file in (("birds/a.png", "birds/a.png"), ("b.jpg", "b.png")):
        values, told = maps_of(tmp_path / "out", found[name])
        setting = SuperpixelSetting(regions=explainer.regions_named(labels / file))
        picture = picture_from_file(pictures / name)
        question = Question(found[name]["predicted"])
        made = explainer.attribution(classifier, picture, setting, question)
        np.testing.assert_allclose(values, made.values, atol=1e-4)
        expected = explainer.worths(classifier, picture, setting, made.values)
        worths = told["maps"]["superpixels"]["regions"]
        assert [each["key"] for each in worths] == [each.key for each in expected]
        for each, right in zip(worths, expected, strict=True):
            assert each["worth"] == pytest.approx(right.worth, abs=1e-4)
            assert each["share"] == right.share
        assert "segments" not in told["methods"]["superpixels"]


def test_a_run_that_stops_goes_on_to_the_same_result(folders, tmp_path, monkeypatch):
    pictures, labels = folders
    given = (*BY_REGIONS, "--regions", str(labels))
    stopped_and_finished(pictures, tmp_path, given, monkeypatch)


def test_another_label_image_is_another_map(folders, tmp_path):
    """Of a picture whose row is still to be written, and of two copies of a picture."""
    pictures, labels = folders
    (pictures / "c.png").write_bytes((pictures / "b.jpg").read_bytes())
    (labels / "c.png").write_bytes(regions(left=50))
    out = tmp_path / "out"
    assert run(pictures, out, *BY_REGIONS, "--regions", str(labels)) == 0
    found = rows(out)
    assert found["b.jpg"]["sha256"] == found["c.png"]["sha256"]
    (one, _), (other, _) = (maps_of(out, found[name]) for name in ("b.jpg", "c.png"))
    assert not np.array_equal(one, other)


def test_what_does_not_fit_is_a_row_with_its_reason(folders, tmp_path):
    pictures, labels = folders
    (labels / "b.png").write_bytes(regions(size=32))
    (labels / "c.png").write_bytes(b"no picture")
    assert run(pictures, tmp_path / "out", *BY_REGIONS, "--regions", str(labels)) == 0
    found = rows(tmp_path / "out")
    assert found["b.jpg"]["error"] == (
        "superpixels: There is no map of b.jpg. The label image is 32 × 32 pixels and the photo "
        "64 × 64: make both the same size."
    )
    assert found["c.png"]["error"].startswith(
        "superpixels: There is no map of c.png. The label image is no PNG"
    )
    assert found["birds/a.png"]["error"] is None


def test_pictures_that_differ_in_their_ending_have_label_images_of_their_own(tmp_path, capsys):
    pictures, labels, out = (tmp_path / name for name in ("in", "labels", "out"))
    fill(pictures, ["a.jpg", "a.png", "b.jpg", "c.jpg", "c.jpg.png"])
    labels.mkdir()
    for name, left in (("a.jpg.png", 20), ("a.png", 30), ("b.png", 40), ("c.jpg.png", 50)):
        (labels / name).write_bytes(regions(left=left))
    assert run(pictures, out, *BY_REGIONS, "--regions", str(labels)) == 0
    assert "5 pictures, 3 explained, 2 with an error." in capsys.readouterr().out
    found = rows(out)
    shares = {
        name: max(each["share"] for each in maps_of(out, row)[1]["maps"]["superpixels"]["regions"])
        for name, row in found.items()
        if row["maps"] is not None
    }
    assert shares["a.jpg"] > shares["b.jpg"]  # region 2 begins at pixel 20 of 64, or at 40
    assert sorted(shares) == ["a.jpg", "b.jpg", "c.jpg"]  # whose own label image is c.jpg.png
    assert found["a.png"]["error"] == (
        "superpixels: There is no map: the label image a.png.png is not there, and a.png could be "
        "that of another picture: call this picture's a.png.png."
    )
    assert "call this picture's c.jpg.png.png." in found["c.jpg.png"]["error"]


def test_a_missing_label_image_costs_other_methods_nothing(folders, tmp_path, capsys):
    pictures, labels = folders
    (pictures / "d.png").write_bytes((pictures / "c.png").read_bytes())  # neither has one
    given = ("--methods", "saliency,superpixels", "--regions", str(labels))
    assert run(pictures, tmp_path / "out", *given) == 0
    said = capsys.readouterr().out
    assert "4 pictures, 4 explained (2 not in full), 2 with an error." in said
    found = rows(tmp_path / "out")
    for name in ("c.png", "d.png"):
        assert found[name]["error"].startswith(
            f"superpixels: There is no map: the label image {name} cannot be read"
        )
        with np.load(tmp_path / "out" / found[name]["maps"], allow_pickle=False) as arrays:
            assert sorted(arrays) == ["manifest", "saliency"]
            told = json.loads(bytes(arrays["manifest"]))
        assert told["failed"] == {"superpixels": "There is no label image that fits the picture."}
        assert list(told["maps"]) == ["saliency"]
    assert found["c.png"]["maps"] == found["d.png"]["maps"]
    with np.load(tmp_path / "out" / found["b.jpg"]["maps"], allow_pickle=False) as arrays:
        assert sorted(arrays) == ["manifest", "saliency", "superpixels"]
        assert "failed" not in json.loads(bytes(arrays["manifest"]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "--regions belongs to superpixels, kernel_shap, lime: give one to --methods too."),
        (("--methods", "ig"), "--regions belongs to superpixels, kernel_shap, lime"),
        (BY_REGIONS, "There is no folder nowhere: give one of label images to --regions."),
        ((*BY_REGIONS, "--segments", "9"), "--segments is of no use where --regions is"),
    ],
)
def test_what_cannot_be_done_is_refused(folders, tmp_path, capsys, options, sentence):
    where = str(folders[1]) if "--segments" in options else "nowhere"
    assert run(folders[0], tmp_path / "out", *options, "--regions", where) == 2
    assert sentence in capsys.readouterr().err
