"""The transform is torchvision's to the last pixel, and its geometry leads back to the photo."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.models.registry import record
from core.models.torchvision_compat import torchvision
from core.pictures.preprocessing import Box, Preprocessing

SIDES = st.integers(30, 700)
NAMES = ["resnet18", "convnext_tiny", "vit_b_16", "efficientnet_lite0"]


def noise(width, height, seed=0):
    """Blocks of colour with noise on top: an error in resampling shows on both."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    blocks = np.indices((height, width)).sum(0) // 16 % 2
    pixels[blocks == 0] //= 3
    return Image.fromarray(pixels)


def drawn_size(width, height):
    assume(max(width, height) <= 5 * min(width, height))
    return width, height


@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny"])
@settings(max_examples=25, deadline=None)
@given(width=SIDES, height=SIDES)
def test_equal_to_torchvision_on_every_size(name, width, height):
    image = noise(*drawn_size(width, height))
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    ours = record(name).preprocessing.tensor(image)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours[0], weights.transforms()(image), atol=1e-6, rtol=0)


def test_the_settings_are_those_of_the_weights():
    settings_of = {name: record(name).preprocessing for name in NAMES}
    assert [(p.resize, p.crop, p.interpolation) for p in settings_of.values()] == [
        (256, 224, "bilinear"),
        (236, 224, "bilinear"),
        (256, 224, "bilinear"),
        (256, 224, "bicubic"),
    ]
    assert settings_of["efficientnet_lite0"].mean == pytest.approx((127 / 255,) * 3)
    assert settings_of["resnet18"].std == pytest.approx((0.229, 0.224, 0.225))


def test_values_by_hand():
    plain = Preprocessing(
        4, 2, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0), interpolation="bicubic"
    )
    image = Image.new("RGB", (4, 4), (255, 0, 51))
    expected = torch.tensor([1.0, -1.0, 0.1]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    torch.testing.assert_close(plain.tensor(image), expected)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        # The short side becomes 256 and 224 are kept of it: a sixteenth is cut off on each side.
        ((256, 256), (16, 16, 240, 240)),
        ((512, 512), (32, 32, 480, 480)),
        ((512, 256), (144, 16, 368, 240)),
        ((256, 512), (16, 144, 240, 368)),
        # 1280 x 960 becomes 341 x 256 (rounded down); the crop begins at column round(58.5) = 58.
        ((1280, 960), (58 * 1280 / 341, 60, 282 * 1280 / 341, 900)),
    ],
)
def test_crop_boxes_known_by_hand(size, box):
    assert record("resnet18").preprocessing.crop_box(size) == pytest.approx(Box(*box))


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(NAMES), width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_the_box_lies_inside_the_photo_and_in_its_middle(name, width, height):
    preprocessing = record(name).preprocessing
    box = preprocessing.crop_box((width, height))
    assert 0 <= box.left < box.right <= width
    assert 0 <= box.top < box.bottom <= height
    # One pixel of the resized photo is the most that rounding may move it.
    across, down = (box.right - box.left) / 224, (box.bottom - box.top) / 224
    assert abs((box.left + box.right) / 2 - width / 2) <= across
    assert abs((box.top + box.bottom) / 2 - height / 2) <= down
    assert min(box.right - box.left, box.bottom - box.top) == pytest.approx(
        min(width, height) * 224 / preprocessing.resize, rel=1e-9
    )


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    width=SIDES,
    height=SIDES,
    across=st.floats(0.1, 0.9),
    down=st.floats(0.1, 0.9),
)
def test_what_is_painted_in_the_photo_is_found_where_the_box_says(
    name, width, height, across, down
):
    preprocessing = record(name).preprocessing
    size = drawn_size(width, height)
    box = preprocessing.crop_box(size)
    x = box.left + across * (box.right - box.left)
    y = box.top + down * (box.bottom - box.top)
    rows, columns = np.indices((height, width))
    radius = min(width, height) / 12
    distance = np.hypot(columns + 0.5 - x, rows + 0.5 - y)
    spot = np.clip(255 * (1 - distance / radius), 0, 255)
    photo = Image.fromarray(spot.astype(np.uint8)).convert("RGB")

    seen = np.asarray(preprocessing.picture(photo), dtype=float)[..., 0]
    rows, columns = np.indices(seen.shape) + 0.5
    found_x = box.left + (columns * seen).sum() / seen.sum() / 224 * (box.right - box.left)
    found_y = box.top + (rows * seen).sum() / seen.sum() / 224 * (box.bottom - box.top)
    # The spot may be cut at the box's edge (a tenth from it), never by more than a little.
    assert abs(found_x - x) < 0.5 + 0.01 * max(size)
    assert abs(found_y - y) < 0.5 + 0.01 * max(size)


def test_what_lies_outside_the_box_is_not_seen():
    preprocessing = record("resnet18").preprocessing
    box = preprocessing.crop_box((512, 300))
    # A margin of a few pixels: resampling mixes neighbours.
    inside = [round(box.left) - 4, round(box.top) - 4, round(box.right) + 4, round(box.bottom) + 4]
    photo = Image.new("RGB", (512, 300), "red")
    photo.paste((0, 0, 255), tuple(inside))
    assert preprocessing.picture(photo).getcolors() == [(224 * 224, (0, 0, 255))]
    photo.paste((255, 0, 0), (round(box.left) - 4, 0, round(box.left) + 4, 300))
    assert len(preprocessing.picture(photo).getcolors()) > 1


def test_a_region_fills_the_square():
    preprocessing = record("resnet18").preprocessing
    photo = Image.new("RGB", (500, 400), "red")
    photo.paste((0, 0, 255), (100, 50, 200, 150))
    region = Box(100, 50, 200, 150)
    seen = preprocessing.picture(photo, region)
    assert seen.size == (224, 224)
    # Resampling mixes a pixel of what lies around into the rim: half a pixel of 100, on 224.
    assert seen.crop((2, 2, 222, 222)).getcolors() == [(220 * 220, (0, 0, 255))]
    assert preprocessing.tensor(photo, region)[0, 0, 2:-2, 2:-2].unique().numel() == 1


def test_the_whole_of_a_square_as_region_is_a_plain_resize():
    preprocessing = record("efficientnet_lite0").preprocessing
    photo = noise(448, 448)
    plain = photo.resize((224, 224), Image.Resampling.BICUBIC)
    seen = preprocessing.picture(photo, Box(0, 0, 448, 448))
    assert seen.tobytes() == plain.tobytes()
