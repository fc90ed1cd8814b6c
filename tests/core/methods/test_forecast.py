"""A gradient map costs no more passes than were forecast."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import (
    MOST_POINTS,
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.gradients import gradient_steps
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.methods.settings import SurveySetting
from tests.able import SIDE, module_for
from tests.core.methods.test_grad_cam import stages
from tests.toys import picture

pytestmark = pytest.mark.usefixtures("one_thread")

PLAIN = st.one_of(
    st.builds(IntegratedGradientsSetting, steps=st.integers(1, 20)),
    st.builds(GradientSetting, method=st.sampled_from(["saliency", "deep_lift"])),
)


@settings(max_examples=15, deadline=None)
@given(
    setting=st.one_of(
        PLAIN,
        st.builds(SmoothSetting, method=PLAIN, samples=st.integers(1, 4)),
        st.builds(GradientShapSetting, samples=st.integers(1, 9)),
    )
)
def test_as_many_passes_as_forecast(setting):
    last = list(gradient_steps(stages(), picture(16, 12), Question(1), setting))[-1]
    assert last.total == setting.passes((16, 12))


def test_enough_is_forecast_as_the_most():
    setting = IntegratedGradientsSetting("enough")
    assert setting.passes((16, 12)) == MOST_POINTS
    last = list(gradient_steps(stages(), picture(16, 12), Question(1), setting))[-1]
    assert last.total <= MOST_POINTS


@pytest.mark.parametrize("name", METHODS)
def test_every_gradient_method(name):
    setting = METHODS[name].setting
    if isinstance(setting, SurveySetting):
        return
    module, inputs = module_for(name), picture(SIDE, SIDE)
    question = Question(int(module(inputs).detach().argmax()))
    last = list(gradient_steps(module, inputs, question, setting))[-1]
    assert 1 <= last.total <= setting.passes((SIDE, SIDE))


@pytest.mark.parametrize(
    ("setting", "passes"),
    [
        (OcclusionSetting(15, 8), 784),
        (OcclusionSetting(224, 3), 1),
        (SuperpixelSetting(60), 60),
        (IntegratedGradientsSetting(50), 50),
        (SmoothSetting(IntegratedGradientsSetting(1000), samples=200), 200_000),
        (GradientSetting("saliency"), 1),
    ],
)
def test_passes_of_every_kind_of_method(setting, passes):
    assert setting.passes((224, 224)) == passes
