"""Means of maps equal NumPy's, and files that hold something else are left out."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from core.errors import BundleError, ImageError
from core.folders import mean_maps as module
from core.folders.map_files import map_file
from core.folders.mean_maps import explained, mean_maps, read_maps
from core.folders.results_table import open_results
from core.folders.selection import Filters, select
from core.models.registry import record
from core.pictures.images import digest, open_image
from tests.folders import png
from tests.tables import columns, data, table

RECORD = record("efficientnet_lite0")
SIDE = RECORD.preprocessing.crop
COUNT = 6


def name_of(number):
    return f"maps/{number:02x}/{number:02x}{'0' * 62}.npz"


def values(number, side=SIDE):
    return np.random.default_rng(number).normal(size=(side, side)).astype(np.float32)


def written(number, units="logits"):
    maps = {"occlusion": values(number)}
    if number % 2:
        maps["ig"] = values(100 + number)
    told = {"maps": {key: {"units": units} for key in maps}}
    return map_file(maps, told)


@pytest.fixture
def out(tmp_path):
    """Results of six pictures, the last one not explained."""
    found = columns(COUNT)
    found["path"] = [f"photo_{i}.png" for i in range(COUNT)]
    found["sha256"] = [digest(png(i)) for i in range(COUNT)]
    found["maps"] = [name_of(i) for i in range(COUNT - 1)] + [None]
    (tmp_path / "pictures").mkdir()
    for number in range(COUNT):
        (tmp_path / "pictures" / f"photo_{number}.png").write_bytes(png(number))
    results = tmp_path / "out"
    for number in range(COUNT - 1):
        path = results / name_of(number)
        path.parent.mkdir(parents=True)
        path.write_bytes(written(number))
    (results / "results.parquet").write_bytes(data(table(found)))
    (results / "manifest.json").write_text(json.dumps({"address": str(tmp_path / "pictures")}))
    return results


def means(out):
    results = open_results(out)
    steps = list(mean_maps(results, select(results, Filters()), RECORD))
    assert [step.done for step in steps] == list(range(1, steps[-1].total + 1))
    return steps[-1].snapshot()


def test_they_are_the_means(out):
    found = means(out)
    occlusion = found.maps["occlusion"]
    expected = np.mean([values(i) for i in range(5)], axis=0, dtype=np.float64)
    np.testing.assert_allclose(occlusion.values, expected, rtol=1e-6, atol=1e-7)
    assert (occlusion.count, occlusion.units, occlusion.values.dtype) == (5, "logits", np.float32)
    expected = np.mean([values(101), values(103)], axis=0, dtype=np.float64)
    np.testing.assert_allclose(found.maps["ig"].values, expected, rtol=1e-6, atol=1e-7)
    assert found.maps["ig"].count == 2
    seen = [RECORD.preprocessing.picture(open_image(png(i))) for i in range(5)]
    photo = np.mean([np.asarray(each) for each in seen], axis=0)
    np.testing.assert_array_equal(np.asarray(found.photo), np.round(photo))
    assert (found.photos, found.unreadable) == (5, 0)


def test_a_mean_can_be_seen_as_it_forms(out):
    results = open_results(out)
    first = next(mean_maps(results, select(results, Filters()), RECORD))
    np.testing.assert_allclose(first.snapshot().maps["occlusion"].values, values(0), rtol=1e-6)


def test_so_many_are_enough(out, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    assert means(out).maps["occlusion"].count == 2


def test_what_is_missing_damaged_or_in_other_units_is_left_out_and_counted(out):
    (out / name_of(0)).unlink()
    (out / name_of(1)).write_bytes(b"PK no zip")
    (out / name_of(3)).write_bytes(written(3, units="probability"))
    (out.parent / "pictures" / "photo_2.png").write_bytes(b"no picture")
    found = means(out)
    assert found.unreadable == 3
    assert found.maps["occlusion"].count == 2
    assert found.photos == 4


def test_a_picture_that_is_another_one_now_is_not_in_the_mean_picture(out):
    (out.parent / "pictures" / "photo_1.png").write_bytes(png(77))
    found = means(out)
    seen = [RECORD.preprocessing.picture(open_image(png(i))) for i in (0, 2, 3, 4)]
    photo = np.mean([np.asarray(each) for each in seen], axis=0)
    np.testing.assert_array_equal(np.asarray(found.photo), np.round(photo))
    assert (found.photos, found.replaced) == (4, ("photo_1.png",))
    assert found.maps["occlusion"].count == 5  # its map is still that of the run


def test_without_pictures_there_are_maps(out):
    (out / "manifest.json").unlink()
    found = means(out)
    assert found.photo is None
    assert found.maps["occlusion"].count == 5


def test_a_table_by_itself_has_none(out):
    results = replace(open_results(out), folder=None)
    assert explained(results, select(results, Filters())) == []
    assert explained(open_results(out), pa.array([5], pa.uint64())) == []


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def claiming(shape):
    """An array file that claims a shape and holds four bytes."""
    buffer = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + b"\0\0\0\0"


MANIFEST = npy(np.frombuffer(json.dumps({"maps": {"x": {"units": "logits"}}}).encode(), np.uint8))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        zipped(x=npy(values(0))),
        zipped(manifest=npy(np.frombuffer(b"[]", np.uint8)), x=npy(values(0))),
        zipped(manifest=MANIFEST, y=npy(values(0))),
        zipped(manifest=MANIFEST, x=npy(values(0, SIDE + 1))),
        zipped(manifest=MANIFEST, x=npy(values(0).astype(np.float64))),
        zipped(manifest=MANIFEST, x=npy(np.full((SIDE, SIDE), np.nan, np.float32))),
        zipped(manifest=MANIFEST, x=npy(np.array([{"an": "object"}], dtype=object))),
        zipped(manifest=MANIFEST, x=claiming((10**9, 10**9))),
        zipped(manifest=MANIFEST, x=claiming((SIDE, SIDE))),
        zipped(manifest=MANIFEST, x=b"\0" * 70_000_000),
    ],
    ids=range(11),
)
def test_files_that_hold_something_else_are_refused(out, content):
    (out / name_of(0)).write_bytes(content)
    with pytest.raises(BundleError):
        read_maps(open_results(out), name_of(0), (SIDE, SIDE))


@pytest.mark.parametrize(
    "name",
    [
        *("../out/maps/00/x.npz", "/etc/passwd", "results.parquet", "maps/00/../../secret.npz"),
        *("", f"maps/00/{'0' * 64}.npz\n", f"maps/ff/{'f' * 64}.npz"),
    ],
)
def test_no_other_file_is_read(out, name):
    with pytest.raises(ImageError):
        read_maps(open_results(out), name, (SIDE, SIDE))


def test_a_link_that_leads_out_is_not_followed(out):
    secret = out.parent / "secret.npz"
    secret.write_bytes(written(0))
    (out / name_of(0)).unlink()
    (out / name_of(0)).symlink_to(secret)
    with pytest.raises(ImageError, match="leads out"):
        read_maps(open_results(out), name_of(0), (SIDE, SIDE))
