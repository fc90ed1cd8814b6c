"""Quick maps: what they cost, what they visit, and that they are the method's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.engine.remembered import memory
from core.errors import SettingError
from core.methods.cam_methods import ChannelCamSetting, GradCamSetting
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import (
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.gradients import gradient_steps
from core.methods.occlusion import OcclusionSurvey
from core.methods.preview import coarse
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.methods.superpixels import superpixels
from core.trust.coarse_maps import Asking, quick_map, quick_passes
from tests.able import OF_REGIONS, module_for
from tests.core.methods.test_grad_cam import stages
from tests.toys import Counted, Weighted, drained, network, picture, state

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 28
FINE = OcclusionSetting(6, 2)  # more windows than are visited at once


def seen(side=SIDE):
    colours = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((side, side))


def asking(setting, question=None, **more):
    baseline = torch.zeros(1, 3, SIDE, SIDE)
    return Asking(question or Question(1), setting, baseline, seen(), **more)


def quick(setting, module=None, inputs=None, **more):
    inputs = picture(SIDE, SIDE) if inputs is None else inputs
    return drained(quick_map(module or stages(), inputs, asking(setting, **more)))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.usefixtures("teams")
def test_every_method_costs_what_was_said(name):
    setting = METHODS[name].setting
    module = module_for(name)
    before = state(module)
    question = Question(int(module(picture(SIDE, SIDE)).detach().argmax()))
    yielded, values = quick(setting, module, question=question)
    said = quick_passes(setting, SIDE)
    if name == "superpixels":
        assert sum(yielded) == superpixels(seen(), said).max()
        assert said / 2.5 < sum(yielded) < 2 * said
    elif name in OF_REGIONS:
        assert 16 < sum(yielded) <= said  # a search may end before
    elif isinstance(setting, ChannelCamSetting):
        assert sum(yielded) == 8 < said  # the layer has no more channels
    else:
        assert sum(yielded) == said
    assert said <= 64
    assert (values.shape, values.dtype) == ((SIDE, SIDE), np.float32)
    assert np.isfinite(values).all()
    assert np.abs(values).max() > 0
    assert state(module) == before


@settings(max_examples=25, deadline=None)
@given(
    side=st.integers(8, 40),
    window=st.integers(1, 12),
    stride=st.integers(1, 12),
)
def test_windows_are_counted_as_they_are_visited(side, window, stride):
    setting = OcclusionSetting(min(window, side), min(stride, window, side))
    inputs = picture(side, side)
    question = Asking(Question(0), setting, torch.zeros(1, 3, side, side), seen(side))
    yielded, _ = drained(quick_map(network("strided"), inputs, question))
    assert sum(yielded) == quick_passes(setting, side)


def test_a_quick_map_of_few_points_is_the_method_itself():
    assert METHODS["occlusion"].setting.quick() == METHODS["occlusion"].setting
    for setting in (
        GradientSetting("saliency"),
        GradientSetting("deep_lift", "blur"),
        GradCamSetting(kind="guided_grad_cam"),
        IntegratedGradientsSetting(8, "black"),
        GradientShapSetting(8),
        SmoothSetting(IntegratedGradientsSetting(4), "vargrad", 4, 0.3, 7),
        SuperpixelSetting(30),
    ):
        assert setting.quick() == setting


@pytest.mark.parametrize("name", METHODS)
def test_a_quick_setting_is_the_same_method_and_needs_no_quicker_one(name):
    setting = METHODS[name].setting
    found = setting.quick()
    assert found.name == name
    assert found.quick() == found
    assert quick_passes(found, 224) == quick_passes(setting, 224)
    for kept in ("baseline", "seed", "stdev", "layer", "window", "stride"):
        assert getattr(found, kept, None) == getattr(setting, kept, None)


def test_many_points_become_few_and_few_stay():
    assert quick_passes(IntegratedGradientsSetting("enough"), 224) == 8
    assert quick_passes(IntegratedGradientsSetting(2), 224) == 8
    assert quick_passes(GradientShapSetting(20), 224) == 8
    assert quick_passes(GradientShapSetting(3), 224) == 3
    assert quick_passes(SmoothSetting(GradientSetting("saliency"), samples=20), 224) == 4
    assert quick_passes(SmoothSetting(GradientSetting("saliency"), samples=2), 224) == 2
    assert quick_passes(SmoothSetting(IntegratedGradientsSetting(50), samples=9), 224) == 16
    assert quick_passes(SuperpixelSetting(300), 224) == 60
    assert quick_passes(OcclusionSetting(15, 8), 224) == 7 * 7  # of 28 x 28


def test_the_map_is_that_of_the_quick_setting():
    inputs, module = picture(SIDE, SIDE), stages()
    for setting in (GradientSetting("input_x_gradient"), METHODS["smoothgrad_sq"].setting):
        *_, last = gradient_steps(module, inputs, Question(1), setting.quick())
        np.testing.assert_allclose(quick(setting, module)[1], last.snapshot().values, atol=1e-6)


def test_occlusion_visits_the_coarse_windows_and_no_others():
    inputs, module = picture(SIDE, SIDE), stages()
    yielded, values = quick(FINE, module, inputs)
    survey = OcclusionSurvey(module, inputs, window=6, stride=2)
    np.testing.assert_array_equal(survey.known, coarse(survey.grid.shape))
    assert sum(yielded) == survey.known.sum() < survey.grid.count / 8
    np.testing.assert_allclose(values, survey.attribution(1).numpy(), atol=1e-6)


def test_occlusion_of_few_windows_is_the_finished_map():
    setting, inputs, module = OcclusionSetting(10, 6), picture(SIDE, SIDE), stages()
    _, values = quick(setting, module, inputs)
    memory.forget()
    survey = OcclusionSurvey(module, inputs, window=10, stride=6).run()
    np.testing.assert_allclose(values, survey.attribution(1).numpy(), atol=1e-5)


def test_baseline_question_and_input_are_the_given_ones():
    first = asking(FINE)
    cases = (
        (picture(SIDE, SIDE), replace(first, baseline=picture(SIDE, SIDE, 5))),
        (picture(SIDE, SIDE), replace(first, question=Question(2))),
        (picture(SIDE, SIDE, 6), first),
    )
    inputs, module = picture(SIDE, SIDE), stages()
    _, values = drained(quick_map(module, inputs, first))
    for given_inputs, other in cases:
        _, changed = drained(quick_map(module, given_inputs, other))
        assert np.abs(changed - values).max() > 1e-4


@pytest.mark.parametrize(
    "setting",
    [FINE, SuperpixelSetting(6), GradientSetting("saliency"), IntegratedGradientsSetting(4)],
    ids=lambda setting: setting.name,
)
def test_a_network_that_says_nothing_usable_gives_zeros(setting):
    for weights in (torch.full((1, 3, SIDE, SIDE), torch.nan), torch.zeros(1, 3, SIDE, SIDE)):
        yielded, values = quick(setting, Weighted(weights), question=Question(0))
        np.testing.assert_array_equal(values, np.zeros((SIDE, SIDE), np.float32))
        assert values.dtype == np.float32
        assert sum(yielded) <= 2 * quick_passes(setting, SIDE)


def test_what_a_person_chose_wrongly_is_still_said():
    with pytest.raises(SettingError, match="choose one between 0 and 3"):
        quick(GradientSetting("saliency"), question=Question(7))
    with pytest.raises(SettingError, match='no layer "stem2"'):
        quick(GradCamSetting("stem2"))


def test_it_may_be_closed_and_begun_again():
    module = Counted(network("strided"))
    steps = quick_map(module, picture(SIDE, SIDE), asking(FINE))
    while not next(steps):
        pass
    before = len(module.seen)
    steps.close()
    assert len(module.seen) == before
    yielded, values = quick(FINE, module)
    assert sum(yielded) == quick_passes(FINE, SIDE)
    assert np.abs(values).max() > 0
