"""Where maps lie, on the Folder page: of what the filters leave, by method and by class."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.folders.masks import MEASURES
from core.pictures.mask_image import EMPTY
from core.trust.localisation import Localisation
from dashboard.explain.evidence import _located_words
from tests.folders import COARSE, fill, rows, run, table
from tests.said import said

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    top = tmp_path_factory.mktemp("located")
    names = ["goose/a.png", "goose/b.png", "hen/c.png"]
    fill(top / "in", names)
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, 24:] = 255
    for name in names:
        (top / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(top / "masks" / name)
    methods = ("--methods", "occlusion,saliency", *COARSE[2:])
    assert run(top / "in", top / "out", *methods, "--masks", str(top / "masks")) == 0
    return top / "out"


def tables(page):
    html = [element.proto.body for element in page.get("html")]
    return [each for each in html if '<div class="wil-table">' in each]


def test_means_by_method_and_class_follow_the_filters(results, show):
    page = show(results)
    by_method, by_class = tables(page)
    ranks = [row["rank_occlusion"] for row in rows(results).values()]
    assert f"<td>{100 * np.mean(ranks):.0f} %</td>" in by_method
    assert ">Occlusion</th>" in by_method
    assert ">Saliency</th>" in by_method
    assert '<th scope="row">goose</th><td>2</td>' in by_class
    assert '<th scope="row">hen</th><td>1</td>' in by_class
    page.selectbox(key="located_method").set_value("saliency").run()
    hen = rows(results)["hen/c.png"]
    assert f"<td>{100 * hen['rank_saliency']:.0f} %</td>" in tables(page)[1].split("hen</th>")[1]
    page.selectbox(key="true").set_value("hen").run()
    (alone,) = tables(page)
    assert f"<td>{100 * hen['rank_occlusion']:.0f} %</td>" in alone
    assert any(each.startswith("Means of 1 map of each method with") for each in said(page.caption))
    assert not page.exception


def test_a_method_that_lacks_maps_has_a_count_of_its_own(results, show, tmp_path):
    """One picture has no map of saliency, and the mask of another is empty."""
    shutil.copytree(results, tmp_path / "out")
    found = table(results).to_pylist()
    for column in found[0]:
        if column.rpartition("_")[2] == "saliency":
            found[0][column] = None
        if column == "mask_share" or column.rpartition("_")[0] in MEASURES:
            found[1][column] = None
    found[1]["error"] = f"There is no localisation of goose/b.png, because of its mask: {EMPTY}"
    changed = pa.Table.from_pylist(found, table(results).schema)
    pq.write_table(changed, tmp_path / "out" / "results.parquet")
    page = show(tmp_path / "out")
    by_method, by_class = tables(page)
    assert '<th scope="col">Maps</th>' in by_method
    assert "Occlusion</th><td>2</td>" in by_method
    assert "Saliency</th><td>1</td>" in by_method
    assert '<th scope="row">goose</th><td>1</td>' in by_class
    captions = said(page.caption)
    assert any("Means of at most 2 maps of each method with" in each for each in captions)
    assert "1 of 3 explained pictures has no localisation: 1 mask is empty." in captions
    assert not page.exception


def test_words_under_a_painted_object():
    found = Localisation(1.0, 0.5, 0.25, None, 0.125)
    assert _located_words("A <map>", found) == (
        "<b>50 %</b> of the positive evidence of A &lt;map&gt; lies on the object, which covers "
        "12 % of the input: more than its area. Of as many of the strongest pixels as the object "
        "has, 25 % lie on it; the strongest of all does."
    )
    assert "no more than its area" in _located_words("A", found._replace(mass=0.1, pointing=0.0))
    assert "has no positive evidence" in _located_words("A", found._replace(mass=None))
    assert _located_words("A <map>", found._replace(mass=None), order_only=True) == (
        "A &lt;map&gt; has an order and no scale. Of as many of the strongest pixels as the object "
        "has, <b>25 %</b> lie on the object, which covers 12 % of the input: more than its area; "
        "the strongest of all does."
    )
