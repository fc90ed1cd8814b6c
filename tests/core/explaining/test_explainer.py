"""The cached front: nothing twice, everything signed, and the numbers of the core below it."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.drawing.captions import settings_words
from core.engine.remembered import memory
from core.engine.teams import alone
from core.errors import ModelError, ResourceError, SettingError
from core.explaining.explainer import Explainer
from core.files.disk_cache import DiskCache
from core.methods.baselines import baseline_tensor
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import IntegratedGradientsSetting
from core.methods.gradients import integrated_gradients
from core.methods.occlusion import OcclusionSurvey
from core.methods.options import with_options
from core.methods.registry import METHODS
from core.methods.request import Asked
from core.methods.scores import Question
from core.methods.settings import SurveySetting, parameters
from core.models.classifiers import Classifier
from core.models.registry import record
from core.pictures.label_image import LabelImage
from core.pictures.picture import picture_from_bytes, picture_from_file
from core.pictures.preprocessing import Box, Preprocessing
from core.pictures.samples import samples
from tests.able import OF_ATTENTION, OF_REGIONS, module_for
from tests.core.methods.test_grad_cam import stages
from tests.toys import network

pytestmark = pytest.mark.usefixtures("one_thread")

OCCLUSION = OcclusionSetting(8, 4, "blur")
GRADIENTS = IntegratedGradientsSetting(20, "black")
QUESTION = Question(0, 2, "probability")


def toy(name="residual", seed=0):
    """A classifier of four classes that looks at 28 pixels a side."""
    preprocessing = Preprocessing(32, 28, (0.5,) * 3, (0.25,) * 3, "bilinear")
    known = replace(
        record("efficientnet_lite0"),
        name=f"toy {name} {seed}",
        preprocessing=preprocessing,
        class_names=("a", "b", "c", "d"),
    )
    return Classifier(known, network(name, seed), torch.device("cpu"), f"{seed:064d}")


@pytest.fixture
def swan():
    return picture_from_file(samples()["swan"].path)


@pytest.fixture
def penguin():
    return picture_from_file(samples()["penguin"].path)


@pytest.fixture
def passes(monkeypatch, rescored):
    """What goes through networks: [windows, pictures whose gradient is asked]."""
    counted, gradients = [0, 0], Asked.gradients

    def counting_rescore(size):
        counted[0] += size

    def counting_gradients(self, batch):
        counted[1] += len(batch)
        return gradients(self, batch)

    rescored.before = counting_rescore
    monkeypatch.setattr(Asked, "gradients", counting_gradients)
    return counted


def test_models_inputs_and_logits_are_made_once(swan):
    explainer = Explainer()
    classifier = explainer.classifier("efficientnet_lite0", "cpu")
    assert explainer.classifier("efficientnet_lite0", "cpu") is classifier
    inputs = explainer.inputs(classifier, swan)
    assert explainer.inputs(classifier, swan) is inputs
    torch.testing.assert_close(inputs, classifier.preprocess(swan.image))
    logits = explainer.logits(classifier, swan)
    assert explainer.logits(classifier, swan) is logits
    best = classifier.ranking(logits)[0]
    assert (best.name, best.probability) == ("king penguin", pytest.approx(0.528, abs=0.01))


def test_errors_pass_through():
    with pytest.raises(ModelError):
        Explainer().classifier("alexnet")
    with pytest.raises(SettingError):
        Explainer().classifier("efficientnet_lite0", "abacus")


@pytest.mark.parametrize(
    ("setting", "total"), [(OCCLUSION, 36), (GRADIENTS, 20)], ids=["occlusion", "gradients"]
)
def test_steps_go_to_the_end_and_the_second_time_there_is_one(swan, passes, setting, total):
    explainer, classifier = Explainer(), toy()
    steps = list(explainer.steps(classifier, swan, setting, QUESTION))
    assert steps[-1].done == steps[-1].total == total
    assert all(step.total == total for step in steps)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert sum(passes) == total
    final = steps[-1].snapshot()
    assert steps[-1].snapshot() is final
    (again,) = explainer.steps(classifier, swan, setting, QUESTION)
    assert again.done == again.total
    assert again.snapshot() is final
    assert explainer.attribution(classifier, swan, setting, QUESTION) is final
    assert sum(passes) == total


@pytest.mark.parametrize("setting", [OCCLUSION, GRADIENTS], ids=["occlusion", "gradients"])
def test_every_snapshot_is_signed(swan, setting):
    explainer, classifier = Explainer(), toy()
    for step in explainer.steps(classifier, swan, setting, QUESTION):
        made = step.snapshot()
        assert made.question == QUESTION
        assert made.values.shape == (28, 28)
        assert np.isfinite(made.values).all()
        assert (made.provenance.model, made.provenance.device) == ("toy residual 0", "cpu")
        assert made.provenance.weights_sha256 == classifier.weights_sha256
        assert made.provenance.image_sha256 == swan.sha256
        assert made.provenance.region is None
    if setting is OCCLUSION:
        assert dict(made.parameters) == {"window": 8, "stride": 4, "baseline": "blur"}
    else:
        assert dict(made.parameters) == {"steps": 20, "baseline": "black"}


def test_equal_to_the_core_called_directly(swan):
    explainer, classifier = Explainer(), toy()
    inputs = classifier.preprocess(swan.image)
    preprocessing = classifier.record.preprocessing
    made = explainer.attribution(classifier, swan, OCCLUSION, QUESTION)
    blur = baseline_tensor("blur", preprocessing, swan.image)
    survey = OcclusionSurvey(classifier.module, inputs, window=8, stride=4, baseline=blur).run()
    expected = survey.attribution(0, contrast=2, score="probability").numpy()
    np.testing.assert_allclose(made.values, expected, atol=1e-6)

    made = explainer.attribution(classifier, swan, GRADIENTS, QUESTION)
    black = baseline_tensor("black", preprocessing, swan.image)
    expected = integrated_gradients(
        classifier.module, inputs, target=0, contrast=2, score="probability", steps=20,
        baseline=black,
    )  # fmt: skip
    np.testing.assert_allclose(made.values, expected.values, atol=1e-6)
    assert made.gap == pytest.approx(expected.gap, abs=1e-7)


def test_another_question_costs_no_window(swan, passes):
    explainer, classifier = Explainer(), toy()
    first = explainer.attribution(classifier, swan, OCCLUSION, Question(0))
    second = explainer.attribution(classifier, swan, OCCLUSION, Question(1))
    assert passes == [36, 0]
    assert not np.allclose(first.values, second.values)
    both = explainer.attribution(classifier, swan, OCCLUSION, Question(0, 1))
    np.testing.assert_allclose(both.values, first.values - second.values, atol=1e-5)
    assert passes == [36, 0]


def test_what_differs_is_computed(swan, penguin, passes):
    explainer = Explainer()
    base = (toy(), swan, OCCLUSION, Question(0))
    others = [
        (toy(seed=1), *base[1:]),
        (base[0], penguin, *base[2:]),
        (base[0], swan.cropped(Box(0, 0, 300, 300)), *base[2:]),
        (*base[:2], replace(OCCLUSION, baseline="white"), base[3]),
        (*base[:2], replace(OCCLUSION, window=9), base[3]),
    ]
    found = [explainer.attribution(*base).values]
    for other in others:
        before = passes[0]
        found.append(explainer.attribution(*other).values)
        assert passes[0] > before
    assert len({values.tobytes() for values in found}) == len(found)
    before = list(passes)
    for arguments in (base, *others):
        explainer.attribution(*arguments)
    assert passes == before


def test_a_map_that_was_given_up_goes_on_where_it_was(swan, passes):
    explainer, classifier = Explainer(), toy()
    setting = OcclusionSetting(6, 1)
    steps = explainer.steps(classifier, swan, setting, QUESTION)
    next(steps)
    next(steps)
    steps.close()
    alone(lambda: None)  # comes after what was begun
    visited = passes[0]
    survey = explainer.survey(classifier, swan, setting)
    known = survey.known.sum()
    assert 0 < known <= visited < survey.grid.count
    explainer.attribution(classifier, swan, setting, QUESTION)
    assert passes[0] - visited == survey.grid.count - known


def test_a_region_is_what_the_model_sees(swan):
    explainer, classifier = Explainer(), toy()
    part = swan.cropped(Box(100, 50, 300, 250))
    expected = classifier.record.preprocessing.tensor(swan.image.crop((100, 50, 300, 250)), None)
    seen = explainer.inputs(classifier, part)
    assert seen.shape == expected.shape
    assert not torch.equal(seen, explainer.inputs(classifier, swan))
    made = explainer.attribution(classifier, part, OCCLUSION, QUESTION)
    assert tuple(made.provenance.region) == (100, 50, 300, 250)


def test_forecasts(swan):
    explainer, classifier = Explainer(), toy()
    for setting, total in ((OCCLUSION, 36), (GRADIENTS, 20)):
        forecast = explainer.forecast(classifier, swan, setting, Question(0))
        assert (forecast.passes, forecast.seconds) == (total, None)
        explainer.attribution(classifier, swan, setting, Question(0))
        forecast = explainer.forecast(classifier, swan, setting, Question(0))
        assert (forecast.passes, forecast.seconds) == (0, 0.0)
    # The windows are known, whatever is asked of them; half of a finer grid's are not.
    assert explainer.forecast(classifier, swan, OCCLUSION, Question(1)).passes == 0
    finer = explainer.forecast(classifier, swan, replace(OCCLUSION, stride=2), Question(0))
    assert finer.passes == 11 * 11 - 36
    assert finer.seconds > 0


def test_what_the_model_says_with_a_part_covered(swan):
    explainer, classifier = Explainer(), toy()
    mask = np.zeros((28, 28), dtype=bool)
    assert torch.equal(
        explainer.covered(classifier, swan, mask, "white"), explainer.logits(classifier, swan)
    )
    mask[5:12, 3:20] = True
    inputs = explainer.inputs(classifier, swan).clone()
    inputs[..., 5:12, 3:20] = 2.0  # white, less the mean of a half, in units of a quarter
    with torch.no_grad():
        expected = classifier.module(inputs)[0]
    torch.testing.assert_close(explainer.covered(classifier, swan, mask, "white"), expected)


@pytest.mark.parametrize(
    "setting",
    [
        OcclusionSetting(0, 1),
        OcclusionSetting(29, 1),
        OcclusionSetting(8, 9),
        OcclusionSetting(8, 4, "pink"),
    ],
    ids=str,
)
def test_settings_out_of_range(swan, setting):
    explainer, classifier = Explainer(), toy()
    with pytest.raises(SettingError, match=r"^[A-Z][^\n]*\.$"):
        explainer.attribution(classifier, swan, setting, Question(0))
    with pytest.raises(SettingError, match=r"^[A-Z][^\n]*\.$"):
        explainer.forecast(classifier, swan, setting, Question(0))


def test_several_threads_get_what_one_would_get(swan, penguin):
    shared, classifiers = Explainer(), [toy(), toy("concatenated", 3)]
    arguments = [
        (classifier, picture, setting, Question(target))
        for target in (0, 1)
        for setting in (OCCLUSION, replace(OCCLUSION, stride=8), GRADIENTS)
        for picture in (swan, penguin)
        for classifier in classifiers
    ]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda a: shared.attribution(*a), arguments * 2))
    alone = Explainer()
    for made, asked in zip(found, arguments * 2, strict=True):
        expected = alone.attribution(*asked)
        np.testing.assert_allclose(made.values, expected.values, atol=1e-5)
        assert made.provenance == expected.provenance


def test_without_memory_there_is_a_sentence(swan, monkeypatch):
    explainer, classifier = Explainer(), toy()
    mask = np.ones((28, 28), dtype=bool)
    explainer.inputs(classifier, swan)

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    inputs = explainer.inputs(classifier, swan)
    network = memory.prepared(classifier.module, inputs).network
    with monkeypatch.context() as patch:
        patch.setattr(classifier.module, "forward", full)
        with pytest.raises(ResourceError, match=r"^A pass through [^\n]* does not fit into memory"):
            explainer.covered(classifier, swan, mask, "white")
    monkeypatch.setattr(network.module, "forward", full)
    with pytest.raises(ResourceError, match=r"^This map does not fit into memory"):
        explainer.attribution(classifier, swan, GRADIENTS, Question(0))


SMALL = {
    "integrated_gradients": {"steps": 5},
    "superpixels": {"segments": 6},
    "smoothgrad": {"samples": 2},
    "smoothgrad_sq": {"steps": 3, "samples": 2},
    "vargrad": {"samples": 2},
    "gradient_shap": {"samples": 3},
    "rise": {"masks": 6, "cells": 3},
    "kernel_shap": {"segments": 4, "samples": 6},
    "lime": {"segments": 4, "samples": 6},
    "enough": {"blocks": 8},
    "counterfactual": {"blocks": 8},
}


def staged():
    """A toy that can have every method but those of attention."""
    return replace(toy(), module=stages())


def able(name):
    """A toy that can have a method."""
    return replace(toy(), module=module_for(name), weights_sha256=f"{name:z<64}")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_makes_a_map_once(swan, passes, name):
    explainer, classifier = Explainer(), able(name)
    setting = with_options(name, SMALL.get(name, {}))
    question = Question(1)
    if name in OF_REGIONS:
        question = Question(int(explainer.logits(classifier, swan).argmax()))
    before = explainer.forecast(classifier, swan, setting, question)
    assert before.passes > 0
    made = explainer.attribution(classifier, swan, setting, question)
    assert made.method == name
    assert made.values.shape == (28, 28)
    assert np.isfinite(made.values).all()
    assert (made.change is not None) == METHODS[name].adds_up
    assert made.provenance.image_sha256 == swan.sha256
    assert {**parameters(setting)}.items() <= dict(made.parameters).items()
    json.dumps(made.settings())
    assert settings_words(made) is not None
    after = explainer.forecast(classifier, swan, setting, question)
    assert (after.passes, after.seconds) == (0, 0.0)
    counted = list(passes)
    assert explainer.attribution(classifier, swan, setting, question) is made
    assert passes == counted
    if isinstance(setting, SurveySetting):
        other = explainer.attribution(classifier, swan, setting, Question(2))
        assert other.values.tobytes() != made.values.tobytes()
        assert passes == counted


def test_layers_and_what_is_unavailable(swan):
    explainer, classifier = Explainer(), staged()
    assert set(explainer.unavailable(classifier, swan)) == set(OF_ATTENTION)
    assert explainer.layers(classifier, swan) == ("stem", "middle", "deep")
    assert explainer.layers(classifier, swan) is explainer.layers(classifier, swan)
    untraceable = toy("untraceable")
    found = explainer.unavailable(untraceable, swan)
    assert set(found) == {"deep_lift", "guided_backprop", "guided_grad_cam", "lrp", *OF_ATTENTION}
    made = explainer.attribution(untraceable, swan, METHODS["grad_cam"].setting, Question(0))
    assert np.isfinite(made.values).all()
    for name in found:
        with pytest.raises(
            SettingError, match=r"(is|are) not available for this model, since .*\.$"
        ):
            explainer.attribution(untraceable, swan, METHODS[name].setting, Question(0))


def test_another_picture_as_baseline(swan, penguin):
    explainer, classifier = Explainer(), staged()
    name = explainer.as_baseline(penguin)
    assert name == f"picture:{penguin.sha256}"
    expected = explainer.inputs(classifier, penguin)
    torch.testing.assert_close(explainer.baseline(classifier, swan, name), expected)
    setting = IntegratedGradientsSetting(5, name)
    made = explainer.attribution(classifier, swan, setting, Question(1))
    direct = integrated_gradients(
        classifier.module, explainer.inputs(classifier, swan), target=1, steps=5, baseline=expected
    )
    np.testing.assert_allclose(made.values, direct.values, atol=1e-6)
    assert made.parameters["baseline"] == name
    with pytest.raises(SettingError, match="is not there: choose it again"):
        Explainer().attribution(classifier, swan, setting, Question(1))


@pytest.mark.parametrize(
    ("setting", "total"), [(OCCLUSION, 36), (GRADIENTS, 20)], ids=["occlusion", "gradients"]
)
def test_another_explainer_finds_on_disk_what_one_has_made(swan, passes, tmp_path, setting, total):
    made = Explainer(disk=DiskCache(tmp_path)).attribution(toy(), swan, setting, QUESTION)
    assert sum(passes) == total
    memory.forget()  # as after a restart
    later = Explainer(disk=DiskCache(tmp_path))
    assert later.forecast(toy(), swan, setting, QUESTION).passes == 0
    found = later.attribution(toy(), swan, setting, QUESTION)
    np.testing.assert_array_equal(found.values, made.values)
    assert found.settings() == made.settings()
    assert sum(passes) == total


def test_a_survey_from_disk_answers_for_every_class(swan, passes, tmp_path):
    Explainer(disk=DiskCache(tmp_path)).attribution(toy(), swan, OCCLUSION, QUESTION)
    expected = Explainer().attribution(toy(), swan, OCCLUSION, Question(1))
    memory.forget()
    before = sum(passes)
    later = Explainer(disk=DiskCache(tmp_path))
    found = later.attribution(toy(), swan, OCCLUSION, Question(1))
    np.testing.assert_array_equal(found.values, expected.values)
    assert sum(passes) == before


def test_logits_are_found_on_disk(swan, tmp_path, monkeypatch):
    logits = Explainer(disk=DiskCache(tmp_path)).logits(toy(), swan)
    later = Explainer(disk=DiskCache(tmp_path))
    monkeypatch.setattr(Classifier, "logits", None)
    assert torch.equal(later.logits(toy(), swan), logits)


@pytest.mark.parametrize("damage", ["cut", "bit", "foreign", "empty"])
def test_damaged_entries_are_computed_again(swan, passes, tmp_path, damage):
    made = Explainer(disk=DiskCache(tmp_path)).attribution(toy(), swan, OCCLUSION, QUESTION)
    for path in tmp_path.iterdir():
        entry = path.read_bytes()
        flipped = entry[:-9] + bytes([entry[-9] ^ 1]) + entry[-8:]
        content = {"cut": entry[:-9], "bit": flipped, "foreign": b"GIF89a", "empty": b""}
        path.write_bytes(content[damage])
    memory.forget()
    found = Explainer(disk=DiskCache(tmp_path)).attribution(toy(), swan, OCCLUSION, QUESTION)
    np.testing.assert_array_equal(found.values, made.values)
    assert sum(passes) == 2 * 36


def test_another_model_picture_crop_or_setting_is_not_taken_for_it(swan, penguin, tmp_path):
    Explainer(disk=DiskCache(tmp_path)).attribution(toy(), swan, OCCLUSION, QUESTION)
    memory.forget()
    later = Explainer(disk=DiskCache(tmp_path))
    for classifier, picture, setting, known in (
        (toy(), swan, OCCLUSION, True),
        (toy(seed=1), swan, OCCLUSION, False),
        (toy(), penguin, OCCLUSION, False),
        (toy(), swan.cropped(Box(0, 0, 200, 200)), OCCLUSION, False),
        (toy(), swan, replace(OCCLUSION, baseline="black"), False),
        (toy(), swan, replace(OCCLUSION, stride=7), False),
    ):
        forecast = later.forecast(classifier, picture, setting, QUESTION)
        assert (forecast.passes == 0) == known


def test_nothing_of_an_upload_is_written_to_disk(penguin, tmp_path):
    upload = picture_from_bytes(samples()["swan"].path.read_bytes())
    explainer, classifier = Explainer(disk=DiskCache(tmp_path)), toy()
    explainer.logits(classifier, upload)
    explainer.attribution(classifier, upload, OCCLUSION, QUESTION)
    other = explainer.as_baseline(upload)
    explainer.attribution(classifier, penguin, replace(OCCLUSION, baseline=other), QUESTION)
    labels = np.ones(penguin.image.size[::-1], np.uint16)
    labels[:, 300:] = 2
    regions = explainer.as_regions(LabelImage("0" * 64, labels, ("1", "2")))
    explainer.attribution(classifier, penguin, SuperpixelSetting(regions=regions), QUESTION)
    assert not list(tmp_path.iterdir())


def test_without_a_disk_to_write_to_maps_are_made_all_the_same(swan, tmp_path):
    (tmp_path / "file").touch()
    explainer = Explainer(disk=DiskCache(tmp_path / "file"))
    made = explainer.attribution(toy(), swan, OCCLUSION, QUESTION)
    expected = Explainer().attribution(toy(), swan, OCCLUSION, QUESTION)
    np.testing.assert_array_equal(made.values, expected.values)
