"""A folder of maps made elsewhere: found by name, judged in the table, gone on with."""

import numpy as np
import pytest
from PIL import Image

from core.folders import picture_maps
from core.folders.map_files import MAPS
from core.folders.results_table import open_results
from core.folders.trust_means import CHECK_TITLES, count_trust
from core.models import classifiers
from core.trust.localisation import localisation
from tests.core.explaining.test_explainer import staged
from tests.folders import all_but_seconds, fill, rows, run

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ("a.png", "birds/b.png", "birds/c.png")
SAID = ("--sign", "signed", "--unit", "score", "--trust")
MEASURES = ("passed", "checks", "deletion", "insertion", "explained", "explained_by_size")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(classifiers, "load", lambda *_: staged())


@pytest.fixture
def given(tmp_path):
    """Pictures, and maps for two of them."""
    maps = tmp_path / "maps"
    (maps / "birds").mkdir(parents=True)
    random = np.random.default_rng(0)
    np.save(maps / "a.npy", random.normal(size=(28, 28)))
    np.save(maps / "birds/b.png.npy", random.normal(size=(64, 64)))  # of the photo
    return fill(tmp_path / "pictures", NAMES), maps, tmp_path / "out"


def test_maps_are_judged_beside_ours_and_a_missing_one_is_said(given, monkeypatch):
    pictures, maps, out = given
    options = ("--maps", str(maps), *SAID, "--methods", "saliency")
    assert run(pictures, out, *options) == 0
    found = rows(out)
    assert found["birds/c.png"]["error"] == (
        "given: There is no map of birds/c.png. Its file is missing: call it c.npy or c.png.npy, "
        "or end it with .npz or .png."
    )
    assert found["birds/c.png"]["maps"] is not None  # the other method has one
    assert found["birds/c.png"]["deletion_given"] is None
    for name in NAMES[:2]:
        row = found[name]
        assert row["error"] is None
        assert (row["checks_given"], row["checks_saliency"]) == (2, 4)
        assert (row["weights_given"], row["noise_given"]) == (None, None)
        assert -1 <= row["weights_saliency"] <= 1
        for measure in MEASURES:
            assert row[f"{measure}_given"] is not None
        assert row["depends_on_weights_given"] is row["stable_under_noise_given"] is None
        for method in ("given", "saliency"):  # neither adds up
            verdicts = [row[f"{check}_{method}"] for check in CHECK_TITLES]
            assert verdicts.count(True) == row[f"passed_{method}"]
            assert verdicts.count(True) + verdicts.count(False) == row[f"checks_{method}"]
        with np.load(out / row["maps"]) as file:
            assert file["given"].shape == file["saliency"].shape == (28, 28)
    assert np.array_equal(
        np.load(out / found["a.png"]["maps"])["given"], np.load(maps / "a.npy").astype(np.float32)
    )
    opened = open_results(out).table  # as the page opens it
    assert opened["weights_saliency"].to_pylist() == [
        row["weights_saliency"] for row in found.values()
    ]
    assert count_trust(opened)["given"]["faithful"].checked == 2

    # What is there is not made or judged again: one picture's maps are lost, and only they are.
    before, judged = all_but_seconds(out), []
    (out / found["a.png"]["maps"]).unlink()
    judge = picture_maps.Judge

    class Watched(judge):
        def steps(self, case, how):
            judged.append(case.picture.sha256)
            return super().steps(case, how)

    monkeypatch.setattr(picture_maps, "Judge", Watched)
    assert run(pictures, out, *options) == 0
    assert all_but_seconds(out) == before
    assert len(judged) == 2
    assert len(set(judged)) == 1


def test_our_own_maps_given_back_have_our_columns(given):
    pictures, maps, out = given
    assert run(pictures, out, "--methods", "saliency", "--trust") == 0
    ours = rows(out)
    for name, row in ours.items():
        path = (maps / name).with_suffix(".npz")
        with np.load(out / row["maps"]) as file:
            np.savez(path, values=file["saliency"])
    for path in (maps / "a.npy", maps / "birds/b.png.npy"):
        path.unlink()
    back = out.with_name("back")
    assert run(pictures, back, "--maps", str(maps), *SAID) == 0
    for name, row in rows(back).items():
        for measure in ("deletion", "insertion", "explained", "explained_by_size"):
            assert row[f"{measure}_given"] == ours[name][f"{measure}_saliency"]
    assert not list((back / MAPS).glob("*.writing"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--maps", "{maps}"), "Say what the map's sign means with --sign"),
        (("--maps", "{maps}x", "--sign", "signed", "--unit", "none"), "There is no folder"),
        (("--unit", "none"), "--unit is about a map made elsewhere: give --maps DIR too"),
        (("--trust",), "--trust judges maps: give --methods, --maps, or both."),
    ],
)
def test_what_is_missing_is_said_before_anything_is_done(given, capsys, options, sentence):
    pictures, maps, out = given
    assert run(pictures, out, *(each.format(maps=maps) for each in options)) == 2
    assert sentence in capsys.readouterr().err
    assert not (out / "results.parquet").exists()


def test_two_pictures_of_one_name_do_not_share_a_map(given):
    pictures, maps, out = given
    (pictures / "a.webp").write_bytes((pictures / "a.png").read_bytes())
    assert run(pictures, out, "--maps", str(maps), *SAID) == 0
    for name in ("a.png", "a.webp"):
        error = rows(out)[name]["error"]
        assert "a.npy could be that of another picture too: name maps by the whole " in error
        assert error.endswith(f"as {name}.npy.")


def test_two_maps_of_one_picture_are_refused(given):
    pictures, maps, out = given
    np.savez(maps / "a.npz", values=np.eye(28))
    assert run(pictures, out, "--maps", str(maps), *SAID) == 0
    assert "It has 2 files (a.npy, a.npz): leave one of them." in rows(out)["a.png"]["error"]


def grey(path, seed=0):
    """A map as a PNG of greys."""
    values = np.random.default_rng(seed).integers(0, 256, (28, 28), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return values / 255


def test_a_png_among_arrays_costs_its_row_alone(given):
    pictures, maps, out = given
    (maps / "a.npy").unlink()
    grey(maps / "a.png")
    assert run(pictures, out, "--maps", str(maps), *SAID[:4]) == 0
    found = rows(out)
    assert found["a.png"]["error"].startswith(
        "given: There is no map of a.png. A PNG does not say where zero is, so its values cannot be"
    )
    assert found["birds/b.png"]["error"] is None


def test_a_sum_is_said_of_a_map_of_the_photo(given):
    """Resampled, it no longer sums to what it did."""
    pictures, maps, out = given
    assert run(pictures, out, "--maps", str(maps), *SAID, "--adds-up") == 0
    found = rows(out)
    assert found["a.png"]["gap_given"] is not None
    assert found["birds/b.png"]["error"].startswith(
        "given: There is no map of birds/b.png. A map of the photo is resampled, which changes the"
    )
    assert found["birds/b.png"]["gap_given"] is None


def test_the_baseline_is_that_of_the_sum(given, tmp_path):
    pictures, maps, _ = given
    (maps / "birds/b.png.npy").unlink()
    for name, baseline in (("grey", ()), ("black", ("--baseline", "black"))):
        options = ("--maps", str(maps), *SAID, "--adds-up", *baseline)
        assert run(pictures, tmp_path / name, *options) == 0
    grey_gap, black_gap = (rows(tmp_path / n)["a.png"]["gap_given"] for n in ("grey", "black"))
    assert grey_gap != black_gap
    assert run(pictures, tmp_path / "mixed", *options, "--methods", "saliency") == 0
    assert rows(tmp_path / "mixed")["a.png"]["gap_given"] == black_gap


def test_maps_alone_are_compared_with_masks(given, tmp_path):
    """Of an array the share of its positive values; of greys, which have no zero, the order."""
    pictures, maps, out = given
    masks = tmp_path / "masks"
    (masks / "birds").mkdir(parents=True)
    marked = np.zeros((64, 64), np.uint8)
    marked[:32] = 1
    for name in ("a", "birds/b"):
        Image.fromarray(marked).save(masks / f"{name}.png")
    (maps / "birds/b.png.npy").unlink()
    values = grey(maps / "birds/b.png")
    options = ("--maps", str(maps), "--sign", "unsigned", "--unit", "none", "--masks", str(masks))
    array = np.abs(np.load(maps / "a.npy"))
    np.save(maps / "a.npy", array)
    assert run(pictures, out, *options) == 0
    found = rows(out)
    upper = np.zeros((28, 28), bool)
    upper[:14] = True
    a, b = found["a.png"], found["birds/b.png"]
    assert a["mask_share"] == b["mask_share"] == 0.5
    assert a["mass_given"] == pytest.approx(array[upper].sum() / array.sum(), rel=1e-6)
    assert b["mass_given"] is None
    assert b["rank_given"] == localisation(values.astype(np.float32), upper).rank
    assert b["pointing_given"] == float((values[upper] == values.max()).any())


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((7, 7), (), "or say that it is a grid over the input. That is said with --map-of input, "),
        ((7, 7), ("--map-of", "photo"), "that size. It was said with --map-of photo."),
        ((64, 64), ("--map-of", "grid"), "coarser than the input. It was said with --map-of grid."),
        ((28, 28), ("--map-of", "input"), None),
        ((7, 7), ("--map-of", "grid"), None),
    ],
)
def test_what_a_map_is_of_is_said_with_an_option(given, shape, options, sentence):
    pictures, maps, out = given
    np.save(maps / "a.npy", np.random.default_rng(0).normal(size=shape))
    assert run(pictures, out, "--maps", str(maps), *SAID[:4], *options) == 0
    error = rows(out)["a.png"]["error"]
    assert sentence in error if sentence else error is None


def test_a_method_that_lacks_a_map_counts_those_it_has(given, tmp_path, capsys):
    pictures, maps, out = given
    (masks := tmp_path / "masks" / "birds").mkdir(parents=True)
    for place in (masks.parent / "a.png", masks / "b.png", masks / "c.png"):
        marked = np.zeros((64, 64), np.uint8)
        marked[:32] = place.name != "b.png"  # that of b is empty
        Image.fromarray(marked).save(place)
    options = (
        "--maps",
        str(maps),
        *SAID[:4],
        "--methods",
        "saliency",
        "--masks",
        str(masks.parent),
    )
    assert run(pictures, out, *options) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("3 explained (1 not in full, 1 without localisation), 2 with an error.")
    assert "means of at most 2 maps of each method" in said[1]
    assert [line.split(":")[0] for line in said[2:4]] == ["  saliency, 2 maps", "  given, 1 map"]
    assert said[-1].startswith("1 of 3 explained pictures has no localisation: 1 mask is empty.")


def test_a_picture_is_no_map_of_itself(tmp_path):
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for name in "ab":
        grey(pictures / f"{name}.png")
    np.save(pictures / "b.npy", np.eye(28))
    said = ("--sign", "positive", "--unit", "none", "--masks", str(pictures))
    assert run(pictures, out, "--maps", str(pictures), "--map-of", "input", *said) == 0
    a, b = (rows(out)[f"{name}.png"] for name in "ab")
    assert "There is no map of a.png. Its file is missing: call it a.npy or" in a["error"]
    assert "a.png.png is not there, and a.png is the picture itself: call the other" in a["error"]
    assert b["maps"] is not None
    assert b["mass_given"] is None
