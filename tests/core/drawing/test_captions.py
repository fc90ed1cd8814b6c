"""How a map was made, in words that are the same everywhere."""

import numpy as np
import pytest

from core.drawing.captions import (
    baseline_words,
    completeness,
    finding,
    method_title,
    remark,
    settings_words,
)
from core.methods.attribution import Attribution
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.methods.settings import parameters
from core.models.heads import Head


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
        (made("attention_rollout", fusion="max"), "max of heads"),
        (made("legrad", start=9), "from layer 9 on"),
        (made("gradient_rollout"), ""),
        (made("saliency"), ""),
        (
            made("enough"),
            "16 × 16 blocks, regions: at most 1, keeping 0.9 of the probability",
        ),
        (made("deep_lift"), ""),
        (made("guided_backprop"), ""),
    ],
    ids=lambda value: value.method if isinstance(value, Attribution) else "",
)
def test_settings(found, words):
    assert settings_words(found) == words


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("grad_cam", "no evidence for this class in this layer"),
        ("gradient_rollout", "no attention raises this score"),
        ("legrad", "no attention raises this score"),
        ("vargrad", ""),
    ],
)
def test_what_a_map_of_zeros_means(method, words):
    assert remark(made(method), ()) == words
    assert remark(made(method, total=1.0), ()) == ""


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
    assert completeness(found, "logits") == "completeness: sum 6.00 of 8.00 logits (off by 25.0 %)"
    assert completeness(found, "%", 100) == "completeness: sum 600.0 of 800.0 % (off by 25.0 %)"
    found = made("deep_lift", -8.0, -6.0)
    assert (
        completeness(found, "logits") == "completeness: sum −6.00 of −8.00 logits (off by 25.0 %)"
    )
    assert (
        completeness(made("deep_lift", 0.0, 0.5), "logits") == "completeness: sum 0.50 of 0 logits"
    )


@pytest.mark.parametrize(
    ("method", "question", "regions", "words"),
    [
        (
            "enough",
            Question(0),
            [(0.043, 0, 0.486, 0.486)],
            "4 % of the picture, shown alone, is enough for swan, 49 %: the smallest region found",
        ),
        (
            "enough",
            Question(0, 1),
            [(0.08, 0, 0.6, 0.6), (0.07, 0, 0.5, 0.5)],
            "8 % of the picture, shown alone, is enough for swan, 60 %, before goose; 7 % of the "
            "picture, shown alone, is enough for swan, 50 %, before goose: separate regions, each "
            "the smallest found",
        ),
        (
            "counterfactual",
            Question(0),
            [(0.008, 1, 0.287, 0.21)],
            "covering 0.8 % of the picture changes the answer to goose, 29 %: the smallest region "
            "found",
        ),
        (
            "counterfactual",
            Question(0, 1),
            [(0.02, 1, 0.3, 0.25)],
            "covering 2 % of the picture puts goose before swan, which is at 25 %: the smallest "
            "region found",
        ),
        (
            "counterfactual",
            Question(0, head=Head("sigmoid", (0.2,))),
            [(0.02, 0, 0.25, 0.25)],
            "covering 2 % of the picture takes swan over its threshold, to 25 %: the smallest "
            "region found",
        ),
        (
            "counterfactual",
            Question(0, head=Head("sigmoid")),
            [(0.02, 0, 0.25, 0.25)],
            "covering 2 % of the picture takes swan under its threshold, to 25 %: the smallest "
            "region found",
        ),
    ],
)
def test_what_a_search_for_regions_found(method, question, regions, words):
    keys = ("share", "answer", "probability", "target_probability")
    found = {"regions": [dict(zip(keys, each, strict=True)) for each in regions]}
    map_ = Attribution(np.zeros((2, 2)), method, question, found=found)
    assert remark(map_, ("swan", "goose")) == words
    assert finding(map_, None, ("swan", "goose")) == f"{words[0].upper()}{words[1:]}."
