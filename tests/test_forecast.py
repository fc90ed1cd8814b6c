"""A gradient map costs no more passes than were forecast."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_grad_cam import stages
from toys import picture

from core.forecast import all_passes, gradient_passes
from core.gradients import gradient_steps
from core.integration import MOST_POINTS
from core.methods import METHODS
from core.scores import Question
from core.settings import (
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    OcclusionSetting,
    SmoothSetting,
    SuperpixelSetting,
)

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
    assert last.total == gradient_passes(setting)


def test_enough_is_forecast_as_the_most():
    setting = IntegratedGradientsSetting("enough")
    assert gradient_passes(setting) == MOST_POINTS
    last = list(gradient_steps(stages(), picture(16, 12), Question(1), setting))[-1]
    assert last.total <= MOST_POINTS


@pytest.mark.parametrize("name", METHODS)
def test_every_gradient_method(name):
    setting = METHODS[name].setting
    if isinstance(setting, OcclusionSetting | SuperpixelSetting):
        return
    last = list(gradient_steps(stages(), picture(16, 12), Question(1), setting))[-1]
    assert 1 <= last.total <= gradient_passes(setting)


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
    assert all_passes(setting, 224) == passes
