"""The Folder page without a browser: filters, mistakes, a picture opened and left, odd tables."""

import json
import re
import sys
from html import unescape

import numpy as np
import pytest

from core.folders.map_files import map_file
from dashboard.session import tables
from tests.folders import png
from tests.said import said
from tests.tables import columns, data, put_digests, table

COUNT = 60
QUICK = {
    "small_window": "112",
    "small_stride": "112",
    "large_window": "112",
    "large_stride": "112",
    "steps": "10",
    "judge": "false",
}


@pytest.fixture
def out(tmp_path):
    """Results of sixty pictures of three classes; one is missing, one damaged, none explained."""
    found = columns(COUNT, classes=3)
    found["label_name"] = np.array(["goose", "king penguin", "<b>swan"])[found["label"]]
    found["predicted_name"] = np.array(["goose", "king penguin", "<b>swan"])[found["predicted"]]
    found["path"] = [f"some/photo_{i:02d}.png" for i in range(COUNT)]
    found["error"][2] = "It <i>broke</i>."
    pictures = tmp_path / "pictures"
    (pictures / "some").mkdir(parents=True)
    for number, path in enumerate(found["path"]):
        (pictures / path).write_bytes(b"damaged" if number == 1 else png(number))
    put_digests(found, pictures)
    (pictures / found["path"][0]).unlink()
    results = tmp_path / "birds"
    results.mkdir()
    (results / "results.parquet").write_bytes(data(table(found)))
    told = {"address": str(pictures), "model": "efficientnet_lite0"}
    (results / "manifest.json").write_text(json.dumps(told))
    return results


def html(page):
    return "\n".join(element.proto.body for element in page.get("html"))


def cards(page):
    """Paths of the cards, in order."""
    return [
        unescape(found) for found in re.findall(r'class="card"[^>]*title="([^"]*)"', html(page))
    ]


def rows(out):
    return tables.open_results(out).table.to_pylist()


def test_the_page_says_how_often_the_model_is_wrong(show, out):
    page = show(out)
    found = rows(out)
    wrong = sum(not row["correct"] for row in found)
    assert f"The model is wrong on {wrong} of 60 labelled pictures." in html(page)
    assert "EfficientNet-Lite0" in html(page)
    assert "1 with an error" in html(page)
    assert cards(page) == [row["path"] for row in found[:24]]
    assert "<b>swan" not in html(page).replace("&lt;b&gt;swan", "")
    assert "It &lt;i&gt;broke&lt;/i&gt;." in html(page)


def test_what_cannot_be_shown_says_so_and_the_rest_is_there(show, out):
    text = html(show(out))
    assert text.count('class="gone"') == 2
    assert "The file is not there any more." in text
    assert "not a picture of a known format" in text
    assert text.count('src="data:image/jpeg') == 22
    assert re.search(r'alt="photo_05\.png, a picture of [^"]+, called [^"]+"', text)


def test_filters_and_order(show, out):
    page = show(out)
    page.selectbox(key="show").set_value("Wrong")
    page.selectbox(key="order").set_value("highest loss first").run()
    wrong = sorted((row for row in rows(out) if not row["correct"]), key=lambda row: -row["loss"])
    assert cards(page) == [row["path"] for row in wrong[:24]]
    page.slider(key="probability").set_value((20, 60)).run()
    left = [row["path"] for row in wrong if 0.2 <= row["probability"] <= 0.6]
    assert cards(page) == left
    page.text_input(key="in_path").set_value("PHOTO_3").run()
    assert cards(page) == [path for path in left if "photo_3" in path]
    page.text_input(key="in_path").set_value("nowhere").run()
    assert cards(page) == []
    assert "No picture is left with these filters." in html(page)
    page.button[1].click().run()  # clear the filters
    assert cards(page) == [row["path"] for row in rows(out)[:24]]


def test_a_filter_goes_back_to_the_first_page(show, out):
    page = show(out, query={"page": "3"})
    assert len(cards(page)) == 12
    page.selectbox(key="true").set_value("goose").run()
    assert page.session_state["page"] == 1
    assert len(cards(page)) == min(24, sum(row["label_name"] == "goose" for row in rows(out)))


def test_the_address_holds_the_view_and_says_what_is_not_possible(show, out):
    page = show(out, query={"show": "Wrong", "true": "king penguin", "called": "moa"})
    assert set(cards(page)) == {
        row["path"]
        for row in rows(out)
        if not row["correct"] and row["label_name"] == "king penguin"
    }
    assert "moa" in said(page.warning)[0]


def test_only_named_results_can_be_opened(show, out, tmp_path):
    other = tmp_path / "secret"
    other.mkdir()
    (other / "results.parquet").write_bytes((out / "results.parquet").read_bytes())
    for name in (str(other), "../secret", "secret", "upload", "/etc"):
        page = show(out, query={"results": name})
        assert page.selectbox(key="results").options == ["birds"]
        assert page.session_state["results"] == "birds"
        assert page.warning
    page = show(env=f"{out}:{other}")
    assert page.selectbox(key="results").options == ["birds", "secret"]


def test_results_of_the_same_name_are_told_apart(monkeypatch, tmp_path):
    places = [tmp_path / "a" / "out", tmp_path / "b" / "out", tmp_path / "upload"]
    monkeypatch.setattr(sys, "argv", ["app.py", "--talk", "x.toml", "--results", *map(str, places)])
    monkeypatch.setenv(tables.RESULTS, str(places[0]))
    assert tables.offered() == dict(zip(("out", "out-2", "upload-2"), places, strict=True))


def test_without_results_the_page_says_how_to_make_some(show):
    page = show()
    assert "python -m core batch" in page.code[0].value
    page.get("file_uploader")[0].upload("mine.parquet", b"PAR1 or not", "application/octet-stream")
    page.run()
    assert "not a Parquet table" in said(page.error)[0]
    page.get("file_uploader")[0].upload("mine.parquet", data(table(columns(30))), "x/y")
    page.run()
    assert not page.exception
    assert len(cards(page)) == 24
    assert "<button" not in "".join(re.findall(r'<div class="wil-gallery">.*', html(page)))
    assert "src=" not in html(page)


def test_an_upload_opens_no_file_of_the_server(show, out):
    """Its paths are only text, even where such files exist."""
    page = show(out)
    page.get("file_uploader")[0].upload(
        "mine.parquet", (out / "results.parquet").read_bytes(), "x/y"
    )
    page.run()
    assert page.session_state["results"] == "upload"
    assert "src=" not in html(page)


def test_results_that_are_gone_or_damaged_say_so(show, out, tmp_path):
    (out / "results.parquet").write_bytes(b"no table")
    assert "not a Parquet table" in said(show(out).error)[0]
    page = show(tmp_path / "absent")
    assert "has no results.parquet" in said(page.error)[0]


def test_a_mistake_shows_its_mean_map(show, out):
    found = rows(out)
    wrong = [row for row in found[3:] if not row["correct"]]
    first = wrong[0]
    same = [
        row
        for row in found
        if (row["label"], row["predicted"]) == (first["label"], first["predicted"])
    ]
    values = np.random.default_rng(0).normal(size=(224, 224)).astype(np.float32)
    for row in same:
        row["maps"] = f"maps/ab/{row['sha256']}.npz"
        path = out / row["maps"]
        path.parent.mkdir(parents=True, exist_ok=True)
        told = {"maps": {"occlusion": {"units": "logits"}}}
        path.write_bytes(map_file({"occlusion": values}, told))
    (out / "results.parquet").write_bytes(data(table(found)))
    names = {"true": first["label_name"], "called": first["predicted_name"]}
    text = html(show(out, query=names))
    assert 'data-panel="Mean picture"' in text
    assert 'data-panel="Mean map: Occlusion"' in text
    assert f"Mean of {len(same)} maps, on the model&#x27;s input." in text
    assert 'aria-pressed="true"' in text


def test_without_maps_a_mistake_says_how_to_get_them(show, out):
    first = next(row for row in rows(out) if not row["correct"])
    names = {"true": first["label_name"], "called": first["predicted_name"]}
    assert any("--methods" in each for each in said(show(out, query=names).caption))


def test_a_picture_is_opened_by_address_and_left_again(show, out):
    row = rows(out)[5]
    back = "show=Wrong&page=2&order=nonsense&probability=5&probability=90&view=talk&source=x"
    query = {**QUICK, "view": "", "picture": f"birds/{row['path']}", "back": back}
    page = show(out, query=query)
    assert 'class="wil-headline">The model' in html(page)
    assert any("photo" in each for each in said(page.caption))
    next(each for each in page.button if each.label == "Back to the folder").click().run()
    assert not page.exception
    assert page.session_state["show"] == "Wrong"
    assert page.session_state["probability"] == (5, 90)
    assert page.session_state["order"] == "path"
    assert all(not each["correct"] for each in rows(out) if each["path"] in cards(page))


@pytest.mark.parametrize(
    "picture",
    [
        *("birds/some/photo_00.png", "birds/some/photo_01.png", "birds/absent.png", "birds"),
        *("other/some/photo_05.png", "birds/../../secret.png", "birds//etc/passwd", "", "/"),
    ],
)
def test_a_picture_that_cannot_be_opened_leaves_the_page_usable(show, out, picture):
    page = show(out, query={**QUICK, "view": "", "picture": picture})
    assert "The model says king penguin, 53&nbsp;%" in html(page) or "53 %" in html(page)
    assert page.warning
    page.run()
    assert "picture" not in page.query_params


@pytest.mark.parametrize("address", ["reference://", "github://x", "\0"])
def test_an_address_that_leads_nowhere_is_said_on_the_cards(show, out, address):
    (out / "manifest.json").write_text(json.dumps({"address": address}))
    page = show(out)
    assert not page.exception
    assert len(cards(page)) == 24
    assert "src=" not in html(page)


@pytest.mark.parametrize(
    "path", ["../secret/b.png", "/etc/passwd", "some/../../secret/b.png", "some/out.png"]
)
def test_a_hostile_table_opens_nothing_outside_its_folder(show, out, path):
    secret = out.parent / "secret"
    secret.mkdir()
    (secret / "b.png").write_bytes(png(1))
    (out.parent / "pictures" / "some" / "out.png").symlink_to(secret / "b.png")
    found = rows(out)[:1]
    found[0]["path"] = path
    (out / "results.parquet").write_bytes(data(table(found)))
    page = show(out)
    assert "src=" not in html(page)
    assert "No picture" in html(page)
