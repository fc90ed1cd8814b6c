"""Attention found in graphs, and written out: the same numbers, probabilities included."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.engine.attention import attentions, unfused
from core.engine.capture import captured
from core.engine.operations import name
from core.engine.twin import private_twin
from core.models.torchvision_compat import torchvision  # before what imports it itself
from tests.toys import CLASSES, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 8, 12


class Attends(nn.Module):
    """Six tokens in two heads, and an attention of them by a function of (q, k, v)."""

    def __init__(self, attention, shared=1):
        super().__init__()
        self.attention = attention
        self.cut = nn.Conv2d(3, 8, 4, stride=4)
        self.keys = nn.Linear(8, 8 // shared)
        self.values = nn.Linear(8, 8 // shared)
        self.last = nn.Linear(8, CLASSES)
        self.register_buffer("bias", torch.randn(6, 6))

    def forward(self, x):
        x = 3 * self.cut(x).flatten(2).transpose(1, 2)
        heads = (each.unflatten(2, (-1, 4)).transpose(1, 2) for each in self.parts(x))
        found = self.attention(*heads, self.bias)
        return self.last((x + found.transpose(1, 2).flatten(2)).mean(1))

    def parts(self, x):
        return x, self.keys(x), self.values(x)


def graph_of(module, size=SIZE):
    module.eval()
    return captured(private_twin(module), picture(*size)).of(private_twin(module))


def watched(graph, node, inputs):
    class Watch(torch.fx.Interpreter):
        def run_node(self, n):
            value = super().run_node(n)
            if n is node:
                self.found = value
            return value

    watch = Watch(graph)
    watch.run(inputs)
    return watch.found


FUSED = {
    "plain": lambda q, k, v, _: F.scaled_dot_product_attention(q, k, v),
    "scale": lambda q, k, v, _: F.scaled_dot_product_attention(q, k, v, scale=0.7),
    "bias": lambda q, k, v, bias: F.scaled_dot_product_attention(q, k, v, attn_mask=bias),
    "mask": lambda q, k, v, bias: F.scaled_dot_product_attention(q, k, v, attn_mask=bias > -0.5),
    "causal": lambda q, k, v, _: F.scaled_dot_product_attention(q, k, v, is_causal=True),
}


@pytest.mark.parametrize("name_of", FUSED)
def test_written_out_it_computes_the_same(name_of):
    module = seeded(lambda: Attends(FUSED[name_of])).eval()
    before = state(module)
    graph, inputs = graph_of(module), torch.cat([picture(*SIZE, seed) for seed in (0, 1)])
    made = unfused(graph)
    assert not any(name(node) == "scaled_dot_product_attention" for node in made.graph.nodes)
    assert any(name(node) == "scaled_dot_product_attention" for node in graph.graph.nodes)
    torch.testing.assert_close(made(inputs), module(inputs), atol=1e-5, rtol=0)
    assert state(module) == before
    (attention,) = attentions(made.graph)
    found = watched(made, attention.probabilities, inputs)
    assert found.shape == (2, 2, 6, 6)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 2, 6))
    if name_of == "causal":
        assert not found.triu(1).any()
    if name_of == "mask":
        assert not found[..., module.bias <= -0.5].any()


def test_heads_that_share_keys_and_values():
    def attention(q, k, v, _):
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    module, inputs = seeded(lambda: Attends(attention, shared=2)).eval(), picture(*SIZE)
    made = unfused(graph_of(module))
    torch.testing.assert_close(made(inputs), module(inputs), atol=1e-5, rtol=0)
    (found,) = attentions(made.graph)
    assert watched(made, found.probabilities, inputs).shape == (1, 2, 6, 6)


def test_a_query_that_may_look_at_nothing():
    def attention(q, k, v, bias):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=(bias > -9) & (bias[:, :1] > 0))

    module, inputs = seeded(lambda: Attends(attention)).eval(), picture(*SIZE)
    made = unfused(graph_of(module))
    torch.testing.assert_close(made(inputs), module(inputs), atol=1e-5, rtol=0)
    (found,) = attentions(made.graph)
    sums = watched(made, found.probabilities, inputs).sum(-1)
    nowhere = sums == 0
    assert nowhere.any()
    assert not nowhere.all()
    torch.testing.assert_close(sums, (~nowhere).float())


def soft(q, k, v, bias):
    return F.softmax(q @ k.transpose(-1, -2) / 2 + bias, -1) @ v


def in_three_axes(q, k, v, bias):
    q, k, v = (each.flatten(0, 1) for each in (q, k, v))
    p = F.dropout(torch.softmax(torch.bmm(0.5 * q, k.transpose(1, 2)) + bias, 2), 0.1, False)
    return torch.bmm(p, v).view(-1, 2, 6, 4)


def masked_in_windows(q, k, v, bias):
    scores = (q @ k.transpose(-1, -2)).view(-1, 1, 2, 6, 6) * 0.5 + bias.tanh()
    scores = scores.masked_fill(bias < -0.5, -100.0)
    return scores.view(-1, 2, 6, 6).softmax(-1).to(v.dtype) @ v


@pytest.mark.parametrize("attention", [soft, in_three_axes, masked_in_windows])
def test_what_a_network_writes_out_itself_is_found(attention):
    module, inputs = seeded(lambda: Attends(attention)).eval(), picture(*SIZE)
    made = unfused(graph_of(module))
    (found,) = attentions(made.graph)
    probabilities = watched(made, found.probabilities, inputs).reshape(2, 6, 6)
    x = 3 * module.cut(inputs).flatten(2).transpose(1, 2)
    q, k, _ = (part.unflatten(2, (-1, 4)).transpose(1, 2)[0] for part in module.parts(x))
    scores = q @ k.transpose(1, 2) / 2
    if attention is masked_in_windows:
        scores = (scores + module.bias.tanh()).masked_fill(module.bias < -0.5, -100.0)
    else:
        scores = scores + module.bias
    torch.testing.assert_close(probabilities, scores.softmax(-1))


def normed(q, k, v, _):
    """No row of it sums to one afterwards."""
    return (F.softmax(q @ k.transpose(-1, -2), -1) ** 2) @ v


def over_queries(q, k, v, _):
    return F.softmax(q @ k.transpose(-1, -2), -2) @ v


def gated(q, k, v, bias):
    return (F.softmax(q @ k.transpose(-1, -2), -1) * bias.sigmoid()) @ v


@pytest.mark.parametrize("attention", [normed, over_queries, gated])
def test_what_is_no_attention_is_not(attention):
    graph = graph_of(seeded(lambda: Attends(attention)))
    assert attentions(unfused(graph).graph) == []


def test_as_many_as_a_library_s_network_has_blocks():
    def vit():
        return torchvision.models.VisionTransformer(16, 4, 3, 2, 8, 16, num_classes=CLASSES)

    assert len(attentions(unfused(graph_of(seeded(vit), (16, 16))).graph)) == 3
