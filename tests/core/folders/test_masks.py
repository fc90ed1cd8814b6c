"""Maps of a folder against masks: columns, means, masks that do not fit, resuming, copies."""

import json
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.errors import FolderError
from core.folders.localisation_means import (
    localisation_lines,
    mean_localisation,
    mean_localisation_by_class,
)
from core.folders.masks import MEASURES
from core.folders.results_schema import columns_of, located_in, schema_of
from core.folders.results_table import open_results, open_upload
from core.folders.table_export import as_csv, as_parquet
from core.trust.localisation import localisation
from tests.core.folders.test_other_heads import COARSE as OWN_COARSE
from tests.core.folders.test_other_heads import batch, place  # noqa: F401
from tests.folders import (  # noqa: F401 - fixtures
    COARSE,
    fill,
    load_once,
    rows,
    run,
    stopped_and_finished,
    table,
    threads_as_before,
)

METHODS = ("--methods", "occlusion,saliency", *COARSE[2:])


def mask(size=64, left=20, value=255):
    """The object is all on the right."""
    pixels = np.zeros((size, size), np.uint8)
    pixels[:, left:] = value
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folders(tmp_path):
    """Pictures of two classes, and masks of which some do not fit."""
    names = ["goose/a.png", "goose/b.png", "goose/c.png", "penguin/d.jpg", "penguin/e.png"]
    fill(tmp_path / "in", names)
    (tmp_path / "in" / "penguin").rename(tmp_path / "in" / "king penguin")
    masks = {
        "goose/a.png": mask(),
        "goose/b.png": mask(left=40),
        "goose/c.png": mask(32),
        "king penguin/d.png": mask(value=1),
        "king penguin/e.png": mask(value=0),
    }
    for name, data in masks.items():
        path = tmp_path / "masks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "in", tmp_path / "masks"


def test_columns_are_those_of_the_maps_and_bad_masks_cost_no_other_row(folders, tmp_path, capsys):
    pictures, masks = folders
    (masks / "goose" / "b.png").unlink()
    out = tmp_path / "out"
    assert run(pictures, out, *METHODS, "--masks", str(masks)) == 0
    found = rows(out)
    assert all(row["maps"] is not None for row in found.values())
    errors = {path: row["error"] for path, row in found.items() if row["error"]}
    assert errors == {
        "goose/b.png": "There is no localisation: the mask goose/b.png cannot be read (No such "
        "file or directory): check the path.",
        "goose/c.png": "There is no localisation of goose/c.png, because of its mask: It is 32 × "
        "32 pixels and the photo 64 × 64: make both the same size.",
        "king penguin/e.png": "There is no localisation of king penguin/e.png, because of its "
        "mask: It marks nothing: all of its pixels are black or transparent.",
    }
    for path, row in found.items():
        with np.load(out / row["maps"], allow_pickle=False) as arrays:
            told = json.loads(bytes(arrays["manifest"]))
            maps = {name: arrays[name] for name in ("occlusion", "saliency")}
        if path in errors:
            assert row["mask_share"] is None
            assert "localisation" not in told["maps"]["saliency"]
            continue
        seen = np.zeros((224, 224), bool)  # 64 pixels become 256, of which 16 are cut off
        seen[:, 20 * 4 - 16 :] = True
        assert row["mask_share"] == pytest.approx(seen.mean())
        for name, values in maps.items():
            expected = localisation(values, seen)
            for measure in MEASURES:
                assert row[f"{measure}_{name}"] == pytest.approx(getattr(expected, measure))
            assert told["maps"][name]["localisation"] == {
                measure: getattr(expected, measure) for measure in MEASURES
            }
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("5 explained (3 without localisation), 3 with an error.")
    assert said[1].startswith("Localisation: means of 2 maps of each method; the object covers ")
    assert [line.split(":")[0] for line in said[2:4]] == ["  occlusion", "  saliency"]
    assert {line.split(",")[0] for line in said[4:-1] if line[0] != " "} == {
        "goose",
        "king penguin",
    }
    assert said[-1] == (
        "3 of 5 explained pictures have no localisation: 1 mask is empty, 1 mask has another size "
        "than its photo, 1 mask is missing or cannot be read. The column error names them."
    )
    manifest = json.loads((out / "manifest.json").read_text())
    counts = manifest["counts"]
    assert (counts["explained_in_part"], counts["without_localisation"], counts["errors"]) == (
        0,
        3,
        3,
    )
    assert manifest["settings"]["masks"] == str(masks)
    assert "pointing game" in manifest["columns"]["pointing_saliency"]["meaning"]
    # The page reads the same.
    opened = open_results(out)
    assert located_in(opened.table.column_names) == ["occlusion", "saliency"]
    assert opened.table.select(["mass_occlusion"]).equals(table(out).select(["mass_occlusion"]))
    numbers = pa.array(range(5))
    assert b"rank_saliency" in as_csv(opened, numbers).splitlines()[0]
    again = open_upload(as_parquet(opened, numbers), "again")
    assert again.table.equals(opened.table)


def test_empty_masks_are_said_to_be_empty(folders, tmp_path, capsys):
    pictures, masks = folders
    for path in masks.rglob("*.png"):
        path.write_bytes(mask(value=0))
    assert run(pictures, tmp_path / "out", *METHODS, "--masks", str(masks)) == 0
    assert (
        capsys.readouterr()
        .out.splitlines()[0]
        .endswith("5 explained (5 without localisation), 5 with an error.")
    )
    assert localisation_lines(tmp_path / "out" / "results.parquet") == [
        "No map was compared with a mask.",
        "5 of 5 explained pictures have no localisation: 5 masks are empty. The column error names "
        "them.",
    ]


def test_a_run_that_stops_goes_on_to_the_same_result(folders, tmp_path, monkeypatch):
    pictures, masks = folders
    stopped_and_finished(pictures, tmp_path, (*METHODS, "--masks", str(masks)), monkeypatch)


def test_copies_share_maps_where_their_masks_are_the_same(folders, tmp_path):
    pictures, masks = folders
    first = (pictures / "goose" / "a.png").read_bytes()
    for name in ("b", "c"):
        (pictures / "goose" / f"{name}.png").write_bytes(first)
    (masks / "goose" / "c.png").write_bytes((masks / "goose" / "a.png").read_bytes())
    assert run(pictures, tmp_path / "out", *METHODS, "--masks", str(masks)) == 0
    a, b, c = (rows(tmp_path / "out")[f"goose/{name}.png"] for name in "abc")
    assert a["maps"] == c["maps"] != b["maps"]
    assert a["mass_saliency"] == c["mass_saliency"] != b["mass_saliency"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--masks", "nowhere", *METHODS], "There is no folder nowhere: give one of masks to"),
        (["--masks", "nowhere"], "--masks compares maps with masks of the objects: give --methods"),
        (["--masks", "500", *METHODS], "--masks does not belong to occlusion, but to rise"),
        (["--masks", "-3", "--methods", "rise"], "-3"),
    ],
)
def test_refusals(folders, tmp_path, capsys, options, sentence):
    assert run(folders[0], tmp_path / "out", *options) == 2
    said = capsys.readouterr().err
    assert sentence in said.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["pond", "point"])
def test_each_map_of_other_heads_has_its_own(batch, tmp_path, name):  # noqa: F811
    """Of labels and values a row may have several maps."""
    for number in range(4):
        path = tmp_path / "masks" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(mask())
    given = (*OWN_COARSE, "--masks", str(tmp_path / "masks"))
    code, out = batch(name, *given)
    assert code == 0
    found = rows(out)
    explained = [row for row in found.values() if row["maps"]]
    assert explained
    for row in explained:
        assert len(row["mass_occlusion"]) == len(row["maps_index"])
        for number, file in enumerate(row["maps"]):
            with np.load(out / file, allow_pickle=False) as arrays:
                told = json.loads(bytes(arrays["manifest"]))["maps"]["occlusion"]["localisation"]
            assert row["rank_occlusion"][number] == told["rank"]
    means = mean_localisation(table(out))
    assert means.maps == sum(len(row["maps"]) for row in explained)
    ranks = [value for row in explained for value in row["rank_occlusion"]]
    assert means.measures["occlusion"]["rank"] == pytest.approx(np.mean(ranks))
    classes = mean_localisation_by_class(table(out))
    assert sum(each.maps for each in classes) == means.maps
    if name == "point":
        assert {each.name for each in classes} == {"x", "y"}
    assert localisation_lines(out / "results.parquet")[0].startswith("Localisation: means of")
    assert open_results(out).table.num_rows == 4


def made_table(values):
    """A table of classes with a mask's columns: label, predicted, and mass or None."""
    columns = columns_of("classes", ["occlusion"])
    made = [
        {
            "path": str(number),
            "label_name": label,
            "predicted_name": "owl",
            "maps": "maps/x",
            "mask_share": 0.25,
            "mass_occlusion": mass,
            "pointing_occlusion": float(number % 2),
        }
        for number, (label, mass) in enumerate(values)
    ]
    return pa.Table.from_pylist(made, schema_of(columns))


def test_maps_are_counted_for_each_method(tmp_path):
    """One of three files lacks the map of a method: its means are of two."""
    columns = columns_of("classes", ["ig", "occlusion", "lime"])
    made = [
        {"path": name, "predicted_name": "owl", "maps": "maps/x", "mask_share": 0.25}
        | {"rank_occlusion": rank, "pointing_ig": 1.0, "error": error}
        for name, rank, error in (("a", 0.5, None), ("b", 0.75, None), ("c", None, "occlusion: no"))
    ]
    found = pa.Table.from_pylist(made, schema_of(columns))
    whole = mean_localisation(found)
    assert (whole.maps, whole.equal) == (3, False)
    assert whole.counts == {"ig": 3, "occlusion": 2, "lime": 0}
    assert whole.counted == "at most 3 maps of each method"
    pq.write_table(found, tmp_path / "t.parquet")
    assert localisation_lines(tmp_path / "t.parquet") == [
        "Localisation: means of at most 3 maps of each method; the object covers 25 % of the "
        "input, what a map reaches by chance.",
        "  ig, 3 maps: pointing game 100 %, relevance mass unknown, relevance rank unknown, "
        "top 1,000 unknown",
        "  occlusion, 2 maps: pointing game unknown, relevance mass unknown, relevance rank 62 %, "
        "top 1,000 unknown",
        "  lime, no map",
    ]


def test_means_by_hand():
    found = made_table([("swan", 0.5), ("swan", None), (None, 0.2), ("swan", 0.7)])
    whole = mean_localisation(found)
    assert (whole.name, whole.maps, whole.mask_share) == (None, 4, 0.25)
    assert whole.measures["occlusion"] == {
        "pointing": 0.5, "mass": pytest.approx(1.4 / 3), "rank": None, "top_k": None,
    }  # fmt: skip
    swan, owl = mean_localisation_by_class(found)
    assert (swan.name, swan.maps, swan.measures["occlusion"]["mass"]) == ("swan", 3, 0.6)
    assert (owl.name, owl.maps, owl.measures["occlusion"]["mass"]) == ("owl", 1, 0.2)
    assert mean_localisation(found.slice(0, 0)) is None
    assert mean_localisation(found.drop_columns(["mask_share"])) is None


def test_a_table_with_impossible_shares_is_refused():
    whole = made_table([("swan", 1.5)])
    buffer = BytesIO()
    pq.write_table(whole, buffer)
    with pytest.raises(FolderError, match=r"column mass_occlusion leaves the range 0 to 1"):
        open_upload(buffer.getvalue(), "wrong")


def test_a_picture_of_labels_that_lacks_a_method_in_all_its_files(batch, tmp_path):  # noqa: F811
    """A map was given for one picture alone; the others have no measures of it."""
    for number in range(4):
        path = tmp_path / "masks" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(mask())
    (tmp_path / "cams").mkdir()
    np.save(tmp_path / "cams" / "1.npy", np.random.default_rng(0).random((8, 8)))
    given = ("--maps", str(tmp_path / "cams"), "--sign", "positive", "--unit", "none")
    masks = ("--map-of", "grid", "--masks", str(tmp_path / "masks"))
    code, out = batch("pond", *OWN_COARSE, *given, *masks)
    assert code == 0
    found = rows(out)
    files = {name: len(row["maps"] or ()) for name, row in found.items()}
    assert min(files["0.png"], files["1.png"]) > 0
    counts = mean_localisation(table(out)).counts
    assert counts == {"occlusion": sum(files.values()), "given": files["1.png"]}
    said = localisation_lines(out / "results.parquet")
    assert any(line.startswith(f"  given, {files['1.png']} map") for line in said)
