"""A bundle holds the maps, what they were made of, and nothing that was not asked for."""

import hashlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image

from core.bundle.archive import bundle
from core.drawing.rendering import Display, scale
from core.errors import SettingError
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.pictures.picture import picture_from_bytes, picture_from_file
from core.pictures.preprocessing import Box
from tests.bundles import (
    ASKED,
    MAPS,
    PENGUIN,
    SWAN,
    classifier,
    contents,
    exhibit,
    explainer,
    manifest_of,
    swan_bundle,
)

COARSE = {"Occlusion": (OcclusionSetting(112, 112), ASKED)}


def quick(*exhibits, **options):
    return bundle(explainer(), exhibits, Display(), **options)


def opened(data):
    return Image.open(io.BytesIO(data))


def test_every_kind_of_file_is_there():
    files = contents(swan_bundle())
    stems = ("1-1-occlusion", "1-2-integrated_gradients", "1-3-smoothgrad_sq")
    expected = {f"figures/{stem}.{kind}" for stem in stems for kind in ("png", "svg", "pdf")}
    expected |= {f"maps/{stem}.{kind}" for stem in stems for kind in ("npy", "png")}
    expected |= {f"figure.{kind}" for kind in ("png", "svg", "pdf")}
    expected |= {"manifest.json", "report.html", "caption.txt", "citations.bib", "credits.txt"}
    expected |= {"plain_captum.py", "seen-1.png", "photo-e5955f64.png"}
    assert set(files) == expected
    for name, data in files.items():
        if name.endswith(".png") and name.startswith("fig"):
            assert opened(data).info["dpi"] == pytest.approx((300, 300), abs=0.1)
        if name.endswith(".svg"):
            assert data.startswith(b"<?xml")
        if name.endswith(".pdf"):
            assert data.startswith(b"%PDF")


def test_maps_are_the_explainers_in_both_forms():
    files = contents(swan_bundle())
    for entry, (setting, question) in zip(
        json.loads(files["manifest.json"])["exhibits"][0]["maps"], MAPS.values(), strict=True
    ):
        made = explainer().attribution(classifier(), exhibit().picture, setting, question)
        values = np.load(io.BytesIO(files[entry["values"]]), allow_pickle=False)
        assert values.dtype == np.float32
        assert (values == made.values).all()
        grey = entry["grey16"]
        pixels = np.asarray(opened(files[grey["file"]]))
        assert pixels.dtype == np.uint16
        back = grey["black"] + (grey["white"] - grey["black"]) * (pixels / 65535)
        step = (grey["white"] - grey["black"]) / 65535
        assert np.abs(back - values).max() <= 0.51 * step


def test_the_manifest_says_what_everything_is_of():
    files = contents(swan_bundle())
    manifest = json.loads(files["manifest.json"])
    (shown,) = manifest["exhibits"]
    assert shown["picture"]["sha256"] == hashlib.sha256(SWAN.read_bytes()).hexdigest()
    assert shown["model"]["weights_sha256"] == classifier().weights_sha256
    assert shown["model"]["device"] == "cpu"
    assert [score["name"] for score in shown["top"][:2]] == ["king penguin", "goose"]
    assert shown["top"][0]["probability"] == pytest.approx(0.528, abs=1e-3)
    occlusion, gradients, smoothed = shown["maps"]
    assert occlusion["settings"] == {"window": 112, "stride": 80, "baseline": "grey"}
    made = explainer().attribution(classifier(), exhibit().picture, *MAPS["Occlusion 112/80"])
    assert occlusion["agreement"] == made.agreement._asdict()
    assert occlusion["agreement"]["windows"] >= 1
    assert 0 <= occlusion["agreement"]["difference"] < 1e-3
    assert gradients["agreement"] is smoothed["agreement"] is None
    assert gradients["contrast_name"] == "goose"
    assert gradients["score_change"] + gradients["completeness_gap"] == pytest.approx(
        float(np.load(io.BytesIO(files[gradients["values"]])).sum(dtype=np.float64)), abs=1e-5
    )
    assert smoothed["settings"]["seed"] == 7
    assert {"torch", "captum", "python", "platform"} <= set(manifest["versions"])
    assert manifest["display"]["outlier_percent"] == Display().outlier_percent
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    for name, sha256 in manifest["files"].items():
        assert hashlib.sha256(files[name]).hexdigest() == sha256


def test_the_same_maps_give_the_same_bytes():
    assert quick(exhibit(maps=COARSE)) == quick(exhibit(maps=COARSE))


def test_trust_goes_into_manifest_and_report():
    trust = {"Occlusion": {"sentences": ["Better than <guessing>."], "area": 0.25}}
    files = contents(quick(exhibit(maps=COARSE, trust=trust)))
    (entry,) = json.loads(files["manifest.json"])["exhibits"][0]["maps"]
    assert entry["trust"] == trust["Occlusion"]
    assert "Better than &lt;guessing&gt;." in files["report.html"].decode()


def photo_from_a_phone():
    """A JPEG that says where, with what and by whom it was taken."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Kamerawerk", "Spion 7"
    exif[ExifTags.Base.Artist] = "Frieda Muster"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "N", (52.0, 31.0, 12.0)
    buffer = io.BytesIO()
    Image.open(PENGUIN).resize((320, 240)).save(
        buffer, "JPEG", exif=exif, comment=b"Geheimnis am See", quality=90
    )
    return buffer.getvalue()


SECRETS = (b"Kamerawerk", b"Spion 7", b"Frieda", b"Geheimnis", b"Exif\0\0")


def test_what_a_photo_says_of_place_and_camera_stays_at_home():
    data = photo_from_a_phone()
    assert all(word in data for word in SECRETS)
    shown = replace(exhibit(maps=COARSE), picture=picture_from_bytes(data), name="phone.jpg")
    files = contents(quick(shown))
    for name, content in files.items():
        assert not any(word in content for word in SECRETS), name
        if name.endswith(".png"):
            image = opened(content)
            assert not image.getexif(), name
            assert set(image.info) <= {"dpi"}, name
    photo = next(content for name, content in files.items() if name.startswith("photo"))
    assert (np.asarray(opened(photo)) == np.asarray(shown.picture.image)).all()


def test_the_file_as_it_is_goes_in_when_asked_for():
    data = photo_from_a_phone()
    shown = replace(
        exhibit(maps=COARSE), picture=picture_from_bytes(data), name="phone.JPG", original=data
    )
    files = contents(quick(shown))
    (kept,) = (name for name in files if name.startswith("original"))
    assert kept.endswith(".jpg")
    assert files[kept] == data
    assert not any(name.startswith("photo") for name in files)


def test_without_the_photo_only_what_the_model_saw_is_there():
    files = contents(quick(exhibit(maps=COARSE), photo=False))
    assert not any(name.startswith(("photo", "original")) for name in files)
    assert "seen-1.png" in files
    assert ".photo-1" not in files["report.html"].decode()


def test_a_photo_too_large_to_open_again_is_kept_as_jpeg(monkeypatch):
    monkeypatch.setattr("core.bundle.archive.MAX_BYTES", 1000)
    said = manifest_of(quick(exhibit(maps=COARSE)))["exhibits"][0]["picture"]
    assert said["photo"].endswith(".jpg")
    assert said["photo_exact"] is False


def test_two_pictures_share_the_scale_of_maps_of_one_title():
    maps = {**COARSE, "Superpixels": (SuperpixelSetting(4), ASKED)}
    data = quick(exhibit(maps=maps), exhibit(PENGUIN, maps))
    files = contents(data)
    one, two = json.loads(files["manifest.json"])["exhibits"]
    for first, second in zip(one["maps"], two["maps"], strict=True):
        values = [np.load(io.BytesIO(files[entry["values"]])) for entry in (first, second)]
        assert first["colour_bar"] == second["colour_bar"] == list(scale(values, Display()))
    assert one["maps"][0]["colour_bar"] != one["maps"][1]["colour_bar"]
    assert files["credits.txt"].decode().count("CC-BY-SA-4.0") == 2
    text = files["caption.txt"].decode()
    assert "swan.jpg" in text
    assert "penguin.jpg" in text
    assert "Maps of the same name share one scale." in text
    locked = manifest_of(quick(exhibit(maps=maps), same_scale=True))["exhibits"][0]["maps"]
    assert locked[0]["colour_bar"] == locked[1]["colour_bar"]


def test_a_crop_is_what_the_model_sees():
    cropped = picture_from_file(SWAN).cropped(Box(0, 240, 400, 640))
    shown = replace(exhibit(maps=COARSE), picture=cropped)
    files = contents(quick(shown))
    said = json.loads(files["manifest.json"])["exhibits"][0]["picture"]
    assert said["region"] == said["seen_part"] == [0, 240, 400, 640]
    seen = classifier().record.preprocessing.picture(cropped.image, cropped.region)
    assert (np.asarray(opened(files["seen-1.png"])) == np.asarray(seen)).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"address": "javascript:alert(1)"}, "begins with http"),
        ({"address": "https:"}, "begins with http"),
        ({"exhibits": []}, "A bundle holds 1 to 8"),
        ({"original": b"another file"}, "not the one that the maps are of"),
    ],
)
def test_refusals(options, sentence):
    shown = exhibit(maps=COARSE, original=options.pop("original", None))
    exhibits = options.pop("exhibits", [shown])
    with pytest.raises(SettingError, match=sentence):
        quick(*exhibits, **options)
