"""timm's and transformers' networks as people use them, small and with random weights."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.engine.positions import Places
from core.engine.remembered import memory
from core.errors import SettingError
from core.methods.cam_methods import GradCamSetting
from core.methods.grad_cam import layers
from core.methods.gradient_methods import GradientSetting
from core.methods.gradients import gradient_steps
from core.methods.occlusion import OcclusionSurvey
from core.methods.scores import Question
from core.models.torchvision_compat import torchvision  # noqa: F401 - before what imports it itself
from tests.toys import CLASSES, picture, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 3, "num_heads": 2}
SWIN = {"img_size": 64, "window_size": 4, "embed_dim": 16, "depths": (1, 2), "num_heads": (2, 2)}
HF_VIT = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
HF_SWIN = {
    "image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 2], "num_heads": [2, 2],
    "window_size": 4,
}  # fmt: skip
STAGES = {"hidden_sizes": [8, 12], "depths": [1, 1]}


def timms(architecture, **options):
    def make():
        import timm

        return timm.create_model(architecture, num_classes=CLASSES, **options)

    return make


def hugging_face(architecture, **options):
    def make():
        import transformers

        config = getattr(transformers, f"{architecture}Config")(**options)
        config.num_labels = CLASSES
        return getattr(transformers, f"{architecture}ForImageClassification")(config)

    return make


LOCAL = {
    "timm ResNet": timms("test_resnet"),
    "timm DenseNet": timms("densenet121", growth_rate=4, block_config=(2, 2)),
    "timm EfficientNet": timms("test_efficientnet"),
    "timm NFNet": timms("test_nfnet"),
    "timm ByobNet": timms("test_byobnet"),
    "timm ConvNeXt": timms("test_convnext"),
    "timm ConvNeXtV2": timms("test_convnext2"),
    "timm Swin": timms("swin_tiny_patch4_window7_224", **SWIN),  # a tenth, up to its attention
    "transformers ResNet": hugging_face("ResNet", embedding_size=8, layer_type="basic", **STAGES),
    "transformers RegNet": hugging_face("RegNet", embedding_size=8, groups_width=4, **STAGES),
    "transformers ConvNeXt": hugging_face("ConvNext", num_stages=2, **STAGES),
    "transformers ConvNeXtV2": hugging_face("ConvNextV2", num_stages=2, **STAGES),
}
DENSE = {
    "timm ViT": timms("vit_tiny_patch16_224", **VIT),
    "timm ViT with registers": timms("vit_tiny_patch16_224", reg_tokens=4, **VIT),
    "timm DeiT": timms("deit_tiny_distilled_patch16_224", **VIT),
    "transformers ViT": hugging_face("ViT", **HF_VIT),
    "transformers DeiT": hugging_face("DeiT", **HF_VIT),
    "transformers Swin": hugging_face("Swin", **HF_SWIN),
}
MAKERS = {**LOCAL, **DENSE}


def network(name):
    return seeded(MAKERS[name]).eval()


def seen_by(name):
    side = 64 if name == "timm Swin" else 32
    return picture(side, side)


def logits(module, pictures):
    with torch.no_grad():
        return torch.cat([_plain(module(each)) for each in pictures.split(1)])


def _plain(output):
    return getattr(output, "logits", output)


@pytest.mark.parametrize("name", MAKERS)
def test_scores_are_the_modules_own(name):
    module, inputs = network(name), seen_by(name)
    side = inputs.shape[2] // 4
    survey = OcclusionSurvey(module, inputs, window=side, stride=side).run()
    pictures = inputs.repeat(16, 1, 1, 1)
    for changed, (top, left) in zip(pictures, survey.grid.corners.tolist(), strict=True):
        changed[:, top : top + side, left : left + side] = 0
    expected = logits(module, pictures)
    scale = float(expected.abs().max())
    torch.testing.assert_close(survey.scores, expected, atol=1e-4 * scale, rtol=0)
    assert survey.agreement.difference <= 1e-4 * scale
    if name in LOCAL:
        assert survey.fallback is None
    else:
        assert survey.fallback.startswith("Attention mixes the whole picture after ")
        assert survey.fallback.endswith(" layers, so every change is computed densely.")


def cam_by_hand(module, inputs, layer, target, places):
    """Grad-CAM by a hook on the module itself, and a reshaping that is known beforehand."""
    held = []
    hook = module.get_submodule(layer).register_forward_hook(lambda *call: held.append(call[2]))
    score = _plain(module(inputs.clone()))[0, target]
    hook.remove()
    values = next(iter(held[0].values())) if isinstance(held[0], dict) else held[0]
    values = values[0] if isinstance(values, tuple) else values
    (slopes,) = torch.autograd.grad(score, values)
    maps, slopes = places.map(values.detach()), places.map(slopes)
    cam = F.relu((maps * slopes.mean((2, 3), keepdim=True)).sum(1, keepdim=True))
    return F.interpolate(cam, inputs.shape[2:], mode="bilinear")[0, 0].numpy()


def grad_cam(module, inputs, layer, target):
    (step,) = gradient_steps(module, inputs, Question(target), GradCamSetting(layer))
    return step.snapshot().values


OFFERED = {
    "timm ViT": {"blocks.2.norm1": (4, 4)},
    "timm ViT with registers": {"blocks.2.norm1": (4, 4)},
    "timm DeiT": {"blocks.2.norm1": (4, 4)},
    "transformers ViT": {"vit.layers.2.layernorm_before": (4, 4)},
    "timm ResNet": {"act1": (16, 16), "layer1": (8, 8), "layer2": (4, 4), "layer3": (2, 2)},
    "timm ConvNeXt": {"stem": (8, 8), "stages.1": (4, 4), "stages.2": (2, 2)},
    "transformers ResNet": {
        "resnet.embedder.embedder": (16, 16),
        "resnet.embedder": (8, 8),
        "resnet.encoder": (4, 4),
    },
    "transformers ConvNeXt": {"convnext.embeddings": (8, 8), "convnext.encoder": (4, 4)},
    "timm Swin": {"patch_embed": (16, 16), "norm": (8, 8)},
    "transformers Swin": {"swin.embeddings": (16, 16), "swin.layernorm": (8, 8)},
}

AXES = {
    "timm ViT": ("NTC", 1),
    "timm ViT with registers": ("NTC", 5),
    "timm DeiT": ("NTC", 2),
    "transformers ViT": ("NTC", 1),
    "timm Swin": ("NHWC", 0),
    "transformers Swin": ("NTC", 0),
}


@pytest.mark.parametrize("name", OFFERED)
def test_layers_that_are_offered(name):
    module, inputs = network(name), seen_by(name)
    found = layers(memory.prepared(module, inputs).network, inputs)
    assert found == tuple(OFFERED[name])
    some = 0.0
    for layer, grid in OFFERED[name].items():
        axes, skipped = AXES.get(name, ("NCHW", 0))
        places = Places(axes, grid, skipped)
        for target in range(2):
            expected = cam_by_hand(module, inputs, layer, target, places)
            ours = grad_cam(module, inputs, layer, target)
            np.testing.assert_allclose(ours, expected, atol=1e-4 * (expected.max() or 1))
            some += expected.max()
    assert some > 0


def by_the_other_package(module, layer, inputs, target, reshape):
    """Its map before it is resized and stretched to 0..1: (h, w)."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(target)]
    with GradCAM(model=module, target_layers=[layer], reshape_transform=reshape) as cam:
        cam(inputs.clone(), targets)
        kept = cam.activations_and_grads
        activations, gradients = kept.activations[0].numpy(), kept.gradients[0].numpy()
        return np.maximum(cam.get_cam_image(inputs, layer, targets, activations, gradients)[0], 0)


def of_a_vit(tokens):
    """As that package's documentation has it."""
    maps = tokens[:, 1:].reshape(len(tokens), 4, 4, tokens.shape[2])
    return maps.transpose(2, 3).transpose(1, 2)


def of_a_swin(maps):
    return maps.transpose(2, 3).transpose(1, 2)


@pytest.mark.parametrize(
    ("name", "layer", "reshape"),
    [
        ("timm ViT", "blocks.2.norm1", of_a_vit),
        ("timm ViT", "blocks.1", of_a_vit),
        ("timm Swin", "layers.1.blocks.1.norm1", of_a_swin),
        ("timm Swin", "norm", of_a_swin),
    ],
)
def test_grad_cam_of_transformers_as_an_independent_package_says(name, layer, reshape):
    module, inputs = network(name), seen_by(name)
    some = 0.0
    for target in range(CLASSES):
        theirs = by_the_other_package(module, module.get_submodule(layer), inputs, target, reshape)
        expected = F.interpolate(
            torch.tensor(theirs)[None, None], inputs.shape[2:], mode="bilinear"
        )
        expected = expected[0, 0].numpy()
        ours = grad_cam(module, inputs, layer, target)
        np.testing.assert_allclose(ours, expected, atol=1e-4 * (expected.max() or 1))
        some += expected.max()
    assert some > 0


@pytest.mark.parametrize("layer", ["norm", "blocks", "blocks.2", "blocks.2.norm2"])
def test_what_only_a_class_token_is_read_from_is_no_map_to_look_at(layer):
    module, inputs = network("timm ViT"), seen_by("timm ViT")
    assert not cam_by_hand(module, inputs, layer, 0, Places("NTC", (4, 4), 1)).any()
    with pytest.raises(SettingError) as refused:
        grad_cam(module, inputs, layer, 0)
    assert str(refused.value) == (
        f'The scores do not depend on the map of the layer "{layer}": choose one of blocks.2.norm1.'
    )


RULES = {
    "timm ResNet": (None, None),
    "transformers ResNet": (None, None),
    "timm DenseNet": (None, None),
    "timm EfficientNet": ("it has no rule for silu", "the network has no ReLU"),
    "timm ByobNet": ("it has no rule for mul", None),
    "timm ConvNeXt": ("it has no rule for layer_norm", "the network has no ReLU"),
    "timm ViT": ("it has no rule for layer_norm", "the network has no ReLU"),
    "transformers Swin": ("it has no rule for layer_norm", "the network has no ReLU"),
}


@pytest.mark.parametrize("name", RULES)
def test_methods_of_rectifiers_or_the_true_reason(name):
    module, inputs = network(name), seen_by(name)
    methods = ("deep_lift", "DeepLift"), ("guided_backprop", "Guided Backprop")
    for (method, title), reason in zip(methods, RULES[name], strict=True):
        steps = gradient_steps(module, inputs, Question(1), GradientSetting(method))
        if reason is None:
            (step,) = steps
            assert np.abs(step.snapshot().values).max() > 0
        else:
            with pytest.raises(SettingError) as refused:
                list(steps)
            assert str(refused.value).startswith(
                f"{title} is not available for this model, since {reason}"
            )
