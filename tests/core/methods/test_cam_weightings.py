"""The CAM family: known by hand, and beside two independent packages."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from core.engine.remembered import memory
from core.errors import SettingError
from core.methods import cam_weightings
from core.methods.cam_methods import BEHIND_RELU, CAM_KINDS, GradCamSetting
from core.methods.gradients import gradient_steps
from core.methods.scores import Question
from core.models.torchvision_compat import torchvision  # before what imports torchvision itself
from tests.core.engine.test_libraries import MAKERS, of_a_swin, of_a_vit, seen_by
from tests.core.methods.test_grad_cam import enlarged, offered, stages
from tests.toys import Untraceable, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = [kind for kind in CAM_KINDS if kind != "guided_grad_cam"]
SIGNABLE = [kind for kind in KINDS if kind != "eigen_cam"]
PACKAGES = {  # in pytorch-grad-cam
    "grad_cam": "GradCAM",
    "grad_cam_plus_plus": "GradCAMPlusPlus",
    "xgrad_cam": "XGradCAM",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
}
TORCHCAM = {"grad_cam": "GradCAM", "xgrad_cam": "XGradCAM", "layer_cam": "LayerCAM"}


def explained(module, inputs, kind, question=None, layer=None, signed=False):
    setting = GradCamSetting(layer, kind=kind, signed=signed)
    (step,) = gradient_steps(module, inputs, question or Question(1), setting)
    assert (step.done, step.total) == (1, 1)
    return step.snapshot()


def by_pytorch_grad_cam(kind, module, layer, inputs, target, reshape=None):
    """Its map before it is resized and stretched to 0..1: (h, w)."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [target] if callable(target) else [ClassifierOutputTarget(target)]
    method = getattr(pytorch_grad_cam, PACKAGES.get(kind, kind))
    with method(model=module, target_layers=[layer], reshape_transform=reshape) as cam:
        cam(inputs.clone(), targets)
        kept = cam.activations_and_grads
        activations = kept.activations[0].numpy()
        slopes = kept.gradients[0].numpy() if kept.gradients else None
        found = cam.get_cam_image(inputs, layer, targets, activations, slopes, False)
    return np.maximum(found[0], 0)


def by_torchcam(name, module, layers, inputs, target, **how):
    """Its maps before they are stretched: a list of (h, w)."""
    from torchcam import methods

    found = getattr(methods, name)
    options = how.pop("options", {})
    with found(module, layers, **options) as cam:
        scores = module(inputs.clone())
        return [each[0].detach() for each in cam(target, scores, normalized=False, **how)]


def stretched(values):
    values = np.asarray(values, np.float64)
    return (values - values.min()) / (np.ptp(values) or 1)


# Two channels of 2 x 2 places, and the slope of the score in each.
VALUES = torch.tensor([[[1.0, 2], [0, 1]], [[0, 1], [2, 1]]], dtype=torch.float64)
SLOPES = torch.tensor([[[2.0, 0], [1, 1]], [[-1, 1], [-2, -2]]], dtype=torch.float64)
KNOWN = {  # positive, signed
    "grad_cam": ([[1, 1], [0, 0]], [[1, 1], [-2, 0]]),
    # Weights 2/10 + 1/6 + 1/6 and 1/6; of the negative score 0 and 1/6 + 2/10 + 2/10.
    "grad_cam_plus_plus": (
        [[8 / 15, 37 / 30], [1 / 3, 7 / 10]],
        [[8 / 15, 2 / 3], [-4 / 5, 2 / 15]],
    ),
    # Weights 3/4 and -5/4.
    "xgrad_cam": ([[0.75, 0.25], [0, 0]], [[0.75, 0.25], [-2.5, -0.5]]),
    "hires_cam": ([[2, 1], [0, 0]], [[2, 1], [-4, -1]]),
    "layer_cam": ([[2, 1], [0, 1]], [[2, 1], [-4, -1]]),
    # The channels' products are 6, 6 and 3: the direction is (1, 1) / sqrt(2).
    "eigen_cam": (np.array([[1, 3], [2, 2]]) / 2**0.5, None),
}


class Sloped(nn.Module):
    """The score of class 0 is the sum of the values times their slopes; that of class 1 is 0."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Hardtanh(-9, 9)

    def forward(self, x):
        score = (self.maps(x) * SLOPES.float()).sum((1, 2, 3))
        return torch.stack([score, 0 * score], 1)


@pytest.mark.parametrize("kind", KINDS)
def test_known_by_hand(kind):
    inputs = VALUES.float()[None]
    for signed, expected in enumerate(KNOWN[kind]):
        if expected is not None:
            found = explained(Sloped(), inputs, kind, Question(0), "maps", bool(signed))
            np.testing.assert_allclose(found.values, expected, atol=1e-6)
            assert found.method == kind


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_slopes_of_zero_are_a_map_of_zeros(kind):
    zeros = torch.zeros_like(VALUES)
    for values, slopes in ((zeros, SLOPES), (VALUES, zeros), (VALUES - VALUES, -SLOPES)):
        found = cam_weightings.by_layer(kind, values, slopes, False)
        assert found.isfinite().all()
        assert not found.any() or (kind == "eigen_cam" and values is VALUES)


def test_channels_without_a_share_have_no_part():
    """Values that sum to 0 (XGrad-CAM), and a denominator of 0 (Grad-CAM++)."""
    balanced = torch.tensor([[[1.0, -1]]], dtype=torch.float64)
    assert not cam_weightings.xgrad_cam(balanced, torch.ones_like(balanced)).any()
    negative = torch.tensor([[[-1.0, -1]]], dtype=torch.float64)  # 2 + sum(A) G = 0
    assert not cam_weightings.grad_cam_plus_plus(negative, torch.ones_like(negative)).any()


def test_eigen_cam_has_one_sign():
    """A singular vector and its negative are alike: the map must not turn over."""
    for values in (VALUES, -VALUES, VALUES - VALUES.mean((1, 2), keepdim=True)):
        found = cam_weightings.eigen_cam(values, SLOPES)
        np.testing.assert_allclose(found, cam_weightings.eigen_cam(-values, SLOPES), atol=1e-12)
        assert found.sum() > -1e-9
        assert found.flatten()[found.abs().argmax()] > 0


def test_eigen_cam_asks_for_no_score():
    module, inputs = stages(), picture(16, 12)
    found = explained(module, inputs, "eigen_cam", Question(0)).values
    for question in (Question(3), Question(2, 1), Question(1, None, "probability")):
        np.testing.assert_array_equal(
            explained(module, inputs, "eigen_cam", question).values, found
        )
    assert found.max() > 0


def steep(module):
    """Slopes beside which its 1e-6 in the denominator of Grad-CAM++ is nothing."""
    nn.init.normal_(list(module.parameters())[-2], std=1e5)
    return module


@pytest.mark.parametrize("layer", ["pool", "deep", "middle.1"])
@pytest.mark.parametrize("kind", PACKAGES)
def test_as_pytorch_grad_cam_says(kind, layer):
    """Batch norm included, which is folded into the convolution before it elsewhere.

    Of that, some methods look behind the ReLU that follows, without being told.
    """
    behind = "middle.2" if layer == "middle.1" and kind in BEHIND_RELU else layer
    module, inputs = seeded(lambda: steep(stages(1))), picture(16, 12, 1)
    some = 0
    for target in range(4):
        found = explained(module, inputs, kind, Question(target), layer).values
        theirs = by_pytorch_grad_cam(kind, module, module.get_submodule(behind), inputs, target)
        expected = enlarged(theirs, (16, 12))
        np.testing.assert_allclose(stretched(found), stretched(expected), atol=1e-5)
        np.testing.assert_allclose(found, expected, atol=1e-4 * (expected.max() or 1))
        some += expected.max() > 0
    assert some


def test_of_a_resnet_as_both_packages_say():
    module = seeded(lambda: steep(torchvision.models.resnet18(weights=None))).eval()
    inputs, before = picture(64, 64), state(module)
    found = {
        kind: explained(module, inputs, kind, Question(7), "layer3").values for kind in PACKAGES
    }
    assert state(module) == before
    for kind, values in found.items():
        theirs = [by_pytorch_grad_cam(kind, module, module.layer3, inputs, 7)]
        if kind in TORCHCAM:
            theirs += by_torchcam(TORCHCAM[kind], module, "layer3", inputs, 7)
        for each in theirs:
            expected = enlarged(np.asarray(each), (64, 64))
            assert expected.max() > 0
            np.testing.assert_allclose(stretched(values), stretched(expected), atol=1e-5)


def test_eigen_cam_as_pytorch_grad_cam_says_of_centred_values():
    """It centres each channel, which changes nothing behind an instance norm; its sign is open."""
    layers = nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6), nn.Tanh(), nn.AdaptiveAvgPool2d(1)
    module = seeded(lambda: nn.Sequential(*layers, nn.Flatten(), nn.Linear(6, 4))).eval()
    inputs = picture(12, 12)
    found = explained(module, inputs, "eigen_cam", layer="1").values
    projected = cam_weightings.eigen_cam(module[:2](inputs)[0].detach().double(), SLOPES)
    theirs = by_pytorch_grad_cam("EigenCAM", module, module[1], inputs, 0)
    assert min(np.abs(theirs - (way * projected).relu().numpy()).max() for way in (1, -1)) < 1e-5
    np.testing.assert_allclose(found, enlarged(projected.relu().tolist(), (12, 12)), atol=1e-5)


class LinearHead(nn.Module):
    """A map of the picture's size, and scores that are linear in it."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU())
        self.last = nn.Linear(5 * 12 * 12, 4)

    def forward(self, x):
        return self.last(self.maps(x).flatten(1))


@pytest.mark.parametrize("kind", ["hires_cam", "xgrad_cam"])
def test_signed_values_sum_to_a_linear_score(kind):
    module, inputs = seeded(LinearHead), picture()
    for target in range(4):
        found = explained(module, inputs, kind, Question(target), "maps", signed=True).values
        score = (module(inputs)[0, target] - module.last.bias[target]).item()
        assert float(found.sum(dtype=np.float64)) == pytest.approx(score, abs=1e-5)
        assert found.min() < 0 < found.max()


@pytest.mark.parametrize("layer", [None, "middle,deep"])
@pytest.mark.parametrize("kind", SIGNABLE)
def test_signed_turns_over_with_the_question(kind, layer):
    made = partial(explained, stages(), picture(16, 12), kind, layer=layer, signed=True)
    one, other = made(question=Question(0, 2)), made(question=Question(2, 0))
    np.testing.assert_allclose(one.values, -other.values, atol=1e-6)
    assert one.values.any()


@pytest.mark.parametrize("kind", ["grad_cam", "xgrad_cam", "hires_cam"])
def test_positive_values_are_those_of_the_signed_map(kind):
    """On the layer's own grid, here that of the picture."""
    made = partial(explained, stages(), picture(16, 12), kind, layer="stem")
    np.testing.assert_allclose(made().values, made(signed=True).values.clip(0), atol=1e-6)


def test_a_contrast_is_the_difference_of_two_maps_before_what_is_against_is_cut_off():
    made = partial(explained, stages(), picture(16, 12), "grad_cam", signed=True)
    apart = made(question=Question(0)).values - made(question=Question(2)).values
    np.testing.assert_allclose(made(question=Question(0, 2)).values, apart, atol=1e-6)


@pytest.mark.parametrize("kind", ["grad_cam", "grad_cam_plus_plus", "layer_cam"])
def test_a_contrast_is_finer_cam_with_one_reference_and_gamma_1(kind):
    """So say pytorch-grad-cam, and torchcam where it computes the method as published."""
    from pytorch_grad_cam.utils.model_targets import FinerWeightedTarget
    from torchcam import methods

    module, inputs = stages(2), picture(16, 12, 2)
    some = 0
    for target, other in ((0, 3), (3, 0), (1, 2)):
        found = explained(module, inputs, kind, Question(target, other), "deep").values
        finer = FinerWeightedTarget(target, [other], 1.0)
        if module(inputs).softmax(-1)[0, other] > 1e-3:  # else its 1e-9 in a denominator counts
            theirs = [by_pytorch_grad_cam(kind, module, module.deep, inputs, finer)]
            some += 1
        else:
            theirs = []
        if kind in TORCHCAM:
            options = {"base_method": getattr(methods, TORCHCAM[kind]), "gamma": 1.0}
            how = {"options": options, "comparison_idx": other}
            theirs += by_torchcam("FinerCAM", module, "deep", inputs, target, **how)
        for each in theirs:
            expected = enlarged(np.asarray(each), (16, 12))
            np.testing.assert_allclose(found, expected, atol=1e-3 * (expected.max() or 1))
    assert some


@pytest.mark.parametrize("layers", ["stem,middle,deep", "all"])
def test_layers_are_fused_as_torchcam_does(layers):
    from torchcam.methods import LayerCAM

    module, inputs = stages(), picture(16, 12)
    assert offered(module, inputs) == ("stem", "middle", "deep")
    found = explained(module, inputs, "layer_cam", layer=layers)
    maps = by_torchcam("LayerCAM", module, ["stem", "middle", "deep"], inputs, 1)
    theirs = LayerCAM.fuse_cams([(each / each.max())[None] for each in maps], (16, 12))
    np.testing.assert_allclose(found.values, theirs[0], atol=1e-5)
    assert found.parameters["layer"] == ("all" if layers == "all" else "deep,middle,stem")


def test_of_signed_layers_the_largest_in_size_counts():
    one, other = torch.tensor([[1.0, -2.0]]), torch.tensor([[-0.5, 0.25]])
    scaled = [cam_weightings.scaled(each) for each in (one, other)]
    np.testing.assert_allclose(scaled[0], np.tanh([[1.0, -2.0]]), atol=1e-6)
    found = cam_weightings.fused(scaled, (1, 2))
    np.testing.assert_allclose(found[0], np.tanh([[-2.0, -2.0]]), atol=1e-6)
    np.testing.assert_array_equal(cam_weightings.fused([one], (1, 2))[0], one)


def vision_transformer():
    make = torchvision.models.VisionTransformer
    return make(32, 8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=4)


def of_channels_last(maps):
    return maps.permute(0, 3, 1, 2)


TRANSFORMERS = {
    "torchvision ViT": ("encoder.layers.encoder_layer_2.ln_1", of_a_vit),
    "timm DeiT": ("blocks.2.norm1", lambda tokens: of_a_vit(tokens[:, 1:])),
    "timm Swin": ("norm", of_a_swin),
    "timm ConvNeXt": ("stages.2.blocks.0.norm", of_channels_last),
    "transformers Swin": ("swin.layernorm", lambda tokens: of_a_swin(tokens.unflatten(1, (8, 8)))),
}


class OwnLogits(nn.Module):
    """A network of transformers as one that returns its logits alone."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x).logits


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_channels_last_and_tokens_as_pytorch_grad_cam_says(name):
    module = seeded(lambda: steep(MAKERS.get(name, vision_transformer)())).eval()
    for key, values in module.named_parameters():
        if key.endswith("gamma"):
            nn.init.ones_(values)  # ConvNeXt begins with 1e-6
    layer, reshape = TRANSFORMERS[name]
    inputs = seen_by(name)
    theirs = OwnLogits(module) if name.startswith("transformers") else module
    for kind in PACKAGES:
        expected = by_pytorch_grad_cam(
            kind, theirs, module.get_submodule(layer), inputs, 1, reshape
        )
        expected = enlarged(expected, inputs.shape[2:])
        found = explained(module, inputs, kind, layer=layer).values
        np.testing.assert_allclose(found, expected, atol=3e-4 * (expected.max() or 1))
    assert explained(module, inputs, "eigen_cam", layer=layer).values.max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_cannot_be_exported(kind):
    module, inputs = seeded(Untraceable).eval(), picture()
    assert memory.prepared(module, inputs).network.captured is None
    for layer in (None, "all"):
        assert explained(module, inputs, kind, layer=layer).values.max() > 0


def test_what_cannot_be_asked():
    for wrong, words in (
        ({"kind": "tree_cam"}, 'There is no CAM "tree_cam"'),
        ({"kind": "eigen_cam", "signed": True}, "eigen_cam cannot be signed"),
        ({"kind": "guided_grad_cam", "signed": True}, "guided_grad_cam cannot be signed"),
    ):
        with pytest.raises(SettingError, match=words):
            GradCamSetting(**wrong)
    with pytest.raises(SettingError) as refused:
        explained(stages(), picture(16, 12), "layer_cam", layer="deep, nowhere")
    assert str(refused.value) == ('There is no layer "nowhere": choose one of stem, middle, deep.')


def test_the_kinds_are_those_that_have_a_weighting():
    assert tuple(cam_weightings.WEIGHTINGS) == CAM_KINDS
