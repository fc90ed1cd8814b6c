"""LRP of attention, softmax and layer norm: AttnLRP's formulas, written out."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.engine.incremental import IncrementalNetwork
from core.methods import lrp
from core.methods.lrp_method import LrpSetting
from core.methods.request import Asked
from core.methods.scores import Question
from tests.toys import picture, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

TARGET = 2


def explained(module, inputs, **options):
    """The map in double precision, and the setting's rule."""
    network = IncrementalNetwork(module, inputs)
    asked = Asked(network, inputs, torch.zeros_like(inputs), Question(TARGET))
    (progress,) = lrp.lrp(asked, LrpSetting(**options))
    return progress.values().numpy(), progress.found["rule"]


class Tokens(nn.Module):
    """Two pixels as two tokens of one number; ``last`` makes three logits of what they become."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.last = nn.Parameter(torch.tensor([[1.0, 1.0], [2.0, 1.0], [1.0, -3.0]]))

    def forward(self, x):
        tokens = x[:, 0].transpose(1, 2)  # (n, 2 tokens, 1 number)
        return self.function(tokens).flatten(1) @ self.last.T


def attention(tokens):
    queries, keys, values = 2 * tokens, tokens, 3 * tokens
    return (queries @ keys.mT).softmax(-1) @ values


def fused(tokens):
    queries, keys, values = (scale * tokens[:, None] for scale in (2, 1, 3))
    return F.scaled_dot_product_attention(queries, keys, values, scale=1.0)[:, 0]


def expected_attention(a, b, masked=False):
    """Relevance of two tokens whose attention gives the third logit, by Achtibat et al., 2024."""
    tokens = np.array([a, b])
    scores = np.outer(2 * tokens, tokens)
    weights = np.exp(scores)
    if masked:
        weights[0, 1] = 0.0  # the first token does not see the second
    weights /= weights.sum(1, keepdims=True)
    values = 3 * tokens
    relevance = np.array([1.0, -3.0]) * (weights @ values)  # of the tokens behind the attention
    of_weights, found = np.zeros((2, 2)), np.zeros(2)
    for i in range(2):
        for j in range(2):  # a half for each factor of a product (equation 12)
            part = weights[i, j] * values[j] / (weights @ values)[i] * relevance[i] / 2
            of_weights[i, j] = part
            found[j] += part
    for i in range(2):
        for j in range(2):  # softmax (equation 8), and the product of query and key
            part = scores[i, j] * (of_weights[i, j] - weights[i, j] * of_weights[i].sum())
            found[i] += part / 2
            found[j] += part / 2
    return found


@pytest.mark.parametrize("function", [attention, fused])
def test_attention_of_two_tokens(function):
    inputs = torch.tensor([0.6, -0.4]).view(1, 1, 1, 2).double()
    found, rule = explained(Tokens(function).double(), inputs, epsilon=1e-9)
    np.testing.assert_allclose(found[0, 0], expected_attention(0.6, -0.4), rtol=1e-4)
    assert rule == "attn"


@pytest.mark.parametrize("kind", ["bool", "float", "causal"])
def test_masked_attention(kind):
    def function(tokens):
        queries, keys, values = (scale * tokens[:, None] for scale in (2, 1, 3))
        allowed = torch.tensor([[True, False], [True, True]])
        mask = torch.zeros(2, 2, dtype=tokens.dtype).masked_fill(~allowed, -math.inf)
        options = {
            "bool": {"attn_mask": allowed},
            "float": {"attn_mask": mask},
            "causal": {"is_causal": True},
        }[kind]
        return F.scaled_dot_product_attention(queries, keys, values, scale=1.0, **options)[:, 0]

    inputs = torch.tensor([0.6, -0.4]).view(1, 1, 1, 2).double()
    found, _ = explained(Tokens(function).double(), inputs)
    np.testing.assert_allclose(found[0, 0], expected_attention(0.6, -0.4, masked=True), rtol=1e-4)


def test_attention_with_constant_queries():
    # The weights depend on the keys alone, so that all of a score's relevance is the key's.
    def function(tokens):
        return (torch.ones_like(tokens) @ tokens.mT).softmax(-1) @ torch.ones_like(tokens)

    def in_one(tokens):
        ones = torch.ones_like(tokens)[:, None]
        return F.scaled_dot_product_attention(ones, tokens[:, None], ones, scale=1.0)[:, 0]

    inputs = torch.tensor([0.6, -0.4]).view(1, 1, 1, 2).double()
    found, expected = (explained(Tokens(each).double(), inputs)[0] for each in (in_one, function))
    weights = np.exp([0.6, -0.4]) / np.exp([0.6, -0.4]).sum()
    # Both tokens become 1, of which each weight has its share; the logits are 1 - 3.
    by_hand = -2 * np.array([0.6, -0.4]) * (weights - weights * weights.sum())
    np.testing.assert_allclose(found[0, 0], by_hand, atol=1e-6)
    np.testing.assert_allclose(expected[0, 0], by_hand, atol=1e-6)


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_a_norm_is_a_sum_over_a_constant(norm):
    scale, shift = torch.tensor([2.0, 0.5]).double(), torch.tensor([0.1, -0.3]).double()

    def function(tokens):
        if norm == "layer":
            return F.layer_norm(tokens.flatten(1), (2,), scale, shift)
        return F.group_norm(tokens, 1, scale, shift)

    a, b = 3.0, 1.0
    inputs = torch.tensor([a, b]).view(1, 1, 1, 2).double()
    found, rule = explained(Tokens(function).double(), inputs, epsilon=1e-9)
    mean, spread = (a + b) / 2, math.sqrt(((a - b) / 2) ** 2 + 1e-5)
    outputs = [2.0 * (a - mean) / spread + 0.1, 0.5 * (b - mean) / spread - 0.3]
    relevance = [outputs[0], -3 * outputs[1]]
    # The first output is 2 (a / 2 - b / 2) / spread and its bias, the second 0.5 (b / 2 - a / 2).
    first, second = relevance[0] / outputs[0], relevance[1] / outputs[1]
    by_hand = [
        2.0 * (a / 2) / spread * first - 0.5 * (a / 2) / spread * second,
        -2.0 * (b / 2) / spread * first + 0.5 * (b / 2) / spread * second,
    ]
    np.testing.assert_allclose(found[0, 0], by_hand, rtol=1e-4)
    assert rule == "epsilon_plus_flat"


WEIGHTS = [
    torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for seed in range(4)
]


def projected(tokens, mixed=None):
    """Three numbers a token, attention with projections of mixed signs, one number again."""
    first = torch.tensor([[1.0], [-2.0], [0.5]]).double()  # one contribution to each output
    last = torch.tensor([[1.0, -1.5, 2.0]]).double()
    hidden = F.linear(tokens, first)
    queries, keys, values = (F.linear(hidden, each) for each in WEIGHTS[:3])
    hidden = hidden + F.linear((queries @ keys.mT).softmax(-1) @ values, WEIGHTS[3])
    if mixed is not None:
        hidden = F.linear(hidden, mixed)
    return hidden @ last.mT


def test_projections_of_attention_have_epsilon_and_other_layers_gamma():
    """As in the authors' code for vision transformers."""
    inputs = torch.tensor([0.6, -0.4]).view(1, 1, 1, 2).double()
    alike = [
        explained(Tokens(projected).double(), inputs, **options)[0]
        for options in ({"rule": "attn", "gamma": 5.0}, {"rule": "epsilon"})
    ]
    np.testing.assert_allclose(*alike, rtol=1e-4)
    mixed = torch.tensor([[1.0, -2.0, 1.0], [0.5, 1.0, -1.0], [-1.0, 0.5, 1.0]]).double()
    module = Tokens(lambda tokens: projected(tokens, mixed)).double()
    strong, weak, none = (
        explained(module, inputs, **options)[0]
        for options in ({"gamma": 5.0}, {"gamma": 0.0}, {"rule": "epsilon"})
    )
    assert np.abs(strong - none).max() > 0.01 * np.abs(none).max()
    np.testing.assert_allclose(weak, none, rtol=1e-4)


def test_a_rotation_of_queries_does_not_hide_their_projection():
    def function(tokens):
        hidden = F.linear(tokens, torch.tensor([[1.0], [2.0]]).double())
        query, key, value = (F.linear(hidden, torch.eye(2).double() * n) for n in (1, 2, 3))
        turned = query * 0.6 + query.flip(-1) * 0.8  # two parts of one layer's output
        return ((turned @ key.mT).softmax(-1) @ value)[..., :1]

    inputs = torch.tensor([0.6, -0.4]).view(1, 1, 1, 2).double()
    network = IncrementalNetwork(Tokens(function).double(), inputs)
    asked = Asked(network, inputs, torch.zeros_like(inputs), Question(TARGET))
    (progress,) = lrp.lrp(asked, LrpSetting())
    assert progress.found == {"rule": "attn", "numbers": ["epsilon", "gamma"]}
    places = lrp._plan(network).layers.values()
    assert sorted((place.first, place.projects) for place in places) == [
        *[(False, True)] * 3,
        (True, False),
    ]


class Transformer(nn.Module):
    """Patches, a class token, positions, two blocks of torch's own and a head."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.cls, self.places = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(10, 8))
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(2))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.wide, self.narrow, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(x), -1, -1), tokens], 1) + self.places
        normed = self.norms[0](tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        tokens = tokens + self.narrow(F.gelu(self.wide(self.norms[1](tokens))))
        return self.head(tokens[:, 0])


@pytest.mark.parametrize("rule", ["epsilon", "epsilon_plus_flat", "epsilon_gamma_box", "attn"])
def test_a_vision_transformer(rule):
    module, inputs = seeded(Transformer).eval(), picture()
    found, used = explained(module, inputs, rule=rule)
    assert used == rule
    assert np.isfinite(found).all()
    assert found.any()
    assert explained(module, inputs)[1] == "attn"
    twice = explained(seeded(Transformer).double().eval(), inputs.double(), rule=rule)[0]
    assert np.linalg.norm(found - twice) < 1e-3 * np.linalg.norm(twice)
