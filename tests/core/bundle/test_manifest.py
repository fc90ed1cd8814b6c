"""Settings go into the manifest and come out the same; what was changed is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bundle.manifest import changed_sections, sealed, setting_from
from core.errors import SettingError
from core.methods.cam_methods import CAM_KINDS, ChannelCamSetting, GradCamSetting
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import (
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.registry import METHODS
from core.methods.settings import parameters

BASELINES = st.sampled_from(["grey", "black", "blur:7.5", "noise:3", "picture:abc"])
SEEDS = st.integers(0, 2**31 - 1)
STDEVS = st.floats(0.01, 100) | st.just(1)
PATHS = st.builds(IntegratedGradientsSetting, st.integers(1, 1000) | st.just("enough"), BASELINES)
GRADIENTS = st.sampled_from(["saliency", "input_x_gradient", "guided_backprop"]).map(
    GradientSetting
) | st.builds(GradientSetting, st.just("deep_lift"), BASELINES)
SMOOTHED = st.builds(
    SmoothSetting,
    st.builds(IntegratedGradientsSetting, st.integers(1, 1000), BASELINES) | GRADIENTS,
    st.sampled_from(["smoothgrad", "smoothgrad_sq", "vargrad"]),
    st.integers(2, 200),
    STDEVS,
    SEEDS,
)
SETTINGS = st.one_of(
    st.builds(OcclusionSetting, st.integers(1, 500), st.integers(1, 500), BASELINES),
    PATHS,
    GRADIENTS,
    SMOOTHED,
    st.builds(GradientShapSetting, st.integers(1, 1000), STDEVS, SEEDS, BASELINES),
    st.builds(GradCamSetting, st.none() | st.just("features.3"), st.sampled_from(CAM_KINDS)),
    st.builds(GradCamSetting, st.just("all"), st.just("layer_cam"), st.booleans()),
    st.builds(ChannelCamSetting, st.none(), st.just("score_cam"), st.booleans(), BASELINES),
    st.builds(ChannelCamSetting, st.just("features.3"), st.just("ablation_cam"), st.booleans()),
    st.builds(SuperpixelSetting, st.integers(2, 2000), BASELINES),
)


def test_a_switch_that_was_added_later_is_off_in_older_bundles():
    assert setting_from("grad_cam", {"layer": "features.3"}) == GradCamSetting("features.3")
    with pytest.raises(SettingError, match="are not the settings of grad_cam"):
        setting_from("grad_cam", {"signed": True})
    with pytest.raises(SettingError, match="are not the settings of eigen_cam"):
        setting_from("eigen_cam", {"layer": None, "signed": False})


@given(setting=SETTINGS)
def test_settings_come_back(setting):
    written = json.loads(json.dumps(parameters(setting)))
    assert setting_from(setting.name, written) == setting


@given(
    method=st.sampled_from(list(METHODS)) | st.text(max_size=5),
    found=st.dictionaries(
        st.sampled_from(
            ["window", "stride", "steps", "baseline", "method", "kind", "samples", "seed", "layer"]
        )
        | st.text(max_size=5),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
    ),
)
def test_other_settings_are_refused_or_settings(method, found):
    try:
        made = setting_from(method, found)
    except SettingError as error:
        refusal = str(error)
        made = None
    if made is None:
        assert "\n" not in refusal
    else:
        hash(made)  # it serves as a key
        assert made.name == method


def test_what_is_not_of_a_method_is_refused():
    with pytest.raises(SettingError, match="are not the settings of occlusion, which has window"):
        setting_from("occlusion", {"window": 15, "stride": 8, "baseline": "grey", "steps": 3})
    with pytest.raises(SettingError, match='no method "magic"'):
        setting_from("magic", {})


RECORD = {
    "format": "x",
    "exhibits": [
        {"top": [{"p": 0.5}], "maps": [{"settings": {"a": 1}, "title": "A"}, {"title": "B"}]}
    ],
    "display": {"sign": "all"},
}


def test_nothing_changed():
    assert changed_sections(json.loads(sealed(RECORD, {"a.txt": b"x"}))) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda m: m["exhibits"][0]["top"][0].update(p=0.51), "exhibits/1/top"),
        (
            lambda m: m["exhibits"][0]["maps"][0]["settings"].update(a=2),
            "exhibits/1/maps/1/settings",
        ),
        (lambda m: m["exhibits"][0]["maps"][1].update(title="C"), "exhibits/1/maps/2/title"),
        (lambda m: m["exhibits"][0]["maps"].pop(), "exhibits/1/maps/2/title"),
        (lambda m: m["display"].update(sign="positive"), "display"),
        (lambda m: m["files"].update({"a.txt": "0"}), "files/a.txt"),
        (lambda m: m["files"].update({"b.txt": "0"}), "files/b.txt"),
        (lambda m: m.update(more=1), "more"),
        (lambda m: m["digests"].pop("display"), "display"),
    ],
)
def test_what_was_changed_is_named(change, place):
    manifest = json.loads(sealed(RECORD, {"a.txt": b"x"}))
    change(manifest)
    assert changed_sections(manifest) == [place]


def test_numbers_that_are_none_are_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        sealed({**RECORD, "display": float("nan")}, {})
