"""Transforms that other libraries describe give their tensors; what they cannot is refused."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import ModelError
from core.models.preprocessing_configs import from_timm, from_transformers
from core.models.torchvision_compat import torchvision
from core.pictures.preprocessing import Preprocessing
from core.pictures.samples import FOLDER

SIZES = [(300, 451), (640, 480), (1001, 333), (19, 27), (40, 31), (224, 224), (96, 160), (257, 255)]

SAMPLE = FOLDER / "swan.jpg"


def noise(size, seed=0):
    """Blocks of colour with noise on top: an error in resampling shows on both."""
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    pixels[np.indices((height, width)).sum(0) // 16 % 2 == 0] //= 3
    return Image.fromarray(pixels)


PHOTOS = [noise(size) for size in SIZES]


def off(ours, theirs):
    """The largest difference of two tensors on all photos."""
    differences = []
    for photo in PHOTOS:
        one, other = ours(photo), theirs(photo)
        assert one.shape == other.shape, photo.size
        assert one.dtype == torch.float32
        differences.append(float((one - other).abs().max()))
    return max(differences)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos", "box"])
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (232, 224), (224, 224), (200, 223)])
def test_torchvisions_preset(interpolation, resize, crop):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    assert torchvision
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    theirs = ImageClassification(
        crop_size=crop, resize_size=resize, interpolation=InterpolationMode(interpolation)
    )
    ours = Preprocessing(resize, crop, mean, std, interpolation)
    assert off(ours.tensor, lambda photo: theirs(photo)[None]) == 0


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("percentage", [0.875, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("size", [(224, 224), (160, 96), (75, 211)], ids=str)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_timms_transform(mode, percentage, size, interpolation):
    from timm.data import create_transform

    config = {
        "input_size": (3, *size),
        "interpolation": interpolation,
        "mean": (0.48, 0.46, 0.41),
        "std": (0.27, 0.26, 0.28),
        "crop_pct": percentage,
        "crop_mode": mode,
    }
    theirs = create_transform(**config)
    ours = from_timm(json.loads(json.dumps(config)))
    assert ours.size == size
    assert off(ours.tensor, lambda photo: theirs(photo)[None]) == 0


@pytest.mark.parametrize(
    "name",
    ["test_vit", "resnet18", "convnext_atto", "vit_base_patch16_clip_224", "beit_base_patch16_224"],
)
def test_timms_models(name):
    import timm
    from timm.data import create_transform, resolve_data_config

    config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    theirs = create_transform(**config)
    assert off(from_timm(config).tensor, lambda photo: theirs(photo)[None]) == 0


def test_timms_grey_models():
    from timm.data.loader import adapt_to_chs

    ours = from_timm({"input_size": (1, 64, 80), "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.2, 0.2)})
    assert (ours.channels, ours.size, ours.crop) == (1, (64, 80), (64, 80))
    assert ours.mean == pytest.approx(adapt_to_chs((0.4, 0.5, 0.6), 1))
    grey = PHOTOS[0].convert("L")
    cut = np.asarray(ours.picture(PHOTOS[0]))
    assert (cut == cut[..., :1]).all()
    assert ours.tensor(PHOTOS[0]).shape == (1, 1, 64, 80)
    torch.testing.assert_close(
        ours.tensor(grey.convert("RGB")), ours.tensor(PHOTOS[0]), atol=0, rtol=0
    )


PROCESSORS = {
    "ViT": {},
    "ViT rectangle": {"size": {"height": 100, "width": 164}, "resample": 3},
    "ViT as bytes": {"do_rescale": False, "do_normalize": False},
    "ViT other scale": {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3},
    "ViT no resize": {"do_resize": False, "do_center_crop": True, "crop_size": 101},
    "ConvNext": {"size": {"shortest_edge": 224}},
    "ConvNext large": {},
    "ConvNext share": {"size": {"shortest_edge": 287}, "crop_pct": 0.95},
    "Bit": {},
    "Bit odd": {"size": {"shortest_edge": 255}, "crop_size": {"height": 223, "width": 201}},
    "CLIP": {},
    "EfficientNet": {},
    "EfficientNet cropped": {"size": 356, "do_center_crop": True, "include_top": False},
    "EfficientNet offset": {
        "rescale_offset": True, "rescale_factor": 1 / 127.5, "do_normalize": False
    },
    "DeiT": {},
    "MobileViT": {"size": {"shortest_edge": 288}},
    "MobileViT padded": {},
    "MobileViT RGB": {"do_flip_channel_order": False},
}  # fmt: skip


def processors(name):
    """Ours, and theirs on Pillow and on torchvision, each photo -> (1, 3, H, W)."""
    import transformers

    kind, options = name.split()[0], PROCESSORS[name]
    pil, fast = (
        getattr(transformers, f"{kind}ImageProcessor{end}")(**options) for end in ("Pil", "")
    )

    def of(processor):
        return lambda photo: processor(photo, return_tensors="pt")["pixel_values"].float()

    return from_transformers(json.loads(pil.to_json_string())), of(pil), of(fast)


@pytest.mark.parametrize("name", PROCESSORS)
def test_transformers_processors(name):
    ours, pil, fast = processors(name)
    assert off(ours.tensor, pil) <= 1e-6
    # Their other classes resample tensors of bytes and round otherwise; where an odd number of
    # pixels is padded they also put the photo elsewhere, which a photo of this size does not ask.
    level = ours.scale / 255 / min(ours.std)
    with Image.open(SAMPLE) as photo:
        assert float((ours.tensor(photo) - fast(photo)).abs().max()) <= 1.001 * level


def test_what_is_not_written_is_what_the_class_does():
    import transformers

    for kind in ("ViT", "DeiT", "ConvNext", "Bit", "CLIP", "EfficientNet", "MobileViT"):
        for end in (
            "ImageProcessor",
            "ImageProcessorFast",
            "ImageProcessorPil",
            "FeatureExtractor",
        ):
            key = "feature_extractor_type" if end == "FeatureExtractor" else "image_processor_type"
            whole = getattr(transformers, f"{kind}ImageProcessorPil")().to_dict()
            assert from_transformers({key: f"{kind}{end}"}) == from_transformers(whole), kind


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"input_size": (4, 224, 224)}, "input_size is (4, 224, 224)"),
        ({"input_size": 224}, "input_size is 224"),
        ({"input_size": (3, 0, 224)}, "input_size is"),
        ({"crop_mode": "corner"}, "crop_mode is 'corner'"),
        ({"crop_pct": -1}, "crop_pct is -1"),
        ({"crop_border_pixels": 4}, "crop_border_pixels is 4"),
        ({"interpolation": "random"}, "interpolation is 'random'"),
        ({"mean": (0.1, 0.2)}, "mean is"),
        ({"std": (0.1, 0.0, 0.1)}, "std is"),
        ({"std": ("a", 0.0, 0.1)}, "std is"),
    ],
)
def test_refused_of_timm(given, key):
    with pytest.raises(ModelError) as caught:
        from_timm(given)
    assert key in str(caught.value)
    assert str(caught.value).endswith(".")


VIT = {"image_processor_type": "ViTImageProcessor"}
CONVNEXT = {"image_processor_type": "ConvNextImageProcessor"}


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"image_processor_type": "SamImageProcessor"}, "_type is 'SamImageProcessor'"),
        ({"auto_map": {"AutoImageProcessor": "mine.Processor"}}, "auto_map is"),
        ({}, "size is None"),
        (VIT | {"do_resize": False}, "do_resize is False"),
        (VIT | {"do_pad": True}, "do_pad is True"),
        (VIT | {"size_divisor": 32}, "size_divisor is 32"),
        (VIT | {"data_format": "channels_last"}, "data_format is 'channels_last'"),
        (VIT | {"resample": 9}, "resample is 9"),
        (VIT | {"size": {"longest_edge": 200}}, "size is {'longest_edge': 200}"),
        (VIT | {"size": {"shortest_edge": 200}}, "do_center_crop is False"),
        (VIT | {"size": "large"}, "size is 'large'"),
        (VIT | {"do_center_crop": True}, "crop_size is None"),
        (VIT | {"image_std": [0.1, 0.0, 1.0]}, "image_std is"),
        (VIT | {"rescale_factor": "x"}, "rescale_factor is 'x'"),
        (VIT | {"rescale_offset": True}, "rescale_offset is True"),
        (VIT | {"do_flip_channel_order": True}, "do_flip_channel_order is True"),
        (CONVNEXT | {"size": {"height": 1, "width": 1}}, "size is {'height': 1"),
        (CONVNEXT | {"do_center_crop": True, "crop_size": 100}, "crop_size is 100"),
    ],
)  # fmt: skip
def test_refused_of_transformers(given, key):
    with pytest.raises(ModelError) as caught:
        from_transformers(given)
    assert key in str(caught.value)
    assert str(caught.value).startswith("The model's preprocessing cannot be followed: ")
