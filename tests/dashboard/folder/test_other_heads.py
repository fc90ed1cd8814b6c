"""The Folder page of labels and of values: filters, words, mistakes, and models by name."""

import json
import re

import numpy as np
import pytest

from core.folders.map_files import map_file
from core.folders.results_table import open_results
from dashboard.session import tables
from tests.dashboard.folder.test_page import QUICK, cards, html
from tests.folders import png
from tests.said import said
from tests.tables import data, label_row, table_of, value_row

# Of swan (2): found in a, missed in b and c, wrongly found in d.
LABELS = [
    label_row("a.png", [2], [2]),
    label_row("b.png", [1, 2], [1]),
    label_row("c.png", [2], []),
    label_row("d.png", [], [2, 0]),
    label_row("e.png", None, [3]),
    label_row("f.png", [0], None, "It <i>broke</i>."),
]
VALUES = [
    value_row("a.png", [30.0], [31.0]),
    value_row("b.png", [40.0], [27.5]),
    value_row("c.png", [20.0], [26.0]),
    value_row("d.png", [50.0], None),
]


@pytest.fixture
def make(tmp_path):
    """Writes results of a kind, with their pictures and a map of 64 pixels of each output."""

    def write(kind, rows, model="efficientnet_lite0"):
        pictures, out = tmp_path / "pictures", tmp_path / kind
        pictures.mkdir(exist_ok=True)
        out.mkdir()
        values = np.random.default_rng(0).normal(size=(224, 224)).astype(np.float32)
        for number, row in enumerate(rows):
            (pictures / row["path"]).write_bytes(png(number))
            outputs = row.get("expected_index", [0]) or []
            names = [f"maps/ab/{number:064x}-{output}.npz" for output in outputs]
            row = {**row, "maps_index": outputs, "maps": names} if names else row
            rows[number] = row
            for name in names:
                (out / "maps" / "ab").mkdir(parents=True, exist_ok=True)
                told = {"maps": {"occlusion": {"units": "logits" if kind == "labels" else "years"}}}
                (out / name).write_bytes(map_file({"occlusion": values}, told))
        (out / "results.parquet").write_bytes(data(table_of(kind, rows)))
        told = {"address": str(pictures), "model": model}
        (out / "manifest.json").write_text(json.dumps(told))
        return out

    return write


def text_of(page):
    bodies = (each for each in html(page).split("\n") if each.startswith("<"))
    return re.sub(r"<[^>]+>", "", "\n".join(bodies)).replace("&nbsp;", " ")


def press(page, *link):
    """What a click on an entry of the list does; a browser sends the words of its button."""
    button = json.dumps(["press", *link], separators=(",", ":"))
    assert button in html(page).replace("&quot;", '"').replace(", ", ",")


def test_labels_are_told_in_their_own_words(show, make):
    page = show(make("labels", list(LABELS)))
    text = text_of(page)
    assert "The model is wrong on 3 of 4 labelled pictures." in text
    assert "labels: 2 found, 2 missed, 2 false positives · precision 50 % · recall 50 %" in text
    assert "1 with an error" in text
    for words in ("top-1", "top-5", "called", "margin"):
        assert words not in text
    assert not [each for each in page.selectbox if each.label in ("True class", "Predicted class")]
    for label, mistake in (("swan", "missed"), ("swan", "false positive")):
        assert f"{label} {mistake}" in text
    assert "missed swan, 20 %" in text
    assert "no label; most probable: boat, 40 %" in text
    press(page, "2", "missed")
    assert "It &lt;i&gt;broke&lt;/i&gt;." in html(page)


def test_each_label_is_counted(show, make):
    text = html(show(make("labels", list(LABELS))))
    row = re.search(r'<th scope="row">swan</th>(.*?)</tr>', text).group(1)
    assert re.findall(r"<td>(.*?)</td>", row) == ["1", "2", "1", "0", "50 %", "33 %"]


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ({"label": "swan", "role": "missed"}, ["b.png", "c.png"]),
        ({"label": "swan", "role": "false positive"}, ["d.png"]),
        ({"label": "swan", "role": "found"}, ["a.png"]),
        ({"label": "swan"}, ["a.png", "b.png", "c.png", "d.png"]),
        ({"role": "missed"}, ["b.png", "c.png"]),
        ({"show": "Wrong"}, ["b.png", "c.png", "d.png"]),
        ({"show": "With an error"}, ["f.png"]),
    ],
)
def test_the_filters_of_labels_are_in_the_address(show, make, query, paths):
    page = show(make("labels", list(LABELS)), query=query)
    assert cards(page) == paths
    assert not page.warning
    next(each for each in page.button if each.label == "Clear the filters").click().run()
    assert len(cards(page)) == 6


def test_where_it_looks_when_it_misses_a_label(show, make):
    out = make("labels", list(LABELS))
    text = html(show(out, query={"label": "swan", "role": "missed"}))
    assert "The model misses swan in 2 of 3 pictures with it." in text
    assert "Where does it look when it misses swan?" in text
    assert "Mean of 2 maps, on the model&#x27;s input." in text
    page = show(out, query={"label": "swan", "role": "false positive"})
    assert "The model finds swan in 1 of 1 pictures without it." in text_of(page)
    assert any("--target label" in each for each in said(page.caption))


def test_values_are_told_with_their_unit_and_without_probability(show, make):
    page = show(make("values", list(VALUES)), query={"order": "largest error first"})
    text = text_of(page)
    assert "The model is off by 6.50 years on average, over 3 pictures." in text
    assert "median error 6.00 years · largest 12.5 years · on average 1.83 years too high" in text
    assert cards(page) == ["b.png", "c.png", "a.png", "d.png"]
    assert "40.0 years, expected 27.5off by 12.5 years" in text
    assert "12 to 14 years1" in text
    for words in ("robab", "%", "wrong", "Mistakes", "top-"):
        assert words not in text, words
    assert [each.label for each in page.selectbox] == ["Results", "Show", "Order"]
    assert not page.slider


def test_the_error_is_a_filter(show, make):
    out = make("values", list(VALUES))
    page = show(out, query={"least": "5", "below": "12"})
    assert cards(page) == ["c.png"]
    assert "Where does it look when age is off by 5 to 12 years?" in text_of(page)
    assert "Mean of 1 map" in text_of(page)
    page.number_input(key="below").set_value(13.0).run()
    assert cards(page) == ["b.png", "c.png"]
    next(each for each in page.button if each.label == "Clear the filters").click().run()
    assert len(cards(page)) == 4
    assert page.number_input(key="least").value is None


def test_several_outputs_are_told_apart(show, make):
    rows = [value_row("a.png", [1.0, 9.0], [2.0, 4.0], ("x", "y"), "mm")]
    page = show(make("values", rows))
    assert "x 1.00 mm, expected 2.00" in text_of(page)
    assert "off by 3.00 mm on average" in text_of(page)
    page.selectbox(key="output").set_value("y").run()
    assert "The model is off by 5.00 mm on average, over 1 picture." in text_of(page)


def test_another_kind_of_table_has_its_own_filters(show, make):
    labels, values = make("labels", list(LABELS)), make("values", list(VALUES))
    page = show(labels, values, query={"show": "Wrong", "order": "highest loss first"})
    page.selectbox(key="results").set_value("values").run()
    assert not page.exception
    assert len(cards(page)) == 4
    page.selectbox(key="order").set_value("largest value first").run()
    page.selectbox(key="results").set_value("labels").run()
    assert not page.exception
    assert len(cards(page)) == 6


@pytest.mark.parametrize("kind", ["labels", "values"])
def test_a_picture_of_it_is_opened_and_left_with_the_filters(show, make, kind):
    out = make(kind, list(LABELS if kind == "labels" else VALUES))
    back = "label=swan&role=missed&least=5&below=x&output=late&order=path"
    page = show(out, query={**QUICK, "view": "", "picture": f"{kind}/b.png", "back": back})
    assert "A person would say" not in html(page)
    next(each for each in page.button if each.label == "Back to the folder").click().run()
    assert not page.exception
    assert cards(page) == ["b.png", "c.png"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (None, "The table does not say which model made it."),
        ("my_nets:build", "a function or a folder of this machine, which the page does not load"),
        ("hf:mine-hf", "a function or a folder of this machine"),
        ("hf:../../etc", "a function or a folder of this machine"),
        ("timm:no_such_model", "timm has no model"),
        ("pond", "which is not on the list: start the page with --models"),
    ],
)
def test_a_model_that_is_not_to_be_had_is_said_and_never_run(
    show, make, tmp_path, monkeypatch, model, words
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_nets.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    out = make("labels", list(LABELS), model)
    page = show(out, query={"label": "swan", "role": "missed"})
    sentences = [each for each in said(page.caption) if "The mean of the maps" in each]
    assert words in sentences[0]
    assert open_results(out).model == model
    assert not (tmp_path / "ran").exists()


def test_a_model_of_timm_is_known_by_its_name(show, make):
    out = make("labels", list(LABELS), "timm:resnet18.a1_in1k")
    page = show(out, query={"label": "swan", "role": "missed"})
    assert "Mean of 2 maps" in text_of(page)
    record = tables.record_of(open_results(out))
    assert record.name == "timm:resnet18.a1_in1k"
