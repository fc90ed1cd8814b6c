"""Methods by name: their options, what they refuse, and which networks cannot have them."""

from importlib import import_module

import pytest

from core.bundle import citations
from core.errors import SettingError
from core.methods.attention_methods import AttentionRolloutSetting, LeGradSetting
from core.methods.availability import why_not
from core.methods.cam_methods import CAM_KINDS, GradCamSetting
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import (
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.method import GROUPS
from core.methods.options import OPTIONS, of_use, options_of, with_options
from core.methods.registry import METHODS, method_named, title_of
from core.models.heads import Head
from tests.core.methods.test_grad_cam import Patches, stages
from tests.core.methods.test_rectifiers import built
from tests.toys import network, picture, seeded


class PatchesUndecided(Patches):
    """Cannot be exported."""

    def forward(self, x):
        return super().forward(-x if x.sum() > 1e9 else x)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_words(name):
    method = METHODS[name]
    assert method.title
    reading = method.reading.format(score="the logit of goose")
    assert not reading.endswith(".")
    assert "{" not in reading
    assert with_options(name, {}) == method.setting


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("integrated_gradients", {"steps": 9}, IntegratedGradientsSetting(9)),
        (
            "integrated_gradients",
            {"baseline": "blur:3"},
            IntegratedGradientsSetting("enough", "blur:3"),
        ),
        ("occlusion", {"window": 9, "baseline": "mean"}, OcclusionSetting(9, 8, "mean")),
        ("superpixels", {"segments": 5}, SuperpixelSetting(5)),
        ("deep_lift", {"baseline": "black"}, GradientSetting("deep_lift", "black")),
        ("gradient_shap", {"samples": 3, "seed": 4}, GradientShapSetting(3, 0.1, 4)),
        ("grad_cam", {"layer": "layer3"}, GradCamSetting("layer3")),
        ("layer_cam", {"layer": "all", "signed": True}, GradCamSetting("all", "layer_cam", True)),
        ("guided_grad_cam", {"layer": "layer3"}, GradCamSetting("layer3", "guided_grad_cam")),
        ("attention_rollout", {"fusion": "max"}, AttentionRolloutSetting("max")),
        ("legrad", {"start": 3}, LeGradSetting(3)),
        (
            "smoothgrad_sq",
            {"steps": 7, "baseline": "mean", "samples": 2, "stdev": 0.5, "seed": 1},
            SmoothSetting(IntegratedGradientsSetting(7, "mean"), "smoothgrad_sq", 2, 0.5, 1),
        ),
        (
            "vargrad",
            {"samples": 2},
            SmoothSetting(GradientSetting("saliency"), "vargrad", 2, 0.3),
        ),
    ],
)  # fmt: skip
def test_options_change_fields(name, options, expected):
    assert with_options(name, options) == expected


@pytest.mark.parametrize(
    ("name", "option", "some"),
    [
        ("saliency", "baseline", {"integrated_gradients", "occlusion", "smoothgrad_sq", "rise"}),
        ("grad_cam", "steps", {"integrated_gradients", "smoothgrad_sq"}),
        ("integrated_gradients", "window", {"occlusion"}),
        ("occlusion", "segments", {"superpixels", "kernel_shap", "lime"}),
        ("smoothgrad", "steps", {"integrated_gradients", "smoothgrad_sq"}),
        ("smoothgrad", "baseline", {"occlusion", "superpixels", "gradient_shap", "deep_lift"}),
        ("deep_lift", "samples", {"smoothgrad", "smoothgrad_sq", "vargrad", "gradient_shap"}),
        ("occlusion", "layer", {"grad_cam", "guided_grad_cam"}),
        ("eigen_cam", "signed", {"grad_cam", "layer_cam", "ablation_cam"}),
        ("superpixels", "masks", {"rise"}),
        ("counterfactual", "keep", {"enough"}),
    ],
)  # fmt: skip
def test_an_option_of_another_method_is_refused(name, option, some):
    with pytest.raises(SettingError) as refused:
        with_options(name, {option: 3})
    owners = [each for each in METHODS if option in options_of(each)]
    assert some <= set(owners)
    assert name not in owners
    others = ", ".join(owners)
    assert str(refused.value) == (
        f"--{option} does not belong to {name}, but to {others}: leave it out, or choose another "
        "method."
    )


@pytest.mark.parametrize("name", METHODS)
def test_an_entry_is_complete(name):
    """What the rest of the program takes from it is there."""
    method = METHODS[name]
    assert method.setting.name == name
    assert method.group in GROUPS
    assert method.unit.format("logit")
    assert citations.bibtex([method.setting]).strip()
    for path in filter(None, (method.compute, method.why_none)):
        module, function = path.split(".")
        assert callable(getattr(import_module(f"core.methods.{module}"), function))
    assert options_of(name) <= set(OPTIONS), "an option that no command line knows"


@pytest.mark.parametrize("option", ["method", "kind", "guided"])
@pytest.mark.parametrize("name", ["smoothgrad", "guided_grad_cam", "saliency"])
def test_what_decides_the_method_is_no_option(name, option):
    with pytest.raises(SettingError):
        with_options(name, {option: "saliency"})


def test_options_out_of_range():
    with pytest.raises(SettingError, match="Noisy samples: 1; choose between 2 and 200"):
        with_options("vargrad", {"samples": 1})
    with pytest.raises(SettingError, match="needs the same steps"):
        with_options("smoothgrad_sq", {"steps": "enough"})
    with pytest.raises(SettingError, match="Superpixels: 0"):
        with_options("superpixels", {"segments": 0})


NO_MAPS = "its later layers return values of which it is not known where in the picture they lie"
NO_RELU = "the network has no ReLU, so that nothing would be guided"
UNTRACED = "the network cannot be exported"
BY_ATTENTION = ("attention_rollout", "gradient_rollout", "legrad")


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (stages, {}),
        (
            lambda: seeded(Patches).eval(),
            {"guided_grad_cam": NO_RELU, "guided_backprop": NO_RELU},
        ),
        (
            lambda: built("other rules"),
            {"guided_backprop": NO_RELU, "guided_grad_cam": NO_RELU},
        ),
        (
            lambda: network("untraceable"),
            {"deep_lift": UNTRACED, "guided_backprop": UNTRACED, "guided_grad_cam": UNTRACED,
             "lrp": UNTRACED},
        ),
        (
            lambda: seeded(PatchesUndecided).eval(),
            {"deep_lift": UNTRACED, "guided_backprop": UNTRACED, "guided_grad_cam": UNTRACED,
             **dict.fromkeys({*CAM_KINDS, "score_cam", "ablation_cam"} - {"guided_grad_cam"},
                             NO_MAPS), "lrp": UNTRACED},
        ),
        (lambda: network("unpadded"), {"deep_lift": "it has no rule for silu"}),
    ],
)  # fmt: skip
def test_which_network_cannot_have_which_method(make, reasons):
    module = make()
    found = {name: why_not(module, picture(16, 12), name) for name in METHODS}
    attention = {found.pop(name) for name in BY_ATTENTION}
    assert attention == {UNTRACED if UNTRACED in reasons.values() else "it has no attention"}
    assert {name: reason for name, reason in found.items() if reason} == reasons


def test_an_option_is_called_as_it_is_written_where_it_comes_from():
    with pytest.raises(
        SettingError, match=r"^window= does not belong to saliency, but to occlusion:"
    ):
        with_options("saliency", {"window": 3}, "{}=")
    with pytest.raises(
        SettingError, match=r"^There is no option --size: superpixels has --baseline"
    ):
        with_options("superpixels", {"size": 3})
    with pytest.raises(SettingError, match=r"^--window is 'wide': give a whole number"):
        with_options("occlusion", {"window": "wide"})


def test_a_method_is_named_by_its_name_or_its_alias():
    assert method_named("ig") == method_named("integrated_gradients") == "integrated_gradients"
    with pytest.raises(SettingError, match=r'There is no method "pink": choose one of integrated'):
        method_named("pink")
    with pytest.raises(SettingError, match=r'"limes" \(did you mean lime\?\): choose one of integ'):
        method_named("limes")


def test_titles_tell_two_occlusions_apart():
    assert title_of(OcclusionSetting(9, 3)) == "Occlusion 9/3"
    assert title_of(SmoothSetting()) == "Smoothed Integrated Gradients"


def test_values_are_no_answer_that_a_region_could_keep():
    for name in ("enough", "counterfactual"):
        assert why_not(stages(), picture(16, 12), name) is None
        assert "gives values" in why_not(stages(), picture(16, 12), name, Head("value"))
    assert why_not(stages(), picture(16, 12), "saliency", Head("value")) is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"rule": "epsilon", "gamma": 3.0},
            "--gamma is of no use where --rule is epsilon: leave it out, or choose one of auto, "
            "epsilon_gamma_box, attn.",
        ),
        (
            {"gamma": 0.25, "rule": "epsilon_plus_flat"},  # the usual one, and given all the same
            "--gamma is of no use where --rule is epsilon_plus_flat: leave it out, or choose one "
            "of auto, epsilon_gamma_box, attn.",
        ),
    ],
)
def test_an_option_that_another_leaves_without_effect_is_refused(options, sentence):
    with pytest.raises(SettingError) as refused:
        with_options("lrp", options)
    assert str(refused.value) == sentence


def test_regions_leave_the_number_of_superpixels_without_effect():
    regions = f"regions:{'0' * 64}"
    for options in ({"segments": 9, "regions": regions}, {"regions": regions, "segments": 9}):
        with pytest.raises(SettingError, match=r"^segments= is of no use where regions= is given"):
            with_options("lime", options, "{}=")


def test_controls_that_are_always_there_give_what_is_of_use():
    every = {"rule": "epsilon", "epsilon": 0.1, "gamma": 3.0, "window": 9, "segments": 40}
    assert of_use("lrp", every) == {"rule": "epsilon", "epsilon": 0.1}
    assert of_use("lrp", {**every, "rule": "epsilon_gamma_box"}) == {
        "rule": "epsilon_gamma_box", "epsilon": 0.1, "gamma": 3.0,
    }  # fmt: skip
    assert of_use("superpixels", every) == {"segments": 40}
    regions = f"regions:{'0' * 64}"
    assert of_use("superpixels", {**every, "regions": regions}) == {"regions": regions}
    assert of_use("saliency", every) == {}
    for name in METHODS:
        with_options(name, of_use(name, every))
