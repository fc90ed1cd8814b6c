"""Grad-CAM beside an independent package, and the layers that it can look at."""

import numpy as np
import pytest
import torch
from captum.attr import GuidedGradCam
from torch import nn
from torch.nn import functional as F

from core.engine.remembered import memory
from core.errors import SettingError
from core.methods.cam_methods import GradCamSetting
from core.methods.grad_cam import layers
from core.methods.gradients import gradient_steps
from core.methods.scores import SCORE_KINDS, Question
from core.models.torchvision_compat import torchvision  # before what imports torchvision itself
from tests.toys import Linear, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")


class Stages(nn.Module):
    """Maps of three sizes, the last of them twice, and a classifier on their mean."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.middle = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.last = nn.Linear(8, 4)
        nn.init.normal_(self.last.weight, std=3.0)

    def forward(self, x):
        x = self.middle(self.pool(F.relu(self.stem(x))))
        return self.last(self.deep(x).mean((2, 3)))


def stages(seed=0):
    return seeded(Stages, seed).eval()


def offered(module, inputs):
    return layers(memory.prepared(module, inputs).network, inputs)


def explained(module, inputs, setting, question=None):
    steps = list(gradient_steps(module, inputs, question or Question(1), setting))
    assert [(step.done, step.total) for step in steps] == [(1, 1)]
    return steps[-1].snapshot()


def by_the_other_package(module, layer, inputs, target):
    """Its map before it is resized and stretched to 0..1: (h, w)."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(target)]
    with GradCAM(model=module, target_layers=[layer]) as cam:
        cam(inputs.clone(), targets)
        kept = cam.activations_and_grads
        activations, gradients = kept.activations[0].numpy(), kept.gradients[0].numpy()
        return np.maximum(cam.get_cam_image(inputs, layer, targets, activations, gradients)[0], 0)


def enlarged(cam, size):
    return F.interpolate(torch.tensor(cam)[None, None], size, mode="bilinear")[0, 0].numpy()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("layer", ["stem", "middle", "deep"])
def test_as_an_independent_package_says(layer, seed):
    module, inputs = stages(seed), picture(16, 12, seed)
    for target in range(4):
        found = explained(module, inputs, GradCamSetting(layer), Question(target)).values
        theirs = by_the_other_package(module, module.get_submodule(layer), inputs, target)
        expected = enlarged(theirs, (16, 12))
        np.testing.assert_allclose(found, expected, atol=1e-4 * (expected.max() or 1))
    assert expected.max() > 0 or found.max() == 0


def test_as_an_independent_package_says_of_a_resnet():
    module = seeded(lambda: torchvision.models.resnet18(weights=None)).eval()
    module.requires_grad_(False)
    inputs = picture(96, 96)
    before = state(module)
    found = explained(module, inputs, GradCamSetting(), Question(7)).values
    assert state(module) == before
    other = seeded(lambda: torchvision.models.resnet18(weights=None)).eval()
    theirs = by_the_other_package(other, other.layer4, inputs, 7)
    expected = enlarged(theirs, (96, 96))
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_known_by_hand():
    class Weighed(nn.Module):
        """Class 0 is 2 times the sum of the first channel less 3 times that of the second."""

        def __init__(self):
            super().__init__()
            self.maps = nn.Hardtanh(-9, 9)

        def forward(self, x):
            first, second = self.maps(x).sum((2, 3)).unbind(1)
            return torch.stack([2 * first - 3 * second, second], 1)

    inputs = torch.tensor([[[[1.0, 5.0], [0.0, -1.0]], [[0.0, 4.0], [1.0, -2.0]]]])
    found = explained(Weighed(), inputs, GradCamSetting("maps"), Question(0)).values
    np.testing.assert_allclose(found, [[2, 0], [0, 4]], atol=1e-6)


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_the_score_that_is_asked_is_the_one_explained(kind):
    module, inputs = stages(), picture(16, 12)
    question = Question(2, 0, kind)
    found = explained(module, inputs, GradCamSetting("deep"), question).values
    maps = module.deep(module.middle(module.pool(F.relu(module.stem(inputs))))).detach()
    maps.requires_grad_()
    score = question.scores(module.last(maps.mean((2, 3))))
    (gradient,) = torch.autograd.grad(score.sum(), maps)
    expected = F.relu((gradient.mean((2, 3), keepdim=True) * maps).sum(1))[0].detach().numpy()
    np.testing.assert_allclose(found, enlarged(expected, (16, 12)), atol=1e-5)


@pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks")
@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
def test_guided_as_captum_says():
    def make():
        return nn.Sequential(
            nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 6, 3, stride=2, padding=1),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
        )  # fmt: skip

    module, inputs = seeded(make).eval(), picture(12, 12)
    before = state(module)
    some = 0
    for target in range(4):
        setting = GradCamSetting("3", "guided_grad_cam")
        ours = explained(module, inputs, setting, Question(target))
        theirs = GuidedGradCam(module, module[3]).attribute(
            inputs.clone(), target, interpolate_mode="bilinear"
        )
        theirs = theirs.sum(1)[0].detach().numpy()
        np.testing.assert_allclose(ours.values, theirs, atol=1e-5 * (np.abs(theirs).max() or 1))
        some += np.abs(theirs).max() > 0
    assert some
    assert ours.method == "guided_grad_cam"
    assert ours.units == "no unit"
    assert state(module) == before


def test_layers_are_the_last_of_each_size_largest_first():
    module = stages()
    assert offered(module, picture(16, 12)) == ("stem", "middle", "deep")
    assert state(module) == state(stages())
    plain = explained(module, picture(16, 12), GradCamSetting())
    last = explained(module, picture(16, 12), GradCamSetting("deep"))
    np.testing.assert_array_equal(plain.values, last.values)
    assert plain.parameters["layer"] is None
    assert plain.forward_passes == 3
    assert (plain.method, plain.units) == ("grad_cam", "weighted activation")


@pytest.mark.parametrize("pads", [nn.ZeroPad2d, nn.ReflectionPad2d])
def test_a_layer_that_only_pads_is_not_offered(pads):
    layer = pads(1)  # the only one whose maps are of its size
    ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    module = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.Conv2d(4, 5, 5), *ends))
    module.eval()
    assert offered(module, picture(16, 12)) == ("0", "2")
    of_all = explained(module, picture(16, 12), GradCamSetting("all"))
    of_both = explained(module, picture(16, 12), GradCamSetting("0, 2"))
    np.testing.assert_array_equal(of_all.values, of_both.values)
    assert explained(module, picture(16, 12), GradCamSetting("1")).values.any()


def test_a_layer_that_runs_twice_is_none_to_choose():
    class Twice(Stages):
        def forward(self, x):
            x = self.middle(self.middle(self.pool(F.relu(self.stem(x)))))
            return self.last(self.deep(x).mean((2, 3)))

    assert offered(seeded(Twice).eval(), picture(16, 12)) == ("stem", "pool", "deep")


class Patches(nn.Module):
    """As vision transformers do: a map of patches first, then tokens."""

    def __init__(self):
        super().__init__()
        self.cut = nn.Conv2d(3, 6, 4, stride=4)
        self.blocks = nn.Sequential(*(nn.Linear(6, 6) for _ in range(5)))
        self.last = nn.Linear(6, 4)

    def forward(self, x):
        return self.last(self.blocks(self.cut(x).flatten(2).transpose(1, 2)).mean(1))


def test_tokens_are_the_grid_that_they_were_cut_from():
    module, inputs = seeded(Patches).eval(), picture(16, 12)
    assert offered(module, inputs) == ("blocks",)
    found = explained(module, inputs, GradCamSetting("blocks.3"), Question(2)).values
    tokens = module.blocks[:4](module.cut(inputs).flatten(2).transpose(1, 2)).detach()
    tokens.requires_grad_()
    score = module.last(module.blocks[4](tokens).mean(1))[0, 2]
    (slopes,) = torch.autograd.grad(score, tokens)
    expected = F.relu((tokens * slopes.mean(1, keepdim=True)).sum(2)).view(4, 3)
    np.testing.assert_allclose(found, enlarged(expected.tolist(), (16, 12)), atol=1e-5)


class LongHead(nn.Module):
    """Two convolutions, and many more layers behind them."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 6, 3, stride=2), nn.ReLU()
        )
        more = (part for _ in range(7) for part in (nn.Linear(16, 16), nn.ReLU()))
        self.head = nn.Sequential(nn.Linear(210, 16), nn.ReLU(), *more, nn.Linear(16, 4))

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


class LongHeadUndecided(LongHead):
    """Cannot be exported."""

    def forward(self, x):
        return super().forward(-x if x.sum() > 1e9 else x)


@pytest.mark.parametrize("make", [LongHead, LongHeadUndecided])
def test_a_long_head_behind_few_maps(make):
    module, inputs = seeded(make).eval(), picture(16, 12)
    assert offered(module, inputs)[-1] == "features"
    found = explained(module, inputs, GradCamSetting(), Question(1)).values
    theirs = by_the_other_package(module, module.features, inputs, 1)
    expected = enlarged(theirs, (16, 12))
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_maps_that_no_score_depends_on():
    class ByClassToken(Patches):
        """Reads the class token alone, which has seen nothing."""

        def forward(self, x):
            x = self.cut(x).flatten(2).transpose(1, 2)
            x = torch.cat([torch.ones(1, 1, 6).expand(len(x), -1, -1), x], 1)
            return self.last(self.blocks(x)[:, 0])

    module, inputs = seeded(ByClassToken).eval(), picture(16, 12)
    assert offered(module, inputs) == ()
    with pytest.raises(SettingError) as refused:
        explained(module, inputs, GradCamSetting())
    assert str(refused.value) == (
        "CAM methods are not available for this model, since its scores do not depend on the map "
        "of any of its layers."
    )


@pytest.mark.parametrize("kind", ["grad_cam", "guided_grad_cam"])
def test_without_maps_there_is_a_sentence(kind):
    module = seeded(lambda: Linear((3, 16, 12))).eval()
    assert offered(module, picture(16, 12)) == ()
    with pytest.raises(SettingError) as refused:
        explained(module, picture(16, 12), GradCamSetting(kind=kind))
    assert str(refused.value) == (
        "CAM methods are not available for this model, since none of its layers returns one map "
        "that is known to lie over the picture."
    )


def test_an_unknown_layer():
    module = stages()
    before = state(module)
    for wrong, reason in (
        ("layer5", 'There is no layer "layer5"'),
        ("last", 'The layer "last" returns values of shape (N, 4), of which it is not known'),
    ):
        with pytest.raises(SettingError) as refused:
            explained(module, picture(16, 12), GradCamSetting(wrong))
        assert str(refused.value).startswith(reason)
        assert str(refused.value).endswith(": choose one of stem, middle, deep.")
    assert state(module) == before


def test_the_kept_copy_has_no_hooks_afterwards():
    module = stages()
    explained(module, picture(16, 12), GradCamSetting())
    kept = memory.prepared(module, picture(16, 12)).network.twin
    assert not any(
        part._forward_hooks or part._forward_pre_hooks or part._backward_hooks
        for part in kept.modules()
    )


def test_a_network_that_cannot_be_exported_can_have_grad_cam_but_not_guided():
    class Decides(Stages):
        def forward(self, x):
            return super().forward(-x if x.sum() > 1e9 else x)

    module, inputs = seeded(Decides).eval(), picture(16, 12)
    plain = explained(module, inputs, GradCamSetting()).values
    same = explained(stages(), inputs, GradCamSetting()).values
    np.testing.assert_allclose(plain, same, atol=1e-5)
    with pytest.raises(SettingError, match="cannot be exported"):
        explained(module, inputs, GradCamSetting(kind="guided_grad_cam"))


def test_nothing_that_speaks_for_a_class_is_a_map_of_zeros():
    class Against(nn.Module):
        def __init__(self):
            super().__init__()
            self.maps = nn.ReLU()

        def forward(self, x):
            total = self.maps(x).sum((1, 2, 3))
            return torch.stack([-total, total], 1)

    found = explained(Against(), picture().abs(), GradCamSetting(), Question(0))
    assert not found.values.any()
