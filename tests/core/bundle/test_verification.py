"""A bundle that is what it says is called equal; one changed number is found and named."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

from core.__main__ import main
from core.bundle.archive import bundle
from core.bundle.verification import verify
from core.drawing.rendering import Display
from core.errors import BundleError, ImageError, SettingError
from core.methods.cover_methods import OcclusionSetting
from core.models import classifiers
from tests.bundles import (
    MAPS,
    PENGUIN,
    SWAN,
    contents,
    exhibit,
    explainer,
    swan_bundle,
    with_manifest,
    zipped,
)


@pytest.fixture(autouse=True, scope="module")
def load_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "load", functools.cache(classifiers.load))
        yield


COARSE = {"Occlusion": (OcclusionSetting(112, 112), MAPS["Occlusion 112/80"][1])}


@functools.cache
def small():
    """One map of four windows, with the photo."""
    return bundle(explainer(), [exhibit(maps=COARSE)], Display())


def checked(data, **options):
    return verify(data, device="cpu", **options)


def test_what_was_made_is_equal():
    verdict = checked(swan_bundle())
    assert verdict.different == []
    assert verdict.notes == []
    assert len(verdict.equal) == 2 + len(MAPS)  # the crop, the scores, the maps
    assert all("equal" in sentence for sentence in verdict.equal[1:])


def section(manifest, *path):
    for part in path[:-1]:
        manifest = manifest[part]
    return manifest, path[-1]


CHANGES = [
    (("exhibits", 0, "top", 0, "probability"), 0.5279, "exhibits/1/top", "probability of king"),
    (("exhibits", 0, "top", 1, "logit"), 6.0, "exhibits/1/top", "the logit of goose is"),
    (("exhibits", 0, "top", 1, "index"), 100, "exhibits/1/top", "number 2 is goose"),
    (("exhibits", 0, "picture", "sha256"), "0" * 64, "exhibits/1/picture", None),
    (("exhibits", 0, "picture", "size"), [640, 641], "exhibits/1/picture", "photo is 640 × 640"),
    (
        ("exhibits", 0, "picture", "region"),
        [0, 0, 500, 500],
        "exhibits/1/picture",
        "what the model saw is not that part",
    ),
    (
        ("exhibits", 0, "model", "weights_sha256"),
        "ab" * 32,
        "exhibits/1/model",
        "the manifest says abababababab…",
    ),
    (("exhibits", 0, "model", "preprocessing", "resize"), 232, "exhibits/1/model", "resize is 256"),
    (
        ("exhibits", 0, "maps", 0, "settings", "window"),
        113,
        "exhibits/1/maps/1/settings",
        "Occlusion: the map differs by up to",
    ),
    (
        ("exhibits", 0, "maps", 0, "settings", "baseline"),
        "black",
        "exhibits/1/maps/1/settings",
        "Occlusion: the map differs by up to",
    ),
    (
        ("exhibits", 0, "maps", 0, "question", "target"),
        99,
        "exhibits/1/maps/1/question",
        "target_name is goose",
    ),
    (
        ("exhibits", 0, "maps", 0, "grey16", "white"),
        9.5,
        "exhibits/1/maps/1/grey16",
        "its 16-bit picture says something else",
    ),
    (("exhibits", 0, "maps", 0, "units"), "nats", "exhibits/1/maps/1/units", "units is logits"),
    (
        ("exhibits", 0, "maps", 0, "score_change"),
        1.5,
        "exhibits/1/maps/1/score_change",
        "score_change is None",
    ),
    (
        ("exhibits", 0, "maps", 0, "agreement", "difference"),
        0.25,
        "exhibits/1/maps/1/agreement",
        "Occlusion: the model's own scores differ from the map's by",
    ),
    (
        ("exhibits", 0, "maps", 0, "agreement"),
        None,
        "exhibits/1/maps/1/agreement",
        "of its windows, the manifest says none of its windows",
    ),
    (("exhibits", 0, "maps", 0, "agreement", "windows"), 99, "exhibits/1/maps/1/agreement", None),
    (("display", "opacity"), 0.5, "display", None),
    (("versions", "torch"), "1.0", "versions", None),
]


@pytest.mark.parametrize(
    ("path", "value", "place", "recomputed"),
    CHANGES,
    ids=[".".join(map(str, c[0])) for c in CHANGES],
)
def test_one_changed_number_is_caught(path, value, place, recomputed):
    def change(manifest):
        where, key = section(manifest, *path)
        assert where[key] != value
        where[key] = value

    verdict = checked(with_manifest(small(), change))
    assert f"manifest.json was changed after it was written: {place}." in verdict.different
    # Whoever makes the digests fit as well is found by computing it again.
    resealed = checked(with_manifest(small(), change, seal=True)).different
    if recomputed is None:
        assert resealed == []
    else:
        assert any(recomputed in sentence for sentence in resealed), resealed


def test_a_map_of_which_no_agreement_is_said_is_equal():
    """As in bundles that were made before it was written down."""

    def forget(manifest):
        del manifest["exhibits"][0]["maps"][0]["agreement"]

    assert checked(with_manifest(small(), forget, seal=True)).different == []


def test_an_agreement_on_what_covers_nothing_is_caught():
    def claim(manifest):
        manifest["exhibits"][0]["maps"][1]["agreement"] = {"windows": 4, "difference": 0.0}

    different = checked(with_manifest(swan_bundle(), claim, seal=True)).different
    assert different == [
        "swan.jpg, efficientnet_lite0, Integrated Gradients: the model itself recomputed none of "
        "its windows, the manifest says 4 of its windows."
    ]


def test_a_changed_map_is_caught_with_its_place():
    files = contents(small())
    values = np.load(io.BytesIO(files["maps/1-1-occlusion.npy"])).copy()
    values[30, 200] += 1.0
    buffer = io.BytesIO()
    np.save(buffer, values)
    changed = zipped({**files, "maps/1-1-occlusion.npy": buffer.getvalue()})
    different = checked(changed).different
    assert "maps/1-1-occlusion.npy was changed after the bundle was made." in different
    assert any(
        "differs by up to 1.00 logits, at row 30, column 200" in sentence for sentence in different
    )


def test_a_missing_file_is_a_difference():
    files = contents(small())
    del files["figure.pdf"]
    del files["maps/1-1-occlusion.npy"]
    different = checked(zipped(files)).different
    assert "figure.pdf is missing from the bundle." in different
    assert any(sentence.endswith("Occlusion: the map is missing.") for sentence in different)


def test_another_photo_than_was_seen_is_caught():
    files = contents(small())
    (name,) = (name for name in files if name.startswith("photo"))
    turned = Image.open(io.BytesIO(files[name])).rotate(180)
    buffer = io.BytesIO()
    turned.save(buffer, "PNG")
    different = checked(zipped({**files, name: buffer.getvalue()})).different
    assert any("what the model saw is not that part of the photo" in line for line in different)


def test_without_the_photo_it_can_be_given():
    data = bundle(explainer(), [exhibit(maps=COARSE)], Display(), photo=False)
    verdict = checked(data)
    assert verdict.different == []
    assert "give the photo with --image" in verdict.notes[0]
    verdict = checked(data, image=SWAN.read_bytes())
    assert verdict.different == verdict.notes == []
    assert "the model saw that part of the photo" in verdict.equal[0]
    verdict = checked(data, image=PENGUIN.read_bytes())
    assert verdict.different == ["The given picture is none of those that the bundle is of."]


def test_another_picture_as_baseline_travels_along():
    name = explainer().as_baseline(exhibit(PENGUIN).picture)
    maps = {"Occlusion": (OcclusionSetting(112, 112, name), COARSE["Occlusion"][1])}
    data = bundle(explainer(), [exhibit(maps=maps)], Display())
    assert checked(data).different == []
    files = contents(data)
    del files["maps/1-1-occlusion-baseline.png"]
    assert any("baseline is missing" in sentence for sentence in checked(zipped(files)).different)


def test_settings_out_of_range_are_refused():
    def change(manifest):
        manifest["exhibits"][0]["maps"][0]["settings"]["window"] = 500

    with pytest.raises(SettingError, match="choose between 1 and 224"):
        checked(with_manifest(small(), change))


def test_passes_that_nobody_asked_for_are_refused():
    def change(manifest):
        entry = manifest["exhibits"][0]["maps"][0]
        entry["method"] = "smoothgrad"
        entry["settings"] = {
            "method": "integrated_gradients",
            **{"steps": 1000, "baseline": "grey", "samples": 200, "stdev": 1.0, "seed": 0},
        }

    with pytest.raises(BundleError) as caught:
        checked(with_manifest(small(), change))
    assert str(caught.value) == (
        "The bundle's maps take 200,000 passes through its networks, and 20,000 are made unasked: "
        "allow them with --passes 200000."
    )
    with pytest.raises(BundleError, match="take 4 passes"):
        checked(small(), passes=3)
    assert checked(small(), passes=4).different == []


@pytest.mark.parametrize("name", ["maps/1-1-occlusion.png", "seen-1.png"])
def test_a_picture_that_is_none_is_refused_in_a_sentence(name):
    files = {**contents(small()), name: b"\x89PNG\r\n\x1a\n" + bytes(100)}
    with pytest.raises((BundleError, ImageError)) as caught:
        checked(zipped(files))
    assert "\n" not in str(caught.value)


def test_a_map_of_another_size_is_refused():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((8, 8), np.float32))
    files = {**contents(small()), "maps/1-1-occlusion.npy": buffer.getvalue()}
    with pytest.raises(BundleError, match="224 × 224 numbers"):
        checked(zipped(files))


ESCAPE = "\x1b[2J\x9b31m\x07\nEqual."


@pytest.mark.parametrize(
    "path",
    [
        ("format",),
        ("versions", ESCAPE),
        ("versions", "torch"),
        ("files", ESCAPE),
        ("files", "seen-1.png"),
        ("exhibits", 0, ESCAPE),
        ("exhibits", 0, "picture", "name"),
        ("exhibits", 0, "picture", "seen"),
        ("exhibits", 0, "picture", "sha256"),
        ("exhibits", 0, "model", "name"),
        ("exhibits", 0, "model", "device"),
        ("exhibits", 0, "model", "weights_sha256"),
        ("exhibits", 0, "model", "own"),
        ("exhibits", 0, "model", "preprocessing", "interpolation"),
        ("exhibits", 0, "top", 0, "name"),
        ("exhibits", 0, "maps", 0, "title"),
        ("exhibits", 0, "maps", 0, "method"),
        ("exhibits", 0, "maps", 0, "settings", "baseline"),
        ("exhibits", 0, "maps", 0, "settings", "layer"),
        ("exhibits", 0, "maps", 0, "question", "kind"),
        ("exhibits", 0, "maps", 0, "units"),
        ("exhibits", 0, "maps", 0, "target_name"),
        ("exhibits", 0, "maps", 0, "contrast_name"),
        ("exhibits", 0, "maps", 0, "values"),
        ("exhibits", 0, "maps", 0, "grey16", "file"),
    ],
    ids=str,
)
def test_what_a_bundle_says_cannot_act_on_the_terminal(tmp_path, capsys, path):
    def change(manifest):
        inner, last = section(manifest, *path)
        if path[-2:] == ("settings", "layer"):
            manifest["exhibits"][0]["maps"][0]["method"] = "grad_cam"
            inner.clear()
        inner[last] = ESCAPE

    place = tmp_path / "bundle.zip"
    place.write_bytes(with_manifest(small(), change))
    assert main(["verify", str(place), "--device", "cpu"]) in (1, 2)
    out, err = capsys.readouterr()
    assert (out + err).replace("\n", "").isprintable()
    assert "Equal." not in out.splitlines()
    assert len(err.splitlines()) <= 1
