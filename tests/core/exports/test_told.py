"""What is told of a run to those who get an export: no place of this machine."""

import io
import json
from dataclasses import replace

import pytest

from core.exports.coco import write_coco
from core.exports.rows import record_for
from core.exports.summary import summary
from core.exports.told import told_settings, without_place
from core.text import quoted
from tests import tables

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("resnet18", "resnet18"),
        ("/home/anna/nets/bird.onnx", "bird.onnx"),
        ("C:\\nets\\bird.pt2", "bird.pt2"),
        ("timm:resnet18.a1_in1k", "timm:resnet18.a1_in1k"),
        ("hf:google/vit-base-patch16-224", "hf:google/vit-base-patch16-224"),
        ("hf:/home/anna/vit/", "hf:vit"),
        ("hf:../secret/vit", "hf:vit"),
        ("my_nets:build", "my_nets:build"),
    ],
)
def test_a_model_is_named_without_its_place(model, said):
    assert without_place(model) == said


def at_home(results):
    """The same results, of a run whose folders lie in somebody's home."""
    settings = {
        **results.manifest["settings"],
        "masks": "/home/anna/masks",
        "regions": "s3://anna/regions/",
        "maps": {"address": "/home/anna/cams", "channels": "mean"},
        "model": "/home/anna/bird.onnx",
    }
    manifest = {**results.manifest, "settings": settings, "folder": "/home/anna/pictures"}
    return replace(results, manifest=manifest)


def test_folders_are_told_by_their_own_names(made):
    found = told_settings(at_home(made("birds").results))
    assert (found["masks"], found["regions"], found["model"]) == ("masks", "regions", "bird.onnx")
    assert found["maps"] == {"address": "cams", "channels": "mean"}
    assert found["target"] == "predicted"
    assert told_settings(tables.opened(tables.table(tables.columns(3)))) == {}


def test_no_export_tells_a_place(made):
    found = made("birds")
    results, record = at_home(found.results), record_for(found.results)
    file = io.BytesIO()
    write_coco(results, record, file)
    model = f"/home/anna/{'deep/' * 20}bird.onnx"  # of which a sentence shows the beginning
    without_model = summary(replace(results, model=model), f"There is no {quoted(model)}.")
    for text in (file.getvalue().decode(), summary(results, record), without_model):
        assert "cams" in text
        for place in ("anna", str(found.pictures), str(found.out.parent)):
            assert place not in text
    assert json.loads(file.getvalue())["info"]["settings"]["masks"] == "masks"
    assert "made with &#x27;bird.onnx&#x27;, which is not available here." in without_model
