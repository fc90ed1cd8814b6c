"""Methods by name: their options, what they refuse, and which networks cannot have them."""

import pytest
from test_grad_cam import Patches, stages
from test_rectifiers import built
from toys import network, picture, seeded

from core.errors import SettingError
from core.methods import METHODS, why_not, with_options
from core.settings import (
    GradCamSetting,
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    OcclusionSetting,
    SmoothSetting,
    SuperpixelSetting,
)


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
        ("guided_grad_cam", {"layer": "layer3"}, GradCamSetting("layer3", guided=True)),
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
    ("name", "option", "others"),
    [
        ("saliency", "baseline", "integrated_gradients, occlusion, superpixels, smoothgrad_sq, "
         "gradient_shap, deep_lift"),
        ("grad_cam", "steps", "integrated_gradients, smoothgrad_sq"),
        ("integrated_gradients", "window", "occlusion"),
        ("occlusion", "segments", "superpixels"),
        ("smoothgrad", "steps", "integrated_gradients, smoothgrad_sq"),
        ("smoothgrad", "baseline", "integrated_gradients, occlusion, superpixels, smoothgrad_sq, "
         "gradient_shap, deep_lift"),
        ("deep_lift", "samples", "smoothgrad, smoothgrad_sq, vargrad, gradient_shap"),
        ("occlusion", "layer", "grad_cam, guided_grad_cam"),
    ],
)  # fmt: skip
def test_an_option_of_another_method_is_refused(name, option, others):
    with pytest.raises(SettingError) as refused:
        with_options(name, {option: 3})
    assert str(refused.value) == (
        f"--{option} does not belong to {name}, but to {others}: leave it out, or choose another "
        "method."
    )


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
            {"deep_lift": UNTRACED, "guided_backprop": UNTRACED, "guided_grad_cam": UNTRACED},
        ),
        (
            lambda: seeded(PatchesUndecided).eval(),
            {"deep_lift": UNTRACED, "guided_backprop": UNTRACED, "guided_grad_cam": UNTRACED,
             "grad_cam": NO_MAPS},
        ),
        (lambda: network("unpadded"), {"deep_lift": "it has no rule for silu"}),
    ],
)  # fmt: skip
def test_which_network_cannot_have_which_method(make, reasons):
    module = make()
    found = {name: why_not(module, picture(16, 12), name) for name in METHODS}
    assert {name: reason for name, reason in found.items() if reason} == reasons
