"""COCO's JSON, read by pycocotools."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps
from pycocotools import mask as masks
from pycocotools.coco import COCO

from core.errors import SettingError
from core.exports.coco import _bounding_box, run_lengths, write_coco
from core.exports.placing import on_photo, top_region
from core.exports.rows import record_for, rows_of
from core.models import registry
from tests.core.exports.conftest import CLASSES, HOSTILE, LABELS, NAMES, SIZES

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # Of pycocotools itself, with NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def decoded(mask):
    lengths = {"size": list(mask.shape), "counts": run_lengths(mask)}
    return masks.frPyObjects(lengths, *mask.shape)


@pytest.mark.parametrize(
    "mask",
    [
        *(np.zeros((3, 5), bool), np.ones((3, 5), bool), np.zeros((1, 1), bool)),
        *(np.ones((1, 1), bool), np.eye(4, 6, dtype=bool), np.eye(4, 6, 5, dtype=bool)),
    ],
    ids=["empty", "full", "no pixel of one", "one pixel", "diagonal", "upper right pixel"],
)
def test_run_lengths_are_those_of_pycocotools(mask):
    check(mask)


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_run_lengths_of_any_mask(mask):
    check(mask)


def check(mask):
    theirs = masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    ours = decoded(mask)
    assert ours["counts"] == theirs["counts"]
    assert np.array_equal(masks.decode(ours), mask)
    assert masks.area(ours) == mask.sum()
    assert masks.toBbox(ours).tolist() == _bounding_box(mask)


def written(made, **options):
    file = io.BytesIO()
    count = write_coco(made.results, record_for(made.results), file, **options)
    return json.loads(file.getvalue()), count


def test_a_run_as_pycocotools_opens_it(made, tmp_path, capsys):
    found = made("birds")
    told, count = written(found)
    place = tmp_path / "coco.json"
    place.write_text(json.dumps(told))
    coco = COCO(str(place))
    capsys.readouterr()  # it says what it does
    assert (count.rows, count.maps, count.no_picture, count.no_maps) == (5, 8, 1, 0)
    images = {each["file_name"]: each for each in coco.loadImgs(coco.getImgIds())}
    assert {name: (each["width"], each["height"]) for name, each in images.items()} == SIZES
    record = registry.record("birds")
    for row in rows_of(found.results, record):
        if row.picture is None:
            assert row.cells["path"] == "broken.png"
            continue
        image = images[row.cells["path"]]
        with Image.open(found.pictures / row.cells["path"]) as file:  # an independent opinion
            assert ImageOps.exif_transpose(file).size == (image["width"], image["height"])
        annotations = coco.loadAnns(coco.getAnnIds(image["id"]))
        assert [each["method"] for each in annotations] == ["occlusion", "ig"]
        for each, made_map in zip(annotations, row.maps, strict=True):
            size = image["width"], image["height"]
            seen = record.preprocessing.seen(size, None)
            expected, _ = on_photo(top_region(made_map.values, 0.5), seen, size)
            mask = coco.annToMask(each).astype(bool)
            assert np.array_equal(mask, expected)
            assert mask.any()
            assert each["area"] == mask.sum()
            assert each["category_id"] == row.cells["predicted"] + 1
            assert each["units"] == "logits"
    assert {each["name"] for each in coco.loadCats(coco.getCatIds())} <= set(CLASSES)
    assert told["info"]["share"] == 0.5
    assert told["info"]["weights_sha256"] == found.results.manifest["weights_sha256"]


def test_a_larger_share_is_a_larger_region(made):
    found = made("birds")
    areas = [
        [each["area"] for each in written(found, share=share)[0]["annotations"]]
        for share in (0.2, 0.8, 1.0)
    ]
    assert all(a <= b <= c for a, b, c in zip(*areas, strict=True))
    assert sum(areas[0]) < sum(areas[2])


def test_a_region_of_each_label_by_its_name(made):
    found = made("pond")
    told, _ = written(found)
    names = {each["id"]: each["name"] for each in told["categories"]}
    rows = {row["path"]: row for row in found.results.table.to_pylist()}
    for image in told["images"]:
        explained = [
            names[each["category_id"]]
            for each in told["annotations"]
            if each["image_id"] == image["id"] and each["method"] == "occlusion"
        ]
        assert explained == [LABELS[n] for n in rows[image["file_name"]]["maps_index"]]


@pytest.mark.parametrize(("name", "regions"), [("age", 8), ("point", 16), ("crack", 8)])
def test_values_and_one_logit(made, name, regions):
    told, count = written(made(name))
    assert len(told["annotations"]) == count.maps == regions
    assert {each["index"] for each in told["categories"]} <= {0, 1}


def test_pictures_of_other_channels(made):
    told, count = written(made("bands"))
    assert {each["file_name"] for each in told["images"]} == {"array.npy", "pages.tif"}
    assert {(each["width"], each["height"]) for each in told["images"]} == {(90, 70)}
    assert (count.maps, count.no_picture) == (4, 0)


def test_pictures_that_were_moved_are_left_out_and_counted(made, moved):
    told, count = written(moved(made("birds")))
    assert (told["images"], told["annotations"]) == ([], [])
    assert (count.rows, count.no_picture, count.maps, count.unplaced) == (5, 5, 0, 8)


def test_a_picture_that_is_another_one_now_is_left_out_and_named(made, changed):
    told, count = written(changed(made("birds")))
    names = {each["file_name"] for each in told["images"]}
    assert names == set(SIZES) - {"d.png"}
    assert {each["image_id"] for each in told["annotations"]} == {e["id"] for e in told["images"]}
    assert (count.replaced, count.refused, count.unread) == (["d.png"], ["broken.png"], [])
    assert (count.rows, count.no_picture, count.maps, count.unplaced) == (5, 2, 6, 2)


def test_no_rows(empty):
    told, count = written(empty)
    assert told["images"] == told["annotations"] == told["categories"] == []
    assert count.rows == 0


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan")])
def test_a_share_that_there_is_none_of(made, share):
    with pytest.raises(SettingError, match="give a number over 0 and at most 1"):
        written(made("birds"), share=share)


def test_the_file_names_are_those_of_the_table(made):
    told, _ = written(made("birds"))
    assert HOSTILE in [each["file_name"] for each in told["images"]]
    assert {each["file_name"] for each in told["images"]} < set(NAMES)
