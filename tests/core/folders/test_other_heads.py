"""Folders by models of independent labels, of values and of one logit: real networks, real runs."""

import json

import numpy as np
import pytest

from core.explaining.explainer import Explainer
from core.folders import label_selection, selection, value_selection
from core.folders.label_selection import LabelFilters
from core.folders.mean_maps import explained, mean_maps
from core.folders.results_table import open_results, open_upload
from core.folders.table_export import as_csv, as_parquet
from core.folders.value_selection import ValueFilters
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.models import registry
from core.pictures.picture import picture_from_file
from core.text import counted
from tests import own
from tests.folders import fill, rows, run

LABELS = ("swan", "water", "boat", "night")
HEADS = {
    "pond": (LABELS, 'head = "sigmoid"\nthreshold = [0.5, 0.5, 0.5, 0.9]\n'),
    "age": (("age",), 'head = "value"\nunit = "years"\n'),
    "point": (("x", "y"), 'head = "value"\n'),
    "crack": (("sound", "defect"), 'head = "binary"\n'),
}
pytestmark = pytest.mark.usefixtures("one_thread")
COARSE = ("--methods", "occlusion", "--window", "32", "--stride", "32")  # 4 windows
SAID = {
    "pond": ["swan; boat", "none", "night", ""],
    "age": ["30", "41.5", "", "20"],
    "point": ["1; 2", "0; 0", "", "5; -5"],
    "crack": ["sound", "defect", "", "sound"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The models, and four pictures of which the last cannot be read."""
    top = tmp_path_factory.mktemp("heads")
    for seed, (name, (classes, more)) in enumerate(HEADS.items()):
        text = own.DESCRIPTION.replace("Pond birds", name.title())
        text = text.replace(json.dumps(own.CLASSES), json.dumps(classes))
        text = text.replace("\n[preprocessing]", f"{more}\n[preprocessing]")
        outputs = 1 if name == "crack" else len(classes)
        own.make(top / "models", name, text, own.state(classes=outputs, seed=seed))
    fill(top / "in", [f"{n}.png" for n in range(4)])
    (top / "in" / "3.png").write_bytes(b"no picture")
    for name, texts in SAID.items():
        lines = "".join(f"{n}.png,{text}\n" for n, text in enumerate(texts))
        (top / "in" / f"{name}.csv").write_text(f"path,label\n{lines}")
    return top


@pytest.fixture
def batch(place, tmp_path):
    def call(name, *options, out="out"):
        models = ("--models", str(place / "models"), "--model", name)
        code = run(place / "in" / f"{name}.csv", tmp_path / out, *models, *options)
        return code, tmp_path / out

    yield call
    registry.use_folder(None)


def asked(name, place, number):
    explainer = Explainer()
    picture = picture_from_file(place / "in" / f"{number}.png")
    classifier = explainer.classifier(name, "cpu")
    return explainer, classifier, picture, explainer.logits(classifier, picture).double()


def test_labels_are_what_the_network_says_of_each(batch, place, capsys):
    code, out = batch("pond", *COARSE)
    assert code == 0
    said = capsys.readouterr()
    assert said.err.startswith("4 pictures, 3 with a label.\n")
    found = rows(out)
    for number, expected in enumerate([{0, 2}, set(), {3}]):
        row = found[f"{number}.png"]
        *_, logits = asked("pond", place, number)
        chances = logits.sigmoid()
        held = {n for n in range(4) if chances[n] >= (0.9 if n == 3 else 0.5)}
        assert set(row["held_index"]) == held
        assert row["held_probability"] == pytest.approx(
            sorted((float(chances[n]) for n in held), reverse=True), rel=1e-5
        )
        assert row["correct"] is (held == expected)
        assert row["missed"] == len(expected - held)
        assert row["false_positives"] == len(held - expected)
    bad = found["3.png"]
    assert (bad["held_index"], bad["correct"], bad["maps"]) == (None, None, None)
    right = sum(row["correct"] is True for row in found.values())
    missed, false = (
        sum(row[name] or 0 for row in found.values()) for name in ("missed", "false_positives")
    )
    wrong = f"{counted(missed, 'label')} missed, {counted(false, 'false positive')}"
    assert f"{right} of 3 labelled ones right ({wrong})" in said.out


def test_there_is_a_map_of_each_label_that_holds(batch, place):
    _, out = batch("pond", *COARSE)
    row = rows(out)["0.png"]
    assert row["maps_index"] == (row["held_index"] or [row["predicted"]])
    for label, name in zip(row["maps_index"], row["maps"], strict=True):
        explainer, classifier, picture, _ = asked("pond", place, 0)
        made = explainer.attribution(
            classifier, picture, OcclusionSetting(32, 32), Question(label, head=classifier.head)
        )
        with np.load(out / name) as arrays:
            assert np.array_equal(arrays["occlusion"], made.values)
            assert json.loads(bytes(arrays["manifest"]))["target_name"] == LABELS[label]


def test_the_maps_of_expected_labels_and_their_mean(batch):
    _, out = batch("pond", *COARSE, "--target", "label")
    found = rows(out)
    assert found["0.png"]["maps_index"] == [0, 2]
    assert found["1.png"]["maps"] is None
    results = open_results(out)
    everything = selection.select(results, LabelFilters())
    assert explained(results, everything, 2) == [
        ("0.png", found["0.png"]["sha256"], found["0.png"]["maps"][1])
    ]
    assert explained(results, everything, 1) == []
    registry_record = registry.record("pond")
    *_, last = mean_maps(results, everything, registry_record, 2)
    with np.load(out / found["0.png"]["maps"][1]) as arrays:
        assert np.array_equal(last.snapshot().maps["occlusion"].values, arrays["occlusion"])
    assert last.snapshot().photos == 1


def test_a_run_goes_on_and_another_threshold_is_another_run(batch, place, capsys):
    _, out = batch("pond", *COARSE)
    before = rows(out)
    assert batch("pond", *COARSE)[0] == 0
    assert "nothing was left to do" in capsys.readouterr().out
    (out / before["0.png"]["maps"][0]).unlink()
    assert batch("pond", *COARSE)[0] == 0
    assert rows(out) == {
        path: {**row, "seconds": rows(out)[path]["seconds"]} for path, row in before.items()
    }
    text = place / "models" / "pond" / "model.toml"
    written = text.read_text()
    text.write_text(written.replace("0.9]", "0.8]"))
    registry._read.cache_clear()
    try:
        assert batch("pond", *COARSE)[0] == 2
        assert "(thresholds of head: was " in capsys.readouterr().err
    finally:
        text.write_text(written)
        registry._read.cache_clear()


def test_values_and_their_errors(batch, place, capsys):
    code, out = batch("age", *COARSE)
    assert code == 0
    said = capsys.readouterr()
    assert said.err.startswith("4 pictures, 3 with an expected value.\n")
    found = rows(out)
    off = []
    for number, wanted in ((0, 30.0), (1, 41.5), (2, None)):
        row = found[f"{number}.png"]
        explainer, classifier, picture, values = asked("age", place, number)
        assert row["value"] == pytest.approx(values.tolist(), rel=1e-4)
        assert (row["unit"], row["output_name"]) == ("years", ["age"])
        if wanted is None:
            assert row["absolute_error"] is row["expected"] is None
        else:
            off.append(abs(row["value"][0] - wanted))
            assert row["absolute_error"] == pytest.approx(off[-1])
        made = explainer.attribution(
            classifier, picture, OcclusionSetting(32, 32), Question(0, head=classifier.head)
        )
        with np.load(out / row["maps"][0]) as arrays:
            assert np.array_equal(arrays["occlusion"], made.values)
            manifest = json.loads(bytes(arrays["manifest"]))
            assert manifest["maps"]["occlusion"]["units"] == "years"
    assert f"mean absolute error {np.mean(off):.3g} years" in said.out
    told = json.loads((out / "manifest.json").read_text())
    assert told["counts"]["mean_absolute_error"] == pytest.approx(np.mean(off))
    assert told["settings"]["head"]["unit"] == "years"


def test_several_values(batch):
    _, out = batch("point")
    results = open_results(out)
    assert (results.kind, value_selection.outputs(results)) == ("values", ("x", "y"))
    found = rows(out)["0.png"]
    errors = [abs(a - b) for a, b in zip(found["value"], (1, 2), strict=True)]
    assert found["absolute_error"] == pytest.approx(np.mean(errors))
    rows_of = selection.select(results, ValueFilters(output=1), "error", True)
    assert value_selection.errors(results, 1).to_pylist()[0] == pytest.approx(errors[1])
    assert rows_of.to_pylist()[-2:] == [2, 3]  # nothing is expected of one; one cannot be read


def test_one_logit_is_two_classes(batch, place):
    code, out = batch("crack", *COARSE)
    assert code == 0
    row = rows(out)["1.png"]
    *_, logits = asked("crack", place, 1)
    assert row["top5_probability"] == pytest.approx(
        sorted(logits.sigmoid().tolist(), reverse=True), rel=1e-5
    )
    assert sum(row["top5_probability"]) == pytest.approx(1)
    assert isinstance(row["maps"], str)
    assert open_results(out).kind == "classes"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("age", ("--only", "wrong"), "--only wrong is for models of classes or labels, and age gi"),
        ("age", ("--target", "label"), "--target label is for models of classes or labels"),
        ("age", ("--score", "probability"), "values, which have no probability: leave the"),
        ("pond", ("--target", "contrast"), "pond has independent labels: choose another target."),
        ("crack", ("--target", "contrast"), "crack has one logit: choose another target."),
    ],
)
def test_what_a_head_cannot_be_asked_is_refused_before_anything_is_written(
    batch, capsys, name, options, words
):
    code, out = batch(name, *COARSE, *options)
    assert code == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == [".lock"]


@pytest.mark.parametrize("name", ["pond", "age"])
def test_the_rows_go_out_and_come_back(batch, name):
    _, out = batch(name, *COARSE)
    results = open_results(out)
    filters = LabelFilters() if name == "pond" else ValueFilters()
    everything = selection.select(results, filters)
    again = open_upload(as_parquet(results, everything), "again.parquet")
    assert again.kind == results.kind
    assert again.table.equals(results.table.take(everything))
    text = as_csv(results, everything).decode()
    assert ("swan; boat" if name == "pond" else "years") in text


def test_the_cards_say_what_the_rows_say(batch):
    _, out = batch("pond")
    results = open_results(out)
    cards = label_selection.cards(results, selection.select(results, LabelFilters()))
    assert [card.path for card in cards] == ["0.png", "1.png", "2.png", "3.png"]
    assert {name for name, _ in cards[0].expected} == {"swan", "boat"}
    assert {name for name, _ in cards[0].missed} == {"swan", "boat"} - {
        name for name, _ in cards[0].held
    }
    assert set(cards[0].false) == {name for name, _ in cards[0].held} - {"swan", "boat"}
    assert cards[3].held is None
    assert cards[3].missed == ()
