"""Attention rollout, gradient rollout and LeGrad beside other sources, and by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.engine.remembered import memory
from core.errors import SettingError
from core.methods.attention_methods import (
    AttentionRolloutSetting,
    GradientRolloutSetting,
    LeGradSetting,
)
from core.methods.availability import why_not
from core.methods.gradient_methods import GradientSetting
from core.methods.gradients import gradient_steps
from core.methods.scores import SCORE_KINDS, Question
from core.models.torchvision_compat import torchvision  # before what imports it itself
from tests.toys import CLASSES, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 16, 16
GRID = 4, 4
HF = {
    "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
    "image_size": 16, "patch_size": 4, "num_labels": CLASSES,
}  # fmt: skip


def explained(module, inputs, setting, question=None):
    (step,) = gradient_steps(module, inputs, question or Question(1), setting)
    return step.snapshot()


def enlarged(places, size=SIZE):
    """Places (rows, columns) at the input's size."""
    grid = torch.as_tensor(places, dtype=torch.float64)
    return F.interpolate(grid[None, None], size, mode="bilinear")[0, 0].detach().numpy()


def lively(make):
    """A network whose attention differs from token to token."""

    def made():
        module = make().eval()
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.4)
        return module

    return seeded(made)


def vit(**options):
    def make():
        sizes = {"image_size": 16, "patch_size": 4, "num_layers": 3, "num_heads": 2}
        return torchvision.models.VisionTransformer(
            **sizes, hidden_dim=8, mlp_dim=16, num_classes=CLASSES, **options
        )

    return lively(make)


def hugging_face(architecture, attention, **options):
    def make():
        import transformers

        config = getattr(transformers, f"{architecture}Config")(**{**HF, **options})
        network = getattr(transformers, f"{architecture}ForImageClassification")
        return network._from_config(config, attn_implementation=attention)

    return lively(make)


class Two(nn.Module):
    """Two tokens, a pixel each, layers of one head, and a head that reads the first or the mean.

    Every query is 1, a token is its own key and value, so that with pixels 0 and log 3 each token
    gives a fourth of its attention to the first and the rest to the second, in every layer: what a
    layer adds is the same for both.
    """

    def __init__(self, layers, first):
        super().__init__()
        self.layers, self.first = layers, first
        self.query = nn.Linear(1, 1)
        with torch.no_grad():
            self.query.weight.zero_()
            self.query.bias.fill_(1)

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        for _ in range(self.layers):
            x = x + (self.query(x) @ x.transpose(1, 2)).softmax(-1) @ x
        read = x[:, 0] if self.first else x.mean(1)
        return torch.cat([2 * read, -read], 1)


LOG3 = math.log(3)
TWO = torch.tensor([[[[0.0, LOG3]]]])


@pytest.mark.parametrize(
    ("layers", "first", "expected"),
    [
        (1, True, [5 / 8, 3 / 8]),  # half itself, half of (1/4, 3/4)
        (1, False, [3 / 8, 5 / 8]),
        (2, True, [28 / 64, 36 / 64]),
    ],
)
def test_rollout_known_by_hand(layers, first, expected):
    module = Two(layers, first)
    found = explained(module, TWO, AttentionRolloutSetting())
    np.testing.assert_allclose(found.values, [expected], atol=1e-6)
    other = explained(module, TWO, AttentionRolloutSetting(), Question(0, 1, "probability"))
    np.testing.assert_array_equal(found.values, other.values)  # no class is asked for
    assert found.units == "share of attention"
    assert found.forward_passes == 3


@pytest.mark.parametrize(
    ("first", "target", "expected"),
    [
        (True, 0, [0, 2 * LOG3 * 3 / 4]),  # the score's slope in attention, times attention
        (False, 0, [0, LOG3 * 3 / 4]),  # half the slope, in either row
        (True, 1, [0, 0]),
    ],
)
def test_gradient_rollout_of_a_layer_known_by_hand(first, target, expected):
    found = explained(Two(1, first), TWO, GradientRolloutSetting(), Question(target))
    np.testing.assert_allclose(found.values, [expected], atol=1e-6)


def test_gradient_rollout_of_two_layers_known_by_hand():
    """The second layer's values are 3/4 log 3 and 7/4 log 3, and it adds 6/4 log 3 to each.

    What the first layer hands on to the first token counts 1 + 1/4 times, what it hands on to the
    second 3/4 times, besides what both do to the second layer's attention.
    """
    first, second = (
        torch.tensor([[0.25, 0.75], [0.25, 0.75]], requires_grad=True) for _ in range(2)
    )
    x = torch.tensor([[0.0], [LOG3]])
    y = x + first @ x
    keys = y.detach() + (y - y.detach())
    again = keys.T.expand(2, 2).softmax(-1)
    z = y + (again + second - second.detach()) @ y
    slopes = torch.autograd.grad(2 * z[0, 0], (first, second))
    layers = [(p.detach() * slope).relu() for p, slope in zip((first, second), slopes, strict=True)]
    whole = (torch.eye(2) + layers[1]) @ (torch.eye(2) + layers[0])
    expected = whole[0] - torch.tensor([1.0, 0.0])
    found = explained(Two(2, True), TWO, GradientRolloutSetting(), Question(0))
    np.testing.assert_allclose(found.values, expected[None], atol=1e-5)


@pytest.mark.parametrize("first", [True, False])
def test_legrad_of_a_layer_known_by_hand(first):
    """The mean of both tokens is read, so that each query counts half, and the mean over both."""
    found = explained(Two(1, first), TWO, LeGradSetting(), Question(0))
    np.testing.assert_allclose(found.values, [[0, 2 * LOG3 / 2]], atol=1e-6)
    assert found.units == "logits per unit of attention"
    against = explained(Two(1, first), TWO, LeGradSetting(), Question(1))
    assert not against.values.any()


class TwoByQuery(Two):
    """Its head reads the two tokens by an attention of its own, whose query is 1."""

    def __init__(self):
        super().__init__(1, first=True)
        self.token = nn.Parameter(torch.ones(1, 1, 1))

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        x = x + (self.query(x) @ x.transpose(1, 2)).softmax(-1) @ x
        weights = (self.token.expand(len(x), -1, -1) @ x.transpose(1, 2)).softmax(-1)
        read = (weights @ x)[:, 0]
        return torch.cat([2 * read, -read], 1)


def test_a_head_with_an_attention_of_its_own_known_by_hand():
    """It gives a fourth to the first token, 3/4 log 3, and the rest to the second, 7/4 log 3.

    Through the layer, whose second value alone is not 0, the score's slope in the first row of the
    attention is twice a fourth of log 3, besides what it does to the head's attention.
    """
    module = TwoByQuery()
    found = explained(module, TWO, AttentionRolloutSetting(), Question(0)).values
    np.testing.assert_allclose(found, [[1 / 4 * 5 / 8 + 3 / 4 / 8, 1 / 4 * 3 / 8 + 3 / 4 * 7 / 8]])
    found = explained(module, TWO, LeGradSetting(), Question(0)).values
    np.testing.assert_allclose(found, [[2 * LOG3 * 3 / 4, 2 * LOG3 * 7 / 4]], rtol=1e-5)

    layer = torch.tensor([[0.25, 0.75], [0.25, 0.75]], requires_grad=True)
    y = torch.tensor([0.0, LOG3]) + layer @ torch.tensor([0.0, LOG3])
    own = y.softmax(0)
    slopes = torch.autograd.grad(2 * (own @ y), (layer, own))
    weighted = [(p * slope).relu().detach() for p, slope in zip((layer, own), slopes, strict=True)]
    expected = weighted[1] @ (torch.eye(2) + weighted[0])
    found = explained(module, TWO, GradientRolloutSetting(), Question(0)).values
    np.testing.assert_allclose(found, expected[None], rtol=1e-5)


def rolled(attentions, read, fusion="mean"):
    """As in the paper: half of what a token was, and half of what it reads."""
    whole = torch.eye(attentions[0].shape[-1], dtype=torch.float64)
    for attention in attentions:
        fused = getattr(
            attention[0].double(), {"mean": "mean", "max": "amax", "min": "amin"}[fusion]
        )(0)
        layer = (fused + torch.eye(len(fused))) / 2
        whole = (layer / layer.sum(1, keepdim=True)) @ whole
    return read @ whole


def read_by(architecture, count):
    read = torch.zeros(count, dtype=torch.float64)
    if architecture == "Dinov2":  # its head reads the class token and the mean of the patches
        read[0], read[1:] = 0.5, 0.5 / (count - 1)
    elif architecture == "Beit":
        read[1:] = 1 / (count - 1)
    else:
        read[0] = 1
    return read


SKIPPED = {"ViT": 1, "DeiT": 2, "Dinov2": 1, "Beit": 1}


@pytest.mark.parametrize("architecture", SKIPPED)
def test_as_the_attention_that_transformers_itself_returns(architecture):
    """A network that calls the fused operation, beside one that writes it out and says it."""
    module = hugging_face(architecture, "sdpa")
    written_out = hugging_face(architecture, "eager")
    inputs, skipped = picture(*SIZE), SKIPPED[architecture]
    before = state(module)
    out = written_out(inputs, output_attentions=True)
    slopes = torch.autograd.grad(out.logits[0, 2], out.attentions)
    read = read_by(architecture, 16 + skipped)
    for fusion in ("mean", "max", "min"):
        found = explained(module, inputs, AttentionRolloutSetting(fusion)).values
        expected = rolled(out.attentions, read, fusion)[skipped:].view(GRID).detach()
        np.testing.assert_allclose(found, enlarged(expected), atol=1e-5 * float(expected.max()))
    weighted = torch.eye(16 + skipped, dtype=torch.float64)
    for attention, slope in zip(out.attentions, slopes, strict=True):
        layer = (attention * slope)[0].clamp(min=0).mean(0).double()
        weighted = weighted + layer @ weighted
    expected = (read @ weighted - read)[skipped:].view(GRID).detach()
    found = explained(module, inputs, GradientRolloutSetting(), Question(2)).values
    assert found.max() > 0
    np.testing.assert_allclose(found, enlarged(expected), atol=1e-5 * float(expected.max()))
    assert state(module) == before


@pytest.mark.parametrize("start", [1, 2, 3])
def test_legrad_as_an_independent_package_says(start):
    from torchcam.methods import LeGrad

    module, inputs = vit(), picture(*SIZE)
    with LeGrad(vit_again := vit(), list(vit_again.encoder.layers)[start - 1 :]) as extractor:
        scores = vit_again(inputs.clone())
        (cam,) = extractor(1, scores, normalized=False)
    found = explained(module, inputs, LeGradSetting(start))
    assert found.values.max() > 0
    np.testing.assert_allclose(
        found.values, enlarged(cam[0]), atol=1e-5 * float(cam.detach().max())
    )


def test_legrad_of_a_head_that_reads_the_mean_is_of_its_own_scores():
    """Of the last layer alone, it is the gradient of the network's own score."""
    module = hugging_face("Beit", "sdpa", use_mean_pooling=True)
    written_out, inputs = hugging_face("Beit", "eager", use_mean_pooling=True), picture(*SIZE)
    out = written_out(inputs, output_attentions=True)
    (slope,) = torch.autograd.grad(out.logits[0, 1], out.attentions[-1])
    expected = slope[0].clamp(min=0).mean((0, 1))[1:].view(GRID)
    found = explained(module, inputs, LeGradSetting(2)).values
    assert found.max() > 0
    np.testing.assert_allclose(found, enlarged(expected), atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_the_score_that_is_asked_is_the_one_explained(kind):
    question, tokens = Question(0, 1, kind), TWO[0, 0].T
    attention = torch.tensor([[0.25, 0.75], [0.25, 0.75]], requires_grad=True)
    behind = tokens + attention @ tokens

    def slopes_of(read):
        score = question.scores(torch.cat([2 * read, -read])[None])
        return torch.autograd.grad(score.sum(), attention, retain_graph=True)[0]

    weighted = (attention * slopes_of(behind[0])).detach()[:1]
    assert weighted.max() > 0
    found = explained(Two(1, True), TWO, GradientRolloutSetting(), question).values
    np.testing.assert_allclose(found, weighted, atol=1e-6)
    found = explained(Two(1, True), TWO, LeGradSetting(), question).values
    np.testing.assert_allclose(found, slopes_of(behind.mean(0)).mean(0)[None], atol=1e-6)


def test_other_maps_of_the_network_are_as_before():
    """The graph that is rewritten is a copy."""
    module, inputs = vit(), picture(*SIZE)
    before = explained(module, inputs, GradientSetting("saliency")).values
    for setting in (AttentionRolloutSetting(), GradientRolloutSetting(), LeGradSetting()):
        explained(module, inputs, setting)
    after = explained(module, inputs, GradientSetting("saliency")).values
    np.testing.assert_array_equal(before, after)
    network = memory.prepared(module, inputs).network
    torch.testing.assert_close(network.dense(inputs), module(inputs).detach(), atol=1e-5, rtol=0)


def test_layers_that_are_not_there():
    with pytest.raises(SettingError) as refused:
        explained(vit(), picture(16, 16), LeGradSetting(4))
    assert str(refused.value) == (
        "LeGrad from layer 4: this model has 3 layers of attention; choose between 1 and 3."
    )
    with pytest.raises(SettingError, match="First layer: 0; choose between 1 and 1000"):
        LeGradSetting(0)
    with pytest.raises(
        SettingError, match='no fusion of heads "sum": choose one of mean, max, min'
    ):
        AttentionRolloutSetting("sum")


@pytest.mark.parametrize(
    ("setting", "title"),
    [
        (AttentionRolloutSetting(), "Attention rollout"),
        (GradientRolloutSetting(), "Gradient rollout"),
        (LeGradSetting(), "LeGrad"),
    ],
)
def test_without_attention_there_is_a_sentence(setting, title):
    module = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(784, 4)))
    assert why_not(module.eval(), picture(16, 16), setting.name) == "it has no attention"
    with pytest.raises(SettingError) as refused:
        explained(module, picture(16, 16), setting)
    assert (
        str(refused.value) == f"{title} is not available for this model, since it has no attention."
    )
