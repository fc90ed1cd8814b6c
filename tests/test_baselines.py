"""The named replacements of a covered pixel, in the model's own space."""

import numpy as np
import pytest
import torch
from PIL import Image

from core.baselines import BASELINES, TITLES, baseline_tensor
from core.errors import SettingError
from core.models import record

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
    assert TITLES[name]


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


def test_an_unknown_baseline():
    with pytest.raises(SettingError) as refused:
        baseline_tensor("pink", PREPROCESSING, photo())
    assert str(refused.value) == (
        'There is no baseline "pink": choose one of grey, black, white, blur.'
    )
