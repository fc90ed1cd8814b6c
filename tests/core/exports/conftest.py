"""Runs of small models over a few pictures: classes, labels, values, one logit, other channels."""

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from core.folders.results_table import open_results
from core.models import registry
from tests import own
from tests.folders import run

HOSTILE = "<img src=x onerror=alert(1)>.png"
CLASSES = ("swan", "<script>alert(2)</script>", "duck & drake", "nothing")
LABELS = ("swan", "water", "boat", "night")
HEADS = {
    "birds": (CLASSES, ""),
    "pond": (LABELS, 'head = "sigmoid"\nthreshold = [0.3, 0.5, 0.5, 0.9]\n'),
    "age": (("age",), 'head = "value"\nunit = "years"\n'),
    "point": (("x", "y coordinate"), 'head = "value"\n'),
    "crack": (("sound", "defect"), 'head = "binary"\n'),
    "bands": (CLASSES, ""),
}
SIZES = {HOSTILE: (96, 64), "tall/b.png": (64, 100), "c.jpg": (130, 70), "d.png": (64, 64)}
SAID = {
    "birds": ["0", "1", "2", "", "3"],
    "pond": ["swan; boat", "none", "night", "", ""],
    "age": ["30", "41.5", "", "12", "20"],
    "point": ["1; 2", "0; 0", "", "3; 3", "5; -5"],
    "crack": ["sound", "defect", "", "sound", "sound"],
}
NAMES = (*SIZES, "broken.png")
OCCLUSION = ("--methods", "occlusion,ig", "--window", "32", "--stride", "32", "--steps", "2")
TURNED = 6  # EXIF: a quarter turn


@dataclass
class Made:
    """A run that is finished: its folder, its pictures and the folder of its model."""

    out: Path
    pictures: Path
    models: Path

    @property
    def results(self):
        return open_results(self.out)


def photo(seed, size):
    squares = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(squares).resize(size, Image.Resampling.NEAREST)


def fill(folder):
    for seed, (name, size) in enumerate(SIZES.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "c.jpg":  # is 130 × 70 once it has been turned
            exif = Image.Exif()
            exif[0x0112] = TURNED
            photo(seed, size[::-1]).save(path, exif=exif, quality=95)
        else:
            photo(seed, size).save(path)
    (folder / "broken.png").write_bytes(b"no picture")
    for name, texts in SAID.items():
        lines = [f'"{path}",{text}\n' for path, text in zip(NAMES, texts, strict=True)]
        (folder / f"{name}.csv").write_text(f"path,label\n{''.join(lines)}")


def bands(folder):
    """Pictures of four channels: an array, and a TIFF of as many pages."""
    folder.mkdir()
    values = np.random.default_rng(0).integers(0, 256, (70, 90, 4), dtype=np.uint8)
    np.save(folder / "array.npy", values)
    pages = [Image.fromarray(values[::-1, :, n].copy()) for n in range(4)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])


def model(folder, name):
    classes, more = HEADS[name]
    text = own.DESCRIPTION.replace("Pond birds", name.title())
    text = text.replace(json.dumps(own.CLASSES), json.dumps(classes))
    text = text.replace("\n[preprocessing]", f"{more}\n[preprocessing]")
    weights = own.state(classes=1 if name == "crack" else len(classes), seed=1)
    if name == "bands":
        text += "channels = 4\nmean = 0.5\nstd = 0.3\n"
        generator = torch.Generator().manual_seed(0)
        first = weights["conv1.0.weight"]
        weights["conv1.0.weight"] = torch.randn(first.shape[0], 4, 3, 3, generator=generator) / 4
    own.make(folder, name, text, weights)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Makes a run by the name of its model; each once."""
    top = tmp_path_factory.mktemp("exports")
    fill(top / "pictures")
    bands(top / "bands")
    known = {}

    def call(name):
        if name not in known:
            models = top / f"models-{name}"
            model(models, name)
            pictures = top / "bands" if name == "bands" else top / "pictures" / f"{name}.csv"
            given = ("--models", str(models), "--model", name, *OCCLUSION)
            assert run(pictures, top / name, *given) == 0
            known[name] = Made(top / name, pictures.parent if pictures.suffix else pictures, models)
        found = known[name]
        registry.use_folder(found.models)
        return found

    yield call
    registry.use_folder(None)


@pytest.fixture(autouse=True)
def no_models_of_others():
    yield
    registry.use_folder(None)


@pytest.fixture
def moved(tmp_path):
    """A copy of a run whose pictures are not where they were."""

    def call(found):
        out = tmp_path / "moved"
        shutil.copytree(found.out, out)
        manifest = json.loads((out / "manifest.json").read_text("utf-8"))
        manifest["address"] = str(tmp_path / "gone")
        (out / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        return Made(out, tmp_path / "gone", found.models)

    return call


@pytest.fixture
def changed(tmp_path):
    """A copy of a run, of whose pictures one is another one now, of the same size."""

    def call(found, name="d.png"):
        out, pictures = tmp_path / "changed", tmp_path / "pictures"
        shutil.copytree(found.out, out)
        shutil.copytree(found.pictures, pictures)
        photo(99, SIZES[name]).save(pictures / name)
        manifest = json.loads((out / "manifest.json").read_text("utf-8"))
        (out / "manifest.json").write_text(json.dumps({**manifest, "address": str(pictures)}))
        return Made(out, pictures, found.models)

    return call


@pytest.fixture
def empty(made, tmp_path):
    """A run whose table has no rows."""
    found, out = made("birds"), tmp_path / "empty"
    out.mkdir()
    (out / "manifest.json").write_bytes((found.out / "manifest.json").read_bytes())
    pq.write_table(found.results.table.slice(0, 0), out / "results.parquet")
    return Made(out, found.pictures, found.models)


def png_of(path):
    return np.asarray(Image.open(io.BytesIO(Path(path).read_bytes())))
