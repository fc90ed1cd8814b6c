"""Settings check themselves, serve as keys, and have short names for files."""

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingError
from core.methods.black_box_methods import KernelShapSetting
from core.methods.cam_methods import ChannelCamSetting, GradCamSetting
from core.methods.cover_methods import OcclusionSetting, RegionSetting, SuperpixelSetting
from core.methods.gradient_methods import (
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.lrp_method import LrpSetting
from core.methods.registry import METHODS
from core.methods.settings import baseline_of, parameters, short

FIRST = [method.setting for method in METHODS.values()]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: IntegratedGradientsSetting(0),
            "Integrated Gradients steps: 0; choose between 1 and 1000.",
        ),
        (
            lambda: IntegratedGradientsSetting(1001),
            "Integrated Gradients steps: 1001; choose between 1 and 1000.",
        ),
        (
            lambda: IntegratedGradientsSetting("plenty"),
            "Integrated Gradients steps: plenty; choose between 1 and 1000.",
        ),
        (
            lambda: IntegratedGradientsSetting(2.5),
            "Integrated Gradients steps: 2.5; choose between 1 and 1000.",
        ),
        (
            lambda: GradientShapSetting(0),
            "GradientShap samples: 0; choose between 1 and 1000.",
        ),
        (
            lambda: GradientShapSetting(1001),
            "GradientShap samples: 1001; choose between 1 and 1000.",
        ),
        (
            lambda: GradientShapSetting(stdev=101),
            "Standard deviation of the noise: 101; choose above 0, up to 100.",
        ),
        (
            lambda: GradientShapSetting(stdev=float("nan")),
            "Standard deviation of the noise: nan; choose above 0, up to 100.",
        ),
        (
            lambda: GradientShapSetting(seed=2**31),
            "Seed: 2147483648; choose between 0 and 2147483647.",
        ),
        (lambda: SuperpixelSetting(1), "Superpixels: 1; choose between 2 and 2000."),
        (lambda: SuperpixelSetting(2001), "Superpixels: 2001; choose between 2 and 2000."),
    ],
)
def test_what_is_out_of_range_is_refused(make, sentence):
    with pytest.raises(SettingError) as refused:
        make()
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "make",
    [
        IntegratedGradientsSetting,
        GradientShapSetting,
        SuperpixelSetting,
        lambda baseline: GradientSetting("deep_lift", baseline),
        lambda baseline: SmoothSetting(IntegratedGradientsSetting(5, baseline)),
    ],
)
def test_a_baseline_that_does_not_exist(make):
    def with_baseline(name):
        try:
            return make(baseline=name)
        except TypeError:
            return make(name)

    with pytest.raises(SettingError, match='no baseline "pink"'):
        with_baseline("pink")
    assert baseline_of(with_baseline("blur:3")) == "blur:3"


def test_the_ends_of_the_ranges_are_inside():
    IntegratedGradientsSetting(1)
    IntegratedGradientsSetting(1000)
    GradientShapSetting(1, 100, 2**31 - 1)
    SuperpixelSetting(2)
    SuperpixelSetting(2000)
    SmoothSetting(kind="vargrad", samples=2)
    SmoothSetting(kind="smoothgrad", samples=1)


@pytest.mark.parametrize("setting", FIRST, ids=list(METHODS))
def test_settings_are_frozen_keys(setting):
    assert len({setting, type(setting)(**vars(setting))}) == 1
    with pytest.raises(FrozenInstanceError):
        setting.baseline = "white"


@pytest.mark.parametrize("name", METHODS)
def test_parameters_are_json_and_names_are_the_methods(name):
    setting = METHODS[name].setting
    assert setting.name == name
    found = parameters(setting)
    assert json.loads(json.dumps(found)) == found


def test_parameters_tell_what_shapes_a_map():
    assert parameters(GradientSetting("saliency", "white")) == {}
    assert parameters(GradientSetting("deep_lift", "white")) == {"baseline": "white"}
    assert parameters(GradCamSetting("layer4", "guided_grad_cam")) == {"layer": "layer4"}
    smooth = SmoothSetting(IntegratedGradientsSetting(7, "black"), "vargrad", 3, 0.5, 9)
    assert parameters(smooth) == {
        "method": "integrated_gradients", "steps": 7, "baseline": "black",
        "samples": 3, "stdev": 0.5, "seed": 9,
    }  # fmt: skip
    plain = SmoothSetting(GradientSetting("saliency"), "smoothgrad", 3, 0.5, 9)
    assert parameters(plain) == {"method": "saliency", "samples": 3, "stdev": 0.5, "seed": 9}


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        (OcclusionSetting(15, 8), "15-8"),
        (OcclusionSetting(15, 8, "blur:6"), "15-8-blur-6"),
        (IntegratedGradientsSetting("enough"), "enough"),
        (IntegratedGradientsSetting(50, "noise:3"), "50-noise-3"),
        (GradientSetting("saliency"), ""),
        (GradientSetting("deep_lift", "white"), "white"),
        (GradCamSetting(), ""),
        (GradCamSetting("features.28"), "features.28"),
        (SuperpixelSetting(60), "60"),
        (GradientShapSetting(20, 0.1, 4), "20-0.1-4"),
    ],
)
def test_short_names(setting, name):
    assert short(setting) == name


@given(
    first=st.builds(
        SmoothSetting,
        method=st.one_of(
            st.builds(IntegratedGradientsSetting, steps=st.integers(1, 9)),
            st.builds(GradientSetting, method=st.sampled_from(["saliency", "input_x_gradient"])),
        ),
        samples=st.integers(2, 4),
        stdev=st.sampled_from([0.25, 1.0]),
        seed=st.integers(0, 3),
    ),
    second=st.builds(SmoothSetting, samples=st.integers(2, 4), seed=st.integers(0, 3)),
)
def test_maps_that_differ_have_names_that_differ(first, second):
    assert (short(first) == short(second)) == (parameters(first) == parameters(second))


@pytest.mark.parametrize(
    "setting",
    [IntegratedGradientsSetting(5, "picture:" + "ab" * 32), GradCamSetting("a/b\\c:d e" * 9)],
)
def test_short_names_fit_into_file_systems(setting):
    name = short(setting)
    assert len(name) < 100
    assert not set(name) & set('/\\: "*?<>|')


def test_long_names_of_layers_differ_in_files_too():
    layers = [f"features.denseblock4.denselayer{number}" for number in (1, 2)]
    assert len({short(GradCamSetting(layer)) for layer in layers}) == 2


def test_a_method_without_baseline_has_the_one_that_costs_nothing():
    assert baseline_of(GradCamSetting()) == "grey"
    assert baseline_of(SmoothSetting(IntegratedGradientsSetting(5, "white"))) == "white"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (OcclusionSetting(15, 8), OcclusionSetting(15, 8, "black")),
        (SmoothSetting(), SmoothSetting(IntegratedGradientsSetting(baseline="black"))),
        (GradCamSetting(), GradCamSetting()),
    ],
)
def test_another_baseline(setting, expected):
    assert setting.with_baseline("black") == expected


REGIONS = f"regions:{'0' * 64}"


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (LrpSetting("epsilon", gamma=3), LrpSetting("epsilon")),
        (LrpSetting("epsilon_plus_flat", 0.1, 3), LrpSetting("epsilon_plus_flat", 0.1)),
        (SuperpixelSetting(9, regions=REGIONS), SuperpixelSetting(70, regions=REGIONS)),
        (KernelShapSetting(9, regions=REGIONS), KernelShapSetting(70, regions=REGIONS)),
        (GradCamSetting("b,a"), GradCamSetting("a, b")),
        (GradCamSetting(" layer4"), GradCamSetting("layer4")),
        (ChannelCamSetting("layer4 "), ChannelCamSetting("layer4")),
    ],
)
def test_settings_of_equal_maps_are_equal(given, same):
    assert given == same
    assert hash(given) == hash(same)
    assert short(given) == short(same)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (LrpSetting("auto", gamma=3), LrpSetting("auto")),
        (LrpSetting("epsilon_gamma_box", gamma=3), LrpSetting("epsilon_gamma_box")),
        (LrpSetting("epsilon", 0.1), LrpSetting("epsilon")),
        (SuperpixelSetting(9), SuperpixelSetting(70)),
    ],
)
def test_settings_with_an_effect_are_kept(first, second):
    assert first != second
    assert short(first) != short(second)


def test_a_number_without_effect_is_checked_all_the_same():
    with pytest.raises(SettingError, match=r"^Gamma: -1; choose between 0 and 100\.$"):
        LrpSetting("epsilon", gamma=-1)


def test_what_has_no_effect():
    assert LrpSetting("epsilon").idle == {"gamma": "rule"}
    assert LrpSetting().idle == SuperpixelSetting().idle == OcclusionSetting(15, 8).idle == {}
    assert SuperpixelSetting(regions=REGIONS).idle == {"segments": "regions"}


def test_layers_stand_in_the_order_of_their_numbers():
    assert GradCamSetting("features.10,features.9.b,features.9.a").layer == (
        "features.9.a,features.9.b,features.10"
    )
    assert short(GradCamSetting("layer4,layer3")) == "layer3-layer4"


@pytest.mark.parametrize("kind", [GradCamSetting, ChannelCamSetting])
@pytest.mark.parametrize("layer", ["", " ", ",", "a,", ",a", "a,,b"])
def test_a_layer_without_a_name_is_refused(kind, layer):
    with pytest.raises(SettingError, match=r"a name is empty; give the name of a layer"):
        kind(layer)


@pytest.mark.parametrize("layer", ["1,1", "a,b, a"])
def test_a_layer_that_is_there_twice_is_refused(layer):
    with pytest.raises(SettingError, match=r"'[1a]' is there twice; give each layer once\.$"):
        GradCamSetting(layer)


def test_the_names_of_files_of_a_counterfactual_are_as_they_were():
    assert short(RegionSetting("counterfactual")) == short(RegionSetting("enough")) == "16-1-0.9"
