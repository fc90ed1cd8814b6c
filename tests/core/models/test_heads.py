"""What outputs mean: probabilities, answers and sentences of every head, and models with them."""

import json
import math
import zipfile

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from core.__main__ import main
from core.drawing.sentences import answer, strongest_window
from core.errors import SettingError
from core.explaining.explainer import Explainer
from core.methods.cover_methods import OcclusionSetting
from core.methods.flipmap import flip_map
from core.methods.scores import Question
from core.models import registry
from core.models.heads import HEAD_KINDS, SOFTMAX, Head
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from tests import own

SWAN = samples()["swan"].path
LABELS = ("swan", "water", "boat", "night")
TEXT = own.DESCRIPTION.replace(json.dumps(own.CLASSES), "{classes}").replace(
    "\n[preprocessing]", "{more}\n[preprocessing]"
)
SETTING = OcclusionSetting(16, 16)


def described(classes, more):
    return TEXT.format(classes=json.dumps(classes), more=more)


HEADS = {
    "sigmoid": (LABELS, 'head = "sigmoid"\nthreshold = [0.5, 0.5, 0.5, 0.9]\n'),
    "binary": (("sound", "defect"), 'head = "binary"\n'),
    "value": (("age",), 'head = "value"\nunit = "years"\n'),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("heads")
    for seed, (name, (classes, more)) in enumerate(HEADS.items()):
        outputs = 1 if name == "binary" else len(classes)
        text = described(classes, more).replace("Pond birds", name.title())
        own.make(place, name, text, own.state(classes=outputs, seed=seed))
    return place


@pytest.fixture
def asked(folder):
    """Loads a model of the folder: (explainer, classifier, picture, its network's own outputs)."""
    registry.use_folder(folder)

    def load(name):
        explainer = Explainer()
        classifier = explainer.classifier(name, "cpu")
        picture = picture_from_file(SWAN)
        return explainer, classifier, picture, explainer.logits(classifier, picture)

    yield load
    registry.use_folder(None)


def test_probabilities_by_hand():
    outputs = torch.tensor([[0.0, math.log(3)]], dtype=torch.float64)
    assert SOFTMAX.probabilities(outputs)[0].tolist() == pytest.approx([0.25, 0.75])
    for kind in ("sigmoid", "binary"):
        assert Head(kind).probabilities(outputs)[0].tolist() == pytest.approx([0.5, 0.75])
    for kind in ("softmax", "sigmoid", "binary"):
        head = Head(kind)
        exact = head.probabilities(outputs).log()
        assert torch.allclose(head.log_probabilities(outputs), exact)
    far = torch.tensor([-200.0], dtype=torch.float64)
    assert float(Head("sigmoid").log_probabilities(far)[0]) == pytest.approx(-200)


def test_values_have_no_probability():
    head = Head("value", unit="years")
    assert head.scores == ("logit",)
    with pytest.raises(SettingError, match="values, which have no probability"):
        head.probabilities(torch.zeros(1))
    with pytest.raises(SettingError, match="values, which have no probability: leave the score"):
        Question(0, kind="probability", head=head).check(1)


def test_thresholds():
    one, each = Head("sigmoid", (0.6,)), Head("sigmoid", (0.5, 0.9))
    assert [one.holds(label, 0.6) for label in (0, 1)] == [True, True]
    assert [each.holds(label, 0.6) for label in (0, 1)] == [True, False]
    assert not Head("value").holds(0, None)


def test_two_outcomes_of_one_logit(asked):
    explainer, classifier, picture, outputs = asked("binary")
    logit = float(classifier.module.network(explainer.inputs(classifier, picture))[0, 0])
    assert outputs.tolist() == pytest.approx([-logit, logit], abs=1e-6)
    found = {each.name: each for each in classifier.ranking(outputs)}
    assert found["defect"].probability == pytest.approx(1 / (1 + math.exp(-logit)))
    assert found["sound"].probability + found["defect"].probability == pytest.approx(1)


@pytest.mark.parametrize("kind", ["logit", "probability", "log_probability"])
def test_a_map_of_two_outcomes_is_that_of_the_network_itself(asked, kind):
    explainer, classifier, picture, _ = asked("binary")
    inputs = explainer.inputs(classifier, picture)

    def defect(batch):
        logit = classifier.module.network(batch)[:, 0]
        if kind == "logit":
            return logit
        return logit.sigmoid() if kind == "probability" else torch.nn.functional.logsigmoid(logit)

    expected = Occlusion(defect).attribute(inputs, (3, 16, 16), (3, 16, 16), 0.0)[0, 0]
    question = Question(1, None, kind, classifier.head)
    made = explainer.attribution(classifier, picture, SETTING, question).values
    assert np.abs(made - expected.numpy()).max() < 1e-4
    if kind == "logit":  # the other outcome's is the same, turned round
        other = explainer.attribution(
            classifier, picture, SETTING, Question(0, None, kind, classifier.head)
        )
        assert np.abs(made + other.values).max() < 1e-6


def test_a_contrast_of_two_outcomes_is_refused(asked):
    _, classifier, _, _ = asked("binary")
    with pytest.raises(SettingError, match="has one logit: leave the contrast out"):
        Question(1, 0, head=classifier.head).check(2)


def test_labels_are_independent(asked):
    explainer, classifier, picture, outputs = asked("sigmoid")
    for each in classifier.ranking(outputs):
        exact = 1 / (1 + math.exp(-float(outputs[each.index])))
        assert each.probability == pytest.approx(exact)
    inputs = explainer.inputs(classifier, picture)
    for label in range(4):
        expected = Occlusion(lambda batch, n=label: classifier.module(batch)[:, n].sigmoid())
        expected = expected.attribute(inputs, (3, 16, 16), (3, 16, 16), 0.0)[0, 0]
        question = Question(label, None, "probability", classifier.head)
        made = explainer.attribution(classifier, picture, SETTING, question)
        assert np.abs(made.values - expected.numpy()).max() < 1e-4


def test_a_label_flips_where_it_crosses_its_threshold(asked):
    explainer, classifier, picture, outputs = asked("sigmoid")
    survey = explainer.survey(classifier, picture, SETTING).run()
    covered = survey.scores.sigmoid()
    changes = (covered - outputs.sigmoid()).abs().max(0).values
    label = int(changes.argmax())
    before = float(outputs.sigmoid()[label])
    between = float((covered[:, label].sort().values[7:9]).mean())  # half of the windows are below
    head = Head("sigmoid", (between,) * 4)
    expected = {
        tuple(survey.grid.corners[n].tolist())
        for n in range(len(covered))
        if (float(covered[n, label]) >= between) != (before >= between)
    }
    flips = survey.flips(head, label)
    assert {(each.top, each.left) for each in flips} == expected
    assert 0 < len(expected) < len(covered)
    assert flip_map(survey, head, label).legend[0][::2] == (label, len(expected))
    words = strongest_window(survey, LABELS, head, label).marked
    assert LABELS[label] in words
    assert f"{'no longer' if before >= between else 'now'} {LABELS[label]}" in words


def test_values_have_no_flips(asked):
    explainer, classifier, picture, outputs = asked("value")
    survey = explainer.survey(classifier, picture, SETTING).run()
    assert survey.flips(classifier.head, 0) == []
    words = strongest_window(survey, ("age",), classifier.head, 0)
    change = survey.drops(Question(0, head=classifier.head))
    assert words.after == pytest.approx(
        words.before - float(change.flatten()[abs(change).argmax()])
    )
    assert words.before == pytest.approx(float(outputs[0]), abs=1e-4)
    assert words.marked.startswith("Covering the marked square changes age most: from ")
    assert words.marked.endswith(" years.")


def test_sentences(asked):
    _, classifier, _, _ = asked("sigmoid")
    ranking = classifier.ranking(torch.tensor([2.0, -1.0, 0.1, 2.1]))
    assert answer(ranking, classifier.head) == "The model says swan, 88 %; boat, 52 %."
    ranking = classifier.ranking(torch.tensor([-2.0, -1.0, -3.0, 2.0]))
    assert answer(ranking, classifier.head) == (
        "No label reaches its threshold; the most probable is night, 88 %."
    )
    _, classifier, _, _ = asked("value")
    ranking = classifier.ranking(torch.tensor([37.21]), 1)
    assert answer(ranking, classifier.head) == "The model says age 37.2 years."


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_the_command_line_and_a_bundle_that_is_equal(folder, tmp_path, capsys, name, score):
    mine = ("--models", str(folder), "--device", "cpu")
    assert main(["predict", str(SWAN), "--model", name, *mine]) == 0
    table = capsys.readouterr().out
    assert ("probability" in table) == (name != "value")
    bundle = tmp_path / "a.zip"
    quick = ("--method", "occlusion", "--window", "32", "--stride", "32", "--score", score)
    target = ("--target", HEADS[name][0][-1])
    code = main(
        ["explain", str(SWAN), "--model", name, *quick, *target, "--bundle", str(bundle), *mine]
    )
    if name == "value" and score == "probability":
        assert code == 2
        assert "values, which have no probability: leave the score out" in capsys.readouterr().err
        return
    assert code == 0
    if name == "value":
        with zipfile.ZipFile(bundle) as files:
            texts = [files.read(each).decode() for each in ("caption.txt", "report.html")]
        for text in (*texts, capsys.readouterr().out):
            assert "logit" not in text
    capsys.readouterr()
    assert main(["verify", str(bundle), *mine]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Equal."


@pytest.mark.parametrize(
    ("classes", "more", "sentence"),
    [
        (LABELS, 'head = "sigmod"\n', "there is no head 'sigmod': give one of softmax, sigmoid"),
        (
            LABELS,
            'head = "binary"\n',
            "The list has 4 classes, and the head binary takes exactly 2",
        ),
        (("age",), "", "The list has 1 class, and the head softmax takes 2 or more"),
        (LABELS, 'unit = "years"\n', "unit belongs to the head value, and the head is softmax"),
        (LABELS, "threshold = 0.4\n", "threshold belongs to the head sigmoid"),
        (LABELS, 'head = "sigmoid"\nthreshold = 2\n', "threshold is 2: give a probability"),
        (LABELS, 'head = "sigmoid"\nthreshold = [0.1]\n', "1 threshold for 4 classes"),
        (LABELS, 'head = "sigmoid"\nthreshold = [0, 1, 1, "x"]\n', "threshold is "),
    ],
)
def test_what_is_refused(tmp_path, classes, more, sentence):
    own.make(tmp_path, "pond", described(classes, more), {})
    registry.use_folder(tmp_path)
    try:
        assert sentence in registry.broken()["pond"]
    finally:
        registry.use_folder(None)


def test_a_map_of_a_value_is_judged_in_its_unit(folder, tmp_path, capsys):
    mine = ("--models", str(folder), "--device", "cpu")
    quick = ("--window", "32", "--stride", "32", "--points", "3", "--repeats", "2", "--block", "32")
    out = tmp_path / "out"
    asked = ("trust", str(SWAN), "--model", "value", "--method", "occlusion")
    assert main([*asked, *quick, "--out", str(out), *mine]) == 0
    assert "mean value (years)" in capsys.readouterr().out


def test_outputs_are_called_what_they_are():
    assert [Head(kind).first for kind in HEAD_KINDS] == [
        "predicted class", "most probable label", "predicted class", "first value"
    ]  # fmt: skip
    assert [Head(kind).noun for kind in HEAD_KINDS] == ["class", "label", "class", "value"]
