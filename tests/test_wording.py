"""How a map was made, in words that are the same everywhere."""

import numpy as np
import pytest

from core.attribution import Attribution
from core.methods import METHODS
from core.scores import Question
from core.settings import parameters
from core.wording import baseline_words, completeness, method_title, settings_words


def made(method, change=None, total=0.0, passes=0, **changed):
    found = {**parameters(METHODS[method].setting), **changed}
    return Attribution(
        values=np.array([[total]]), method=method, question=Question(0), parameters=found,
        forward_passes=passes, change=change,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (made("occlusion"), "window 15, stride 8"),
        (made("superpixels", patches=57), "57 patches"),
        (made("integrated_gradients", steps=50), "50 steps"),
        (made("integrated_gradients", passes=43), "41 steps, placed where needed"),
        (made("gradient_shap"), "20 samples, noise 0.1, seed 0"),
        (made("smoothgrad"), "Saliency on 20 noisy copies, noise 0.3, seed 0"),
        (
            made("smoothgrad_sq", seed=7),
            "Integrated Gradients of 50 steps on 10 noisy copies, noise 1, seed 7",
        ),
        (made("grad_cam"), "last layer with a map"),
        (made("guided_grad_cam", layer="layer3"), "layer layer3"),
        (made("saliency"), ""),
        (made("deep_lift"), ""),
        (made("guided_backprop"), ""),
    ],
    ids=lambda value: value.method if isinstance(value, Attribution) else "",
)
def test_settings(found, words):
    assert settings_words(found) == words


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_all_words(name):
    found = made(name, patches=3)
    assert method_title(found) == METHODS[name].title
    assert isinstance(settings_words(found), str)
    takes_one = "baseline" in parameters(METHODS[name].setting)
    assert bool(baseline_words(found)) == takes_one


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (made("occlusion", baseline="grey"), "baseline grey (zero after normalisation)"),
        (made("deep_lift", baseline="blur:6"), "baseline picture blurred with sigma 6"),
        (made("smoothgrad_sq", baseline="noise:4"), "baseline uniform noise, seed 4"),
        (made("gradient_shap", baseline="picture:ab12"), "baseline another picture"),
        (made("integrated_gradients", baseline=0.5), ""),  # a number has no name
        (made("saliency", baseline="grey"), ""),
        (made("smoothgrad", baseline="grey"), ""),
    ],
)
def test_baselines(found, words):
    assert baseline_words(found) == words


def test_completeness():
    assert completeness(made("saliency", None, 3.0), "logits") == ""
    found = made("deep_lift", 8.0, 6.0)
    assert completeness(found, "logits") == "adds up to 6.00 of 8.00 logits (off by 25.0 %)"
    assert completeness(found, "%", 100) == "adds up to 600.0 of 800.0 % (off by 25.0 %)"
    found = made("deep_lift", -8.0, -6.0)
    assert completeness(found, "logits") == "adds up to −6.00 of −8.00 logits (off by 25.0 %)"
    assert completeness(made("deep_lift", 0.0, 0.5), "logits") == "adds up to 0.50 of 0 logits"
