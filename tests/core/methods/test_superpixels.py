"""Covering one coherent patch after the other: as Captum's feature ablation, for every class."""

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from core.engine.teams import alone
from core.errors import ModelError, SettingError
from core.methods.scores import SCORE_KINDS, Question
from core.methods.superpixels import SuperpixelSurvey, Worth, superpixels, worths
from core.methods.survey import survey_steps
from core.pictures.label_image import Region
from core.pictures.samples import samples
from tests.toys import CLASSES, Sums, network, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORKS = ["strided", "grouped", "residual", "concatenated", "positional", "untraceable"]


def patches_of(height=12, width=12, seed=0, segments=9):
    """Every pixel belongs to the nearest of some points: int (H, W), numbered from 1."""
    points = np.random.default_rng(seed).permutation(height * width)[:segments]
    rows, columns = np.indices((height, width))
    away = [(rows - point // width) ** 2 + (columns - point % width) ** 2 for point in points]
    return np.argmin(away, axis=0) + 1


def surveyed(module, inputs, patches, baseline=0.0):
    survey = SuperpixelSurvey(module, inputs, patches, baseline)
    for _ in survey.steps():
        pass
    return survey


@pytest.mark.parametrize("segments", [2, 15, 60, 300])
def test_patches_are_numbered_without_gaps_and_fill_the_picture(segments):
    image = Image.open(samples()["swan"].path).convert("RGB").resize((96, 80))
    patches = superpixels(image, segments)
    assert patches.shape == (80, 96)
    assert np.issubdtype(patches.dtype, np.integer)
    found = np.unique(patches)
    assert found.tolist() == list(range(1, len(found) + 1))
    assert segments / 2.5 <= len(found) <= segments * 2
    np.testing.assert_array_equal(patches, superpixels(image, segments))


def test_patches_follow_the_colours():
    image = Image.new("RGB", (40, 40), "white")
    image.paste((200, 0, 0), (0, 0, 17, 40))
    patches = superpixels(image, 12)
    assert not set(np.unique(patches[:, :17])) & set(np.unique(patches[:, 17:]))


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
@pytest.mark.parametrize("low", [0.0, 280.0])
def test_patches_follow_every_channel(channels, low):
    pixels = np.full((40, 40, channels), low, np.float32)
    pixels[:, :17, -1] += 1
    patches = superpixels(pixels, 12)
    assert not set(np.unique(patches[:, :17])) & set(np.unique(patches[:, 17:]))
    assert len(np.unique(patches)) >= 6


def test_a_picture_of_one_colour():
    patches = superpixels(Image.new("RGB", (32, 32), "grey"), 9)
    assert patches.min() == 1
    survey = surveyed(network("strided"), picture(32, 32), patches)
    assert np.isfinite(survey.values(Question(0))).all()


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(0, 100),
    contrast=st.sampled_from([None, 0, 3]),
    level=st.sampled_from([None, 0.0, -0.7]),
    segments=st.integers(2, 25),
)
def test_as_captum_says(name, seed, contrast, level, segments):
    module, inputs = network(name, seed), picture(12, 12, seed)
    patches = patches_of(seed=seed, segments=segments)
    baseline = picture(12, 12, seed + 1) if level is None else level
    survey = surveyed(module, inputs, patches, baseline)
    mask = torch.from_numpy(patches - 1)[None, None].expand(1, 3, -1, -1)
    for kind in SCORE_KINDS:
        for target in {0, 1, 2, 3} - {contrast}:
            question = Question(target, contrast, kind)
            with torch.no_grad():
                theirs = FeatureAblation(lambda x, q=question: q.scores(module(x))).attribute(
                    inputs, baseline, feature_mask=mask
                )
            ours = survey.values(question)
            scale = theirs.abs().max().item()
            np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-4 * scale + 1e-5, rtol=0)


def test_known_by_hand():
    # Class 0 is the sum of the left half's first channel: a patch takes away what it covers of it.
    inputs = torch.arange(48.0).view(1, 3, 4, 4)
    patches = np.array([[1, 1, 2, 2], [1, 3, 3, 2], [4, 3, 3, 5], [4, 4, 5, 5]])
    survey = surveyed(Sums(), inputs, patches)
    drops = {1: 0 + 1 + 4, 2: 0, 3: 5 + 9, 4: 8 + 12 + 13, 5: 0}
    expected = np.vectorize(drops.get)(patches)
    np.testing.assert_allclose(survey.values(Question(0)), expected, atol=1e-5)
    expected = np.vectorize({1: 0, 2: 2 + 3 + 7, 3: 6 + 10, 4: 0, 5: 11 + 14 + 15}.get)(patches)
    np.testing.assert_allclose(survey.values(Question(1)), expected, atol=1e-5)


def test_what_is_no_region_is_never_covered():
    inputs = torch.arange(48.0).view(1, 3, 4, 4)
    regions = np.array([[0, 1, 2, 2], [0, 1, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0]])
    survey = surveyed(Sums(), inputs, regions)
    assert survey.count == 2
    expected = np.array([[0, 6, 0, 0], [0, 6, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(survey.values(Question(0)), expected, atol=1e-5)
    assert worths(survey.values(Question(0)), regions, (Region("1", "beak"), Region("9", "9"))) == [
        Worth("1", "beak", 2 / 16, pytest.approx(6)),
        Worth("9", "9", 3 / 16, pytest.approx(0)),
    ]


@pytest.fixture
def passes(rescored):
    """How many covered pictures go through networks."""
    return rescored


def test_another_question_costs_no_pass(passes):
    patches = patches_of(segments=20)
    survey = surveyed(network("residual"), picture(), patches)
    assert sum(passes) == patches.max()
    before = survey.values(Question(0))
    for question in (Question(1), Question(2, 3), Question(0, None, "probability")):
        (step,) = survey_steps(survey, question)
        assert step.done == step.total == patches.max()
        assert not np.allclose(step.snapshot().values, before)
        assert step.snapshot().forward_passes == 0
    assert sum(passes) == patches.max()


def test_a_survey_that_was_given_up_goes_on_where_it_was(passes):
    patches = patches_of(24, 24, segments=80)
    count = int(patches.max())
    assert count > 20
    survey = SuperpixelSurvey(network("residual"), picture(24, 24), patches)
    steps = survey_steps(survey, Question(1))
    assert next(steps).done == 0
    first = next(steps)
    steps.close()
    alone(lambda: None)  # comes after what was begun
    seen = sum(passes)
    assert 0 < first.done == survey.known.sum() <= seen < count
    rest = list(survey_steps(survey, Question(1)))
    assert rest[0].done == first.done
    assert rest[-1].done == rest[-1].total == count
    assert sum(passes) - seen == count - first.done
    assert rest[-1].snapshot().forward_passes == count - first.done
    whole = surveyed(network("residual"), picture(24, 24), patches)
    np.testing.assert_allclose(rest[-1].snapshot().values, whole.values(Question(1)), atol=1e-5)


@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize("batch", [1, 7, 16, 100])
def test_progress_and_the_size_of_batches(batch, monkeypatch):
    monkeypatch.setattr("core.methods.superpixels._BATCH", batch)
    patches = patches_of(24, 24, segments=60)
    survey = SuperpixelSurvey(network("residual"), picture(24, 24), patches)
    steps = list(survey_steps(survey, Question(1)))
    done = [step.done for step in steps]
    assert done == sorted(set(done))
    assert (done[0], done[-1]) == (0, patches.max())
    assert {step.total for step in steps} == {patches.max()}
    assert 0 < max(np.diff(done)) <= batch
    whole = surveyed(network("residual"), picture(24, 24), patches)
    np.testing.assert_allclose(steps[-1].snapshot().values, whole.values(Question(1)), atol=1e-5)
    assert steps[-1].snapshot().seconds > 0


@pytest.mark.usefixtures("one_by_one")
def test_what_is_not_known_yet_is_zero():
    patches = patches_of(24, 24, segments=60)
    survey = SuperpixelSurvey(network("residual"), picture(24, 24), patches)
    for step in survey_steps(survey, Question(1)):
        values = step.snapshot().values
        assert np.isfinite(values).all()
        assert not values[patches > step.done].any()


def test_what_the_map_says_of_itself():
    patches = patches_of()
    survey = SuperpixelSurvey(network("residual"), picture(), patches)
    found = list(survey_steps(survey, Question(1, 2, "probability")))[-1].snapshot()
    assert found.method == "superpixels"
    assert found.question == Question(1, 2, "probability")
    assert dict(found.parameters) == {"patches": patches.max()}
    assert found.forward_passes == patches.max()
    assert found.change is found.gap is None
    assert found.units == "probability"


class Overflows(nn.Module):
    """Gives no number where the first pixel is covered."""

    def forward(self, x):
        total = x.sum((1, 2, 3))
        bad = torch.where(x[:, 0, 0, 0] == 0, torch.inf, 0.0)
        return torch.stack([total + bad, total], 1)


def test_scores_that_are_no_numbers_are_reported():
    survey = SuperpixelSurvey(Overflows(), picture(), patches_of())
    with pytest.raises(ModelError, match=r"^The model gave scores that are not finite .*\.$"):
        list(survey.steps())
    inputs = picture()
    inputs[0, 0, 0, 0] = 0
    with pytest.raises(ModelError, match="not finite"):
        _ = SuperpixelSurvey(Overflows(), inputs, patches_of()).clean


def test_a_class_that_is_not_there():
    survey = SuperpixelSurvey(network("strided"), picture(), patches_of())
    with pytest.raises(SettingError, match=f"between 0 and {CLASSES - 1}"):
        next(survey_steps(survey, Question(CLASSES)))


def test_the_module_is_left_as_it_was():
    module = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()))
    before = state(module)
    surveyed(module, picture(), patches_of())
    assert state(module) == before
