"""One bundle of the real model with small settings, for all the tests that take one apart."""

import functools
import io
import json
import zipfile
from pathlib import Path

from core.bundle.archive import bundle
from core.bundle.exhibits import Exhibit
from core.bundle.manifest import changed_sections, sealed
from core.drawing.rendering import Display
from core.explaining.explainer import Explainer
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import IntegratedGradientsSetting, SmoothSetting
from core.methods.scores import Question
from core.pictures.picture import picture_from_file

SAMPLES = Path(__file__).resolve().parent.parent / "sample_images"
SWAN, PENGUIN = SAMPLES / "swan.jpg", SAMPLES / "penguin.jpg"
KING_PENGUIN, GOOSE = 145, 99
ASKED = Question(KING_PENGUIN)
MAPS = {
    "Occlusion 112/80": (OcclusionSetting(112, 80), ASKED),  # 9 windows
    "Integrated Gradients": (IntegratedGradientsSetting(4, "black"), Question(KING_PENGUIN, GOOSE)),
    "Smoothed Integrated Gradients": (
        SmoothSetting(IntegratedGradientsSetting(3), samples=2, stdev=0.5, seed=7),
        ASKED,
    ),
}


@functools.cache
def explainer():
    return Explainer()


@functools.cache
def classifier():
    return explainer().classifier("efficientnet_lite0", "cpu")


def exhibit(path=SWAN, maps=None, **options):
    options = {"name": path.name, "classifier": classifier(), **options}
    return Exhibit(picture=picture_from_file(path), maps=maps or MAPS, **options)


@functools.cache
def swan_bundle():
    return bundle(explainer(), [exhibit()], Display())


def contents(data):
    """All files of a zip, by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(data):
    return json.loads(contents(data)["manifest.json"])


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def with_manifest(data, change, seal=False):
    """A bundle whose manifest was changed; ``seal`` makes its digests fit again."""
    files = contents(data)
    manifest = json.loads(files.pop("manifest.json"))
    change(manifest)
    text = json.dumps(manifest).encode()
    if seal:
        record = {k: v for k, v in manifest.items() if k not in ("files", "digests")}
        text = sealed(record, files)
        assert not changed_sections(json.loads(text))
    return zipped({**files, "manifest.json": text})
