"""The survey says what Captum's Occlusion says, remembers all of it, and leaves no trace."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.engine.incremental import IncrementalNetwork
from core.engine.remembered import memory
from core.errors import ModelError, ResourceError, SettingError
from core.methods.occlusion import Flip, OcclusionSurvey
from core.methods.scores import SCORE_KINDS, Question
from core.methods.survey import survey_steps
from core.methods.windows import WindowGrid
from core.models.torchvision_compat import torchvision
from tests.toys import CLASSES, NETWORKS, Sums, network, picture, seeded

SENTENCE = r"^[A-Z][^\n]*\.$"
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # Torch says so of every even kernel with padding="same"; its result is what is asked for.
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
]


def captum(module, inputs, window, stride, question, baseline=0.0, batch=64):
    channels = inputs.shape[1]
    with torch.no_grad():
        values = Occlusion(lambda batch: question.scores(module(batch))).attribute(
            inputs,
            sliding_window_shapes=(channels, *window),
            strides=(channels, *stride),
            baselines=baseline,
            perturbations_per_eval=batch,
        )
    return values[0, 0].numpy()


def ask(survey, question):
    values = survey.attribution(question.target, contrast=question.contrast, score=question.kind)
    assert values.dtype == torch.float32
    return values.numpy()


@pytest.fixture
def passes(rescored):
    """How many windows went through the incremental network, counted where they do."""
    return rescored


@st.composite
def surveys(draw):
    size = draw(st.integers(8, 17)), draw(st.integers(8, 17))
    window = tuple(draw(st.integers(1, side)) for side in size)
    # Small strides make many windows, which Captum takes long for; none is ruled out.
    stride = tuple(
        draw(st.integers(max(1, (side - wide) // 9), wide) | st.just(wide))
        for side, wide in zip(size, window, strict=True)
    )
    return size, window, stride


@st.composite
def questions(draw):
    target, contrast = draw(st.permutations(range(CLASSES)))[:2]
    kind = draw(st.sampled_from(SCORE_KINDS))
    return Question(target, draw(st.sampled_from([None, contrast])), kind)


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=10, deadline=None)
@given(
    setting=surveys(),
    question=questions(),
    level=st.sampled_from([0.0, -1.5, "tensor"]),
    seed=st.integers(0, 50),
)
def test_equal_to_captum_for_every_setting(name, setting, question, level, seed):
    size, window, stride = setting
    module, inputs = network(name, seed), picture(*size, seed=seed)
    baseline = picture(*size, seed=seed + 1) if level == "tensor" else level
    survey = OcclusionSurvey(module, inputs, window=window, stride=stride, baseline=baseline).run()
    expected = captum(module, inputs, window, stride, question, baseline)
    np.testing.assert_allclose(ask(survey, question), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window", [(1, 1), (1, 12), (11, 12), (2, 5)])
def test_the_smallest_and_the_largest_windows(window):
    module, inputs, question = network("residual"), picture(11, 12), Question(0)
    survey = OcclusionSurvey(module, inputs, window=window, stride=1).run()
    expected = captum(module, inputs, window, (1, 1), question)
    np.testing.assert_allclose(ask(survey, question), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_equal_to_captum_on_a_real_architecture(name):
    module = seeded(lambda: torchvision.models.get_model(name, weights=None)).eval()
    inputs = picture(96, 80)
    survey = OcclusionSurvey(module, inputs, window=(20, 15), stride=(17, 13)).run()
    assert survey.fallback is None
    scale = survey.clean.abs().max().item()
    for question in (Question(3), Question(3, 5, "log_probability")):
        expected = captum(module, inputs, (20, 15), (17, 13), question, batch=16)
        np.testing.assert_allclose(ask(survey, question), expected, atol=1e-4 * max(1, scale))


def test_scores_are_those_of_the_covered_pictures():
    module, inputs = network("positional"), picture(10, 13)
    baseline = picture(10, 13, seed=7)
    survey = OcclusionSurvey(module, inputs, window=(4, 5), stride=(3, 4), baseline=baseline).run()
    assert survey.scores.shape == (survey.grid.count, CLASSES)
    for corner, scores in zip(survey.grid.corners, survey.scores, strict=True):
        covered, (top, left) = inputs.clone(), corner
        place = (..., slice(top, top + 4), slice(left, left + 5))
        covered[place] = baseline[place]
        with torch.no_grad():
            torch.testing.assert_close(scores, module(covered)[0], atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(survey.clean, module(inputs)[0], atol=1e-5, rtol=1e-5)


def test_known_by_hand():
    # Class 0 is the sum of the left half: covering a column there takes away its two pixels.
    inputs = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])[None, None]
    survey = OcclusionSurvey(Sums(), inputs, window=(2, 1), stride=1).run()
    assert ask(survey, Question(0)).tolist() == [[6, 8, 0, 0], [6, 8, 0, 0]]
    assert ask(survey, Question(1)).tolist() == [[0, 0, 10, 12], [0, 0, 10, 12]]
    assert ask(survey, Question(0, 1)).tolist() == [[6, 8, -10, -12], [6, 8, -10, -12]]
    # Windows of two columns overlap by one: each pixel has the mean of what is on it.
    survey = OcclusionSurvey(Sums(), inputs, window=(2, 2), stride=1).run()
    assert ask(survey, Question(0)).tolist() == [[14, 11, 4, 0]] * 2


@pytest.mark.parametrize("axis", [-1, -2])
def test_a_mirrored_picture_has_the_mirrored_map(axis):
    def make():
        return nn.Sequential(
            nn.Conv2d(3, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
        )

    module, inputs = seeded(make), picture(12, 12)
    plain, mirrored = (
        ask(OcclusionSurvey(module, x, window=4, stride=2).run(), Question(1))
        for x in (inputs, inputs.flip(axis))
    )
    np.testing.assert_allclose(np.flip(mirrored, axis), plain, atol=1e-6)


def test_a_moved_picture_has_the_moved_map():
    # Convolutions see what they see wherever it is, as long as it stays away from the border.
    module = network("dilated")
    inputs = torch.zeros(1, 3, 24, 24)
    inputs[..., 8:12, 8:12] = 3 * picture(4, 4).abs()
    moved = inputs.roll((4, 4), (-2, -1))
    plain, there = (
        ask(OcclusionSurvey(module, x, window=4, stride=4).run(), Question(0))
        for x in (inputs, moved)
    )
    np.testing.assert_allclose(np.roll(plain, (4, 4), (0, 1)), there, atol=1e-6)
    assert np.abs(plain).max() > 1e-3


def test_every_question_is_answered_without_another_pass(passes):
    module, inputs = network("residual"), picture()
    survey = OcclusionSurvey(module, inputs, window=3, stride=2).run()
    assert sum(passes) == survey.forward_passes == survey.grid.count == 36
    scores = survey.scores
    for kind in SCORE_KINDS:
        for question in (Question(0, None, kind), Question(2, 3, kind)):
            by_hand = question.scores(survey.clean[None]) - question.scores(scores)
            expected = survey.grid.spread(by_hand.numpy())
            np.testing.assert_allclose(ask(survey, question), expected, atol=1e-5)
    survey.flips()
    assert sum(passes) == survey.forward_passes == 36


def test_at_any_moment_the_map_is_full_and_finite():
    module, inputs = network("positional"), picture(20, 23)
    survey = OcclusionSurvey(module, inputs, window=4, stride=1, batch_size=5)
    assert not ask(survey, Question(0)).any(), "nothing is known, so nothing is said"
    progress, errors = [], []
    final = captum(module, inputs, (4, 4), (1, 1), Question(0))
    for done, total in survey.steps():
        values = ask(survey, Question(0))
        assert values.shape == (20, 23)
        assert np.isfinite(values).all()
        assert survey.scores.isnan().any(1).sum() == total - done == (~survey.known).sum()
        progress.append(done)
        errors.append(np.abs(values - final).mean())
    assert progress == sorted(set(progress))
    assert progress[-1] == total == survey.grid.count == 17 * 20
    assert max(np.diff([0, *progress])) <= 5
    assert errors[-1] < 1e-6
    assert errors[len(errors) // 3] < errors[0] / 2


def test_interrupted_and_continued():
    module, inputs = network("concatenated"), picture()
    whole = OcclusionSurvey(module, inputs, window=4, stride=1, baseline=1e-9).run()
    survey = OcclusionSurvey(module, inputs, window=4, stride=1, batch_size=7)
    steps = survey.steps()
    next(steps)
    done, _ = next(steps)
    steps.close()
    assert survey.known.sum() == survey.forward_passes == done < survey.grid.count
    survey.run()
    assert survey.forward_passes == survey.grid.count, "nothing was visited twice"
    torch.testing.assert_close(survey.scores, whole.scores, atol=1e-5, rtol=1e-5)
    assert list(survey.steps()) == []


def test_restored_from_an_earlier_survey(passes):
    module, image = network("residual"), picture()
    earlier = OcclusionSurvey(module, image, window=8, stride=4).run()
    clean, scores, count = earlier.clean, earlier.scores, sum(passes)
    memory.forget()
    later = OcclusionSurvey(module, image, window=8, stride=4)
    later.restore(clean, scores)
    assert later.known.all()
    later.run()
    assert torch.equal(later.attribution(1, contrast=0), earlier.attribution(1, contrast=0))
    assert sum(passes) == count


@pytest.mark.parametrize(("windows", "classes"), [(1, 0), (0, 1), (-1, 0)])
def test_scores_of_another_shape_are_not_taken_over(windows, classes):
    survey = OcclusionSurvey(network("residual"), picture(), window=8, stride=4)
    scores = torch.zeros(survey.grid.count + windows, CLASSES + classes)
    with pytest.raises(ValueError, match=f"there are {survey.count} pictures"):
        survey.restore(torch.zeros(CLASSES), scores)
    assert not survey.known.any()


def test_two_walks_over_one_survey_share_the_work():
    survey = OcclusionSurvey(network("strided"), picture(), window=3, stride=1, batch_size=6)
    first, second = survey.steps(), survey.steps()
    next(first)
    next(second)
    list(second)
    list(first)
    assert survey.known.all()
    assert survey.forward_passes <= survey.grid.count + 6, "a window was visited twice"


def test_what_is_known_is_not_visited_again():
    module, inputs = network("strided"), picture(12, 16)
    first = OcclusionSurvey(module, inputs, window=4, stride=4).run()
    again = OcclusionSurvey(module, inputs.clone(), window=4, stride=4)
    assert again.known.all()
    assert again.run().forward_passes == 0
    assert torch.equal(again.scores, first.scores)
    # All corners of the coarse grid are corners of the fine one.
    finer = OcclusionSurvey(module, inputs, window=4, stride=2)
    assert finer.known.sum() == first.grid.count
    assert finer.run().forward_passes == finer.grid.count - first.grid.count
    np.testing.assert_allclose(
        ask(finer, Question(1)), captum(module, inputs, (4, 4), (2, 2), Question(1)), atol=1e-5
    )
    # A stride of 3 shares with a stride of 2 what lies at multiples of 6, and with 4 those of 12.
    other = OcclusionSurvey(module, inputs, window=4, stride=3)
    shared = sum(t % 2 == 0 and left % 2 == 0 for t, left in other.grid.corners)
    assert other.known.sum() >= shared > 0
    unknown = int((~other.known).sum())
    assert other.run().forward_passes == unknown


def test_the_same_baseline_said_otherwise_is_the_same():
    module, inputs = network("strided"), picture()
    OcclusionSurvey(module, inputs, window=4, stride=4, baseline=0.5).run()
    tensor = torch.full_like(inputs, 0.5)
    assert OcclusionSurvey(module, inputs, window=4, stride=4, baseline=tensor).known.all()


@pytest.mark.parametrize(
    "other",
    [
        {"baseline": 1.0},
        {"window": 5},
        {"window": (4, 5)},
        {"inputs": picture(seed=1)},
        {"module": network("strided", 0)},
    ],
    ids=["baseline", "window", "width", "picture", "module"],
)
def test_what_is_different_is_visited(other):
    setting = {"module": network("strided"), "inputs": picture(), "window": 4, "stride": 4}
    OcclusionSurvey(**setting).run()
    survey = OcclusionSurvey(**{**setting, **other})
    assert not survey.known.any()
    assert survey.run().forward_passes == survey.grid.count


@pytest.mark.parametrize("behind_the_back", [True, False])
def test_changed_weights_meet_no_old_scores(behind_the_back):
    module, inputs = network("strided"), picture()
    before = OcclusionSurvey(module, inputs, window=4, stride=4).run()
    if behind_the_back:
        module[0].weight.data.mul_(-2)
    else:
        with torch.no_grad():
            module[0].weight.mul_(-2)
    after = OcclusionSurvey(module, inputs, window=4, stride=4).run()
    assert after.forward_passes == after.grid.count
    assert not torch.allclose(before.scores, after.scores)
    expected = captum(module, inputs, (4, 4), (4, 4), Question(0))
    np.testing.assert_allclose(ask(after, Question(0)), expected, atol=1e-5)


def test_flips_by_hand():
    # Logits 3 and 2. Without column 0 (worth 2) the right half wins, without column 1 it is even
    # at 2, where the first class stays on top.
    inputs = torch.tensor([2.0, 1.0, 1.0, 1.0]).view(1, 1, 1, 4)
    survey = OcclusionSurvey(Sums(), inputs, window=1, stride=1)
    assert survey.flips() == []
    (flip,) = survey.run().flips()
    assert (flip.top, flip.left, flip.index) == (0, 0, 1)
    assert flip.probability == pytest.approx(np.e / (1 + np.e))
    assert flip.before == pytest.approx(1 / (1 + np.e))


def test_flips_are_told_strongest_first_and_as_the_network_says():
    module, inputs = network("positional", 3), 3 * picture(14, 14, seed=5)
    survey = OcclusionSurvey(module, inputs, window=7, stride=1, baseline=4.0).run()
    flips = survey.flips()
    top = int(survey.clean.argmax())
    changed = survey.scores.argmax(1) != top
    assert len(flips) == int(changed.sum()) > 3
    strength = [flip.probability - flip.before for flip in flips]
    assert strength == sorted(strength, reverse=True)
    for flip in flips[:3]:
        assert isinstance(flip, Flip)
        covered = inputs.clone()
        covered[..., flip.top : flip.top + 7, flip.left : flip.left + 7] = 4.0
        with torch.no_grad():
            probabilities = module(covered).softmax(1)[0]
        assert int(probabilities.argmax()) == flip.index != top
        assert float(probabilities[flip.index]) == pytest.approx(flip.probability, abs=1e-5)
        assert float(probabilities[top]) == pytest.approx(flip.before, abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"inputs": torch.zeros(2, 3, 12, 12)}, "The input has shape (2, 3, 12, 12): give one"),
        ({"inputs": torch.zeros(3, 12, 12)}, "The input has shape (3, 12, 12): give one"),
        ({"inputs": torch.zeros(0, 3, 12, 12)}, "The input has shape (0, 3, 12, 12): give one"),
        ({"inputs": torch.zeros(1, 3, 12, 12).int()}, "The input is torch.int32: give a floating"),
        ({"inputs": torch.full((1, 3, 12, 12), torch.nan)}, "The input holds values that are not"),
        ({"baseline": torch.zeros(1, 3, 12, 11)}, "The baseline has shape (1, 3, 12, 11): give"),
        ({"baseline": "grey"}, "The baseline is 'grey': give a number or a tensor"),
        ({"baseline": True}, "The baseline is True: give a number or a tensor"),
        ({"baseline": float("nan")}, "The baseline holds values that are not finite numbers"),
        ({"baseline": torch.zeros(3, 12, 12)}, "The baseline has shape (3, 12, 12): give a number"),
        ({"window": 0}, "Window height: 0 pixels; choose between 1 and 12"),
        ({"window": (4, 13)}, "Window width: 13 pixels; choose between 1 and 12"),
        ({"stride": 0}, "Stride for window height: 0 pixels; choose between 1 and 4"),
        ({"stride": 5}, "Stride for window height: 5 pixels; choose between 1 and 4"),
        ({"window": (1, 2, 3)}, "(1, 2, 3) is not a size: give one whole number"),
        ({"window": (2.5, 3)}, "(2.5, 3) is not a size: give one whole number"),
        ({"window": 2.5}, "2.5 is not a size: give one whole number"),
        ({"stride": None}, "None is not a size: give one whole number"),
        ({"batch_size": 0}, "Batch size: 0; choose 1 or more."),
    ],
)
def test_refused_with_a_sentence(wrong, sentence):
    setting = {"module": network("strided"), "inputs": picture(), "window": 4, "stride": 4}
    with pytest.raises(SettingError) as refused:
        OcclusionSurvey(**{**setting, **wrong})
    assert str(refused.value).startswith(sentence)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "question", [Question(CLASSES), Question(-1), Question(0, 0), Question(0, kind="odds")]
)
def test_questions_out_of_range(question):
    survey = OcclusionSurvey(network("strided"), picture(), window=4, stride=4)
    with pytest.raises(SettingError, match=SENTENCE):
        ask(survey, question)
    with pytest.raises(SettingError, match=SENTENCE):
        next(survey_steps(survey, question))


def test_numbers_of_numpy_are_numbers():
    window = WindowGrid((12, 12), (4, 4), (4, 4)).corners[1, 1]  # an int64, as grids give them
    survey = OcclusionSurvey(network("strided"), picture(), window=window, stride=window)
    assert survey.grid.count == 9


class Sour(nn.Module):
    """Gives no number as soon as a pixel is 99, or any input at all is there if ``always``."""

    def __init__(self, always=False):
        super().__init__()
        self.always = always
        self.body = network("strided")

    def forward(self, x):
        bad = (x == 99).flatten(1).any(1) | self.always
        return torch.where(bad[:, None], torch.nan, self.body(x))


def test_scores_that_are_no_numbers_are_reported():
    with pytest.raises(ModelError, match=SENTENCE) as refused:
        OcclusionSurvey(Sour(always=True), picture(), window=4, stride=4).run()
    assert "scores that are not finite numbers for 1 of 1 inputs" in str(refused.value)
    survey = OcclusionSurvey(Sour(), picture(), window=4, stride=4, baseline=99.0)
    with pytest.raises(ModelError, match=SENTENCE):
        survey.run()
    assert not survey.known.any(), "what is no number is not remembered as known"
    assert np.isfinite(ask(survey, Question(0))).all()


class Fragile(nn.Module):
    """Works for so many pictures at a time, and breaks as soon as there are more."""

    def __init__(self, most):
        super().__init__()
        self.most = most
        self.body = network("grouped")

    def forward(self, x):
        if len(x) > self.most:
            raise RuntimeError("the fan stopped")
        return self.body(x)


def state(module):
    return (
        [part.training for part in module.modules()],
        [p.requires_grad for p in module.parameters()],
        [p.grad is None for p in module.parameters()],
        [p.stride() for p in module.state_dict().values()],
        [p.data_ptr() for p in module.state_dict().values()],
        [p._version for p in module.state_dict().values()],
        [
            len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks)
            for part in module.modules()
        ],
        {name: sorted(vars(part)) for name, part in module.named_modules()},
    )


def mixed(module):
    """Some parts learn, some do not, one has a hook."""
    module.train()
    list(module.modules())[-1].eval()
    next(module.parameters()).requires_grad_(False)
    module.register_forward_hook(lambda *_: None)
    return module


@pytest.mark.parametrize("name", ["grouped", "residual", "untraceable"])
def test_the_module_is_left_as_it_was(name):
    module, inputs = mixed(network(name)), picture()
    before, was = state(module), inputs.clone()
    survey = OcclusionSurvey(module, inputs, window=4, stride=2)
    assert state(module) == before
    steps = survey.steps()
    next(steps)
    assert state(module) == before
    list(steps)
    assert state(module) == before
    assert torch.equal(inputs, was)
    assert inputs.is_contiguous()
    # Though it was learning, it was asked as one that has learnt.
    expected = captum(module.eval(), inputs, (4, 4), (2, 2), Question(0))
    np.testing.assert_allclose(ask(survey, Question(0)), expected, atol=1e-5)


def test_a_module_that_takes_one_picture_at_a_time_gets_one():
    module, inputs = Fragile(1).eval(), picture()
    survey = OcclusionSurvey(module, inputs, window=4, stride=2).run()
    assert survey.fallback is None
    expected = captum(module, inputs, (4, 4), (2, 2), Question(0), batch=1)
    np.testing.assert_allclose(ask(survey, Question(0)), expected, atol=1e-5)


def test_the_module_is_left_as_it_was_after_errors():
    module = mixed(Fragile(0))
    before = state(module)
    with pytest.raises(ModelError, match="the fan stopped"):
        OcclusionSurvey(module, picture(), window=4, stride=2).run()
    assert state(module) == before
    sour = mixed(Sour(always=True))
    before = state(sour)
    with pytest.raises(ModelError):
        OcclusionSurvey(sour, picture(), window=4, stride=2).run()
    assert state(sour) == before


def test_inputs_that_ask_for_gradients_are_only_looked_at():
    inputs = picture().requires_grad_()
    survey = OcclusionSurvey(network("residual"), inputs, window=4, stride=4).run()
    assert not survey.scores.requires_grad
    assert inputs.grad is None
    assert inputs.requires_grad


def test_what_cannot_be_traced_says_so():
    assert OcclusionSurvey(network("strided"), picture(), window=4, stride=4).fallback is None
    fallback = OcclusionSurvey(network("untraceable"), picture(), window=4, stride=4).fallback
    assert "cannot be exported" in fallback


@pytest.mark.parametrize("name", ["strided", "untraceable"])
def test_the_work_that_was_done_is_a_share_of_the_dense_work(name):
    survey = OcclusionSurvey(network(name), picture(40, 40), window=4, stride=4)
    share = survey.multiply_adds_share()
    assert share == 1 if survey.fallback else 0 < share < 0.5


def test_several_surveys_in_several_threads():
    module, twin = network("residual"), network("concatenated", 4)
    cases = [
        (module, picture(14, 15), 5, 1),
        (module, picture(14, 15, seed=1), 4, 1),
        (twin, picture(14, 15), 3, 1),
        (module, picture(14, 15), 5, 2),
    ]
    together = threading.Barrier(len(cases))

    def work(case):
        chosen, inputs, window, stride = case
        together.wait(10)
        survey = OcclusionSurvey(chosen, inputs, window=window, stride=stride, batch_size=4)
        return ask(survey.run(), Question(2))

    with ThreadPoolExecutor(len(cases)) as pool:
        found = list(pool.map(work, cases))
    for (chosen, inputs, window, stride), values in zip(cases, found, strict=True):
        expected = captum(chosen, inputs, (window,) * 2, (stride,) * 2, Question(2))
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_one_survey_in_several_threads():
    module, inputs = network("residual"), picture(15, 15)
    survey = OcclusionSurvey(module, inputs, window=4, stride=1, batch_size=3)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: survey.run(), range(3)))
    expected = captum(module, inputs, (4, 4), (1, 1), Question(2))
    np.testing.assert_allclose(ask(survey, Question(2)), expected, atol=1e-5)


@pytest.fixture
def small_memory(rescored):
    """An incremental network that has room for so many windows and no more."""

    def room_for(most, error=None):
        error = error or RuntimeError("[enforce fail] can't allocate memory: you tried")

        def limited(size):
            if size > most:
                raise error

        rescored.before = limited
        return rescored

    return room_for


@pytest.mark.parametrize("error", [None, MemoryError(), torch.OutOfMemoryError("CUDA is full")])
def test_out_of_memory_halves_the_batch_and_goes_on(small_memory, error):
    module, inputs = network("strided"), picture(20, 20)
    tried = small_memory(3, error)
    survey = OcclusionSurvey(module, inputs, window=4, stride=1, batch_size=16).run()
    assert [size for size in tried if size > 3] == [16, 8, 4], "each size fails once and no more"
    assert survey.known.all()
    assert sum(size for size in tried if size <= 3) == survey.forward_passes == survey.grid.count
    expected = captum(module, inputs, (4, 4), (1, 1), Question(0))
    np.testing.assert_allclose(ask(survey, Question(0)), expected, atol=1e-5)


@pytest.mark.parametrize(("pictures", "largest"), [(3.5, 3), (0.1, 1), (1e9, 32)])
def test_batches_fit_into_the_memory_that_is_free(small_memory, monkeypatch, pictures, largest):
    tried = small_memory(1000)
    module, inputs = network("strided"), picture()
    live = IncrementalNetwork(module, inputs).keep(inputs).live_bytes
    free = int(pictures * 4 * live)  # the transforms' scratch memory included
    monkeypatch.setattr("core.methods.survey.free_bytes", lambda _: free)
    survey = OcclusionSurvey(module, inputs, window=4, stride=1).run()
    assert largest / 2 < max(tried) <= largest
    assert survey.known.all()


def test_a_batch_that_did_not_fit_is_not_tried_again(small_memory):
    # The first leg has four windows here, fewer than the batch size that is to be halved.
    tried = small_memory(3)
    OcclusionSurvey(network("strided"), picture(), window=4, stride=1, batch_size=16).run()
    assert [size for size in tried if size > 3] == [4]


def test_no_memory_at_all(small_memory):
    small_memory(0)
    survey = OcclusionSurvey(network("strided"), picture(), window=4, stride=1, batch_size=4)
    with pytest.raises(ResourceError) as refused:
        survey.run()
    assert str(refused.value) == (
        "Not even one picture fits into memory: choose a smaller model, or close other programs."
    )


def test_other_errors_are_not_taken_for_lack_of_memory(small_memory):
    tried = small_memory(0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        OcclusionSurvey(network("strided"), picture(), window=4, stride=1).run()
    assert len(tried) == 1


def test_steps_of_a_map():
    module, inputs = network("strided"), picture()
    survey = OcclusionSurvey(module, inputs, window=4, stride=1, batch_size=9)
    question = Question(1, 2, "probability")
    steps = list(survey_steps(survey, question))
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert (steps[0].done, steps[-1].done) == (0, survey.grid.count)
    made = steps[-1].snapshot()
    np.testing.assert_array_equal(made.values, ask(survey, question))
    assert (made.method, made.question) == ("occlusion", question)
    assert dict(made.parameters) == {"window": (4, 4), "stride": (1, 1)}
    assert made.forward_passes == survey.grid.count
    assert made.seconds == survey.seconds > 0
    (only,) = survey_steps(survey, Question(0))
    assert only.done == only.total == survey.grid.count


def test_a_map_given_up_half_way():
    survey = OcclusionSurvey(network("strided"), picture(), window=4, stride=1, batch_size=9)
    steps = survey_steps(survey, Question(0))
    next(steps)
    next(steps)
    steps.close()
    assert 0 < survey.known.sum() < survey.grid.count
    assert survey.run().forward_passes == survey.grid.count


def test_a_baseline_for_each_channel():
    module, inputs = network("strided"), picture()
    colour = torch.tensor([0.5, -1.0, 2.0]).view(1, 3, 1, 1)
    found = OcclusionSurvey(module, inputs, window=4, stride=4, baseline=colour).run()
    whole = OcclusionSurvey(module, inputs, window=4, stride=4, baseline=colour.expand_as(inputs))
    torch.testing.assert_close(found.scores, whole.run().scores)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_by_itself_says_the_same_and_is_not_prepared_for_it(name, monkeypatch):
    module, inputs = network(name), picture()
    expected = OcclusionSurvey(module, inputs, window=(7, 5), stride=4).run()
    with monkeypatch.context() as patch:
        patch.setattr(memory, "prepared", lambda *_: pytest.fail("prepared"))
        memory.forget()
        survey = OcclusionSurvey(module, inputs, window=(7, 5), stride=4).run_by_itself()
        assert survey.known.all()
        scores = survey.scores
    torch.testing.assert_close(scores, expected.scores, rtol=1e-4, atol=1e-4)
    assert survey.forward_passes == survey.agreement.windows == survey.grid.count
    assert survey.agreement.difference == 0
    assert list(survey.steps()) == []
