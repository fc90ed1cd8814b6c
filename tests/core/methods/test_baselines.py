"""The named replacements of a covered pixel, in the model's own space."""

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import SettingError
from core.methods.baselines import (
    BASELINES,
    OF_CURVES,
    baseline_tensor,
    check_baseline,
    road_seed,
    title,
)
from core.methods.black_box_methods import RiseSetting
from core.methods.cover_methods import SuperpixelSetting
from core.methods.gradient_methods import IntegratedGradientsSetting
from core.models.registry import record

PREPROCESSING = record("resnet18").preprocessing


def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (240, 300, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def pixels_of(tensor):
    """Back from the normalised space to 0..1."""
    mean, std = (
        torch.tensor(numbers).view(1, 3, 1, 1)
        for numbers in (PREPROCESSING.mean, PREPROCESSING.std)
    )
    return tensor * std + mean


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_has_a_model_inputs_shape_and_a_title(name):
    baseline = baseline_tensor(name, PREPROCESSING, photo())
    assert baseline.shape == (1, 3, 224, 224)
    assert baseline.dtype == torch.float32
    assert title(name)
    check_baseline(name)


def test_black_and_white_are_what_a_black_and_a_white_photo_become():
    for name in ("black", "white"):
        seen = PREPROCESSING.tensor(Image.new("RGB", (240, 300), name))
        torch.testing.assert_close(baseline_tensor(name, PREPROCESSING, photo()), seen)
    assert pixels_of(baseline_tensor("black", PREPROCESSING, photo())).abs().max() < 1e-6


def test_grey_is_the_mean_colour_of_the_training_pictures():
    grey = baseline_tensor("grey", PREPROCESSING, photo())
    assert not grey.any()
    assert pixels_of(grey)[0, :, 0, 0].tolist() == pytest.approx(PREPROCESSING.mean)


def test_blur_keeps_the_colours_and_takes_the_details():
    halves = photo()
    halves.paste((250, 20, 20), (0, 0, 150, 240))
    seen = pixels_of(PREPROCESSING.tensor(halves))
    blurred = pixels_of(baseline_tensor("blur", PREPROCESSING, halves))
    right = (..., slice(140, None))
    assert blurred[right].mean().item() == pytest.approx(seen[right].mean().item(), abs=0.02)
    assert blurred[right].std() < seen[right].std() / 10
    left = (0, slice(None), slice(None), slice(0, 60))
    torch.testing.assert_close(blurred[left], seen[left], atol=0.01, rtol=0)


def test_a_picture_of_one_colour_cannot_be_blurred_away():
    plain = Image.new("RGB", (300, 260), (10, 200, 90))
    torch.testing.assert_close(
        baseline_tensor("blur", PREPROCESSING, plain), PREPROCESSING.tensor(plain)
    )


def test_the_mean_colour_is_that_of_imagenet():
    mean = pixels_of(baseline_tensor("mean", PREPROCESSING, photo()))
    assert mean.std((2, 3)).max() < 1e-6
    assert mean[0, :, 0, 0].tolist() == pytest.approx((0.485, 0.456, 0.406))


def test_noise_is_uniform_and_seeded():
    first, again, other = (
        pixels_of(baseline_tensor(name, PREPROCESSING, photo()))
        for name in ("noise", "noise:0", "noise:1")
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    for noise in (first, other):
        assert -1e-6 < noise.min() < 0.001
        assert 0.999 < noise.max() < 1 + 1e-6
        assert noise.mean().item() == pytest.approx(0.5, abs=0.01)
        assert noise.std().item() == pytest.approx(12**-0.5, abs=0.01)


def test_the_sigma_decides_how_much_is_blurred():
    variation = [
        pixels_of(baseline_tensor(name, PREPROCESSING, photo())).std().item()
        for name in ("blur:0.5", "blur:3", "blur")
    ]
    assert variation == sorted(variation, reverse=True)
    assert variation[0] > 10 * variation[2]
    assert torch.equal(
        baseline_tensor("blur", PREPROCESSING, photo()),
        baseline_tensor("blur:12", PREPROCESSING, photo()),
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("grey", "grey (zero after normalisation)"),
        ("black", "black"),
        ("blur", "picture blurred with sigma 12"),
        ("blur:2.5", "picture blurred with sigma 2.5"),
        ("noise", "uniform noise, seed 0"),
        ("noise:7", "uniform noise, seed 7"),
        ("mean", "mean colour of ImageNet"),
        ("picture:abc", "another picture"),
    ],
)
def test_titles(name, words):
    assert title(name) == words


@pytest.mark.parametrize(
    "name", ["pink", "", "grey:1", "mean:0", "white:", "picture", "picture:", "Grey"]
)
def test_an_unknown_baseline(name):
    sentence = (
        f'There is no baseline "{name}": choose one of grey, black, white, mean, blur, noise.'
    )
    for refuse in (check_baseline, lambda n: baseline_tensor(n, PREPROCESSING, photo())):
        with pytest.raises(SettingError) as refused:
            refuse(name)
        assert str(refused.value) == sentence


@pytest.mark.parametrize("text", ["0.4", "101", "-1", "nan", "inf", "much", ""])
def test_a_blur_out_of_range(text):
    with pytest.raises(SettingError) as refused:
        check_baseline(f"blur:{text}")
    assert str(refused.value) == (f"Blur of {text!r}: choose a sigma between 0.5 and 100 pixels.")


@pytest.mark.parametrize("text", ["-1", "0.5", "2147483648", "nan", "inf", "loud", ""])
def test_noise_out_of_range(text):
    with pytest.raises(SettingError) as refused:
        check_baseline(f"noise:{text}")
    assert str(refused.value) == f"Noise of {text!r}: choose a seed from 0, a whole number."


def test_a_picture_that_is_not_there_any_more():
    check_baseline("picture:abc")
    with pytest.raises(SettingError, match="The picture that is to serve as baseline is not there"):
        baseline_tensor("picture:abc", PREPROCESSING, photo())


@pytest.mark.parametrize("make", [IntegratedGradientsSetting, SuperpixelSetting, RiseSetting])
@pytest.mark.parametrize("name", ["road", "road:3"])
def test_road_is_a_baseline_of_deletion_and_insertion_alone(make, name):
    check_baseline(name, OF_CURVES)
    assert title(name) == f"noisy linear imputation (ROAD), seed {name[5:] or 0}"
    for ask in (
        lambda: make(baseline=name),
        lambda: check_baseline(name),
        lambda: baseline_tensor(name, PREPROCESSING, photo()),
    ):
        with pytest.raises(SettingError, match=r"deletion and insertion alone: choose one of grey"):
            ask()


def test_the_seed_of_road():
    assert [road_seed(name) for name in ("road", "road:7", "blur", "noise:7")] == [0, 7, None, None]
    for wrong in ("road:-1", "road:1.5", "road:x", "road:"):
        with pytest.raises(SettingError, match=r"^ROAD of .*: choose a seed from 0"):
            check_baseline(wrong, OF_CURVES)
    with pytest.raises(SettingError, match=r'no baseline "pink": choose one of .*noise, road\.$'):
        road_seed("pink")
