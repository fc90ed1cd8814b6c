"""Where the places of a picture lie in a value, and that a change of the picture stays there."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.engine.compilation import Program
from core.engine.folding import folded
from core.engine.incremental import IncrementalNetwork, record
from core.engine.operations import name, shape
from core.engine.positions import Places, positions, read_places
from core.engine.twin import private_twin
from tests.toys import CLASSES, picture, seeded

pytestmark = pytest.mark.usefixtures("one_thread")


class Function(nn.Module):
    """A map of six channels, what a function makes of it, and logits of that."""

    def __init__(self, function):
        super().__init__()
        self.cut = nn.Conv2d(3, 6, 2, stride=2)
        self.function = function

    def forward(self, x):
        made = self.function(self.cut(x))
        return made.flatten(1).sum(1, keepdim=True) * torch.ones(1, CLASSES)


def single_graph(module, size):
    """What a network computes for one picture: zeros of a fixed batch are joined to tokens here."""
    return record(module, picture(*size), single=True).graph.graph


def places_after(function, size=(12, 8)):
    """The places of what a function makes of a map (n, 6, h, w), and its shape but for the batch.

    The map is half as high and wide as the picture.
    """
    graph = single_graph(seeded(lambda: Function(function)), size)
    nodes = list(graph.nodes)
    found = positions(graph)
    end = next(n for n, node in reversed(list(enumerate(nodes))) if name(node) == "flatten")
    made = nodes[end].args[0]
    return found.get(made), tuple(shape(made))[1:]


def as_tokens(x):
    return x.flatten(2).transpose(1, 2)


def behind(tokens, count):
    return torch.cat([torch.zeros(len(tokens), count, 6), tokens], 1)


def merged(x):
    """Swin's patch merging as timm writes it: 2 x 2 places become one."""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5).flatten(3)


def shuffled(x):
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def quarters(x):
    """Swin's patch merging as torchvision and transformers write it, for channels last."""
    x = x.permute(0, 2, 3, 1)
    a, b, c, d = x[:, ::2, ::2], x[:, 1::2, ::2], x[:, ::2, 1::2], x[:, 1::2, 1::2]
    return torch.cat([a, b, c, d], -1)


WHOLE, HALF = (6, 4), (3, 2)

KNOWN = {
    "as it is": (lambda x: x + 1, Places("NCHW", WHOLE)),
    "convolution of stride 2": (
        lambda x: F.conv2d(x, torch.ones(2, 6, 2, 2), stride=2),
        Places("NCHW", HALF),
    ),
    "pooled": (lambda x: F.max_pool2d(x, 2), Places("NCHW", HALF)),
    "pooled to one": (lambda x: F.adaptive_avg_pool2d(x, 1), Places("NCHW", (1, 1))),
    "enlarged": (lambda x: F.interpolate(x, scale_factor=2.0), Places("NCHW", (12, 8))),
    "padded": (lambda x: F.pad(x, (1, 0, 0, 2)), Places("NCHW", (8, 5))),
    "channels last": (lambda x: x.permute(0, 2, 3, 1), Places("NHWC", WHOLE)),
    "transposed": (lambda x: x.transpose(1, -1), Places("NWHC", WHOLE)),
    "there and back": (
        lambda x: x.permute(0, 2, 3, 1).relu().permute(0, 3, 1, 2),
        Places("NCHW", WHOLE),
    ),
    "linear of channels last": (
        lambda x: F.linear(x.permute(0, 2, 3, 1), torch.ones(5, 6)),
        Places("NHWC", WHOLE),
    ),
    "norm of channels last": (
        lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (6,)),
        Places("NHWC", WHOLE),
    ),
    "softmax over channels": (lambda x: x.softmax(1), Places("NCHW", WHOLE)),
    "mean over channels": (lambda x: x.mean(1, keepdim=True), Places("NCHW", WHOLE)),
    "sum of maps": (lambda x: x + x.relu(), Places("NCHW", WHOLE)),
    "scaled by channel": (lambda x: x * x.mean((2, 3), keepdim=True), Places("NCHW", WHOLE)),
    "channels side by side": (lambda x: torch.cat([x, x.relu()], 1), Places("NCHW", WHOLE)),
    "some channels": (lambda x: x[:, 1:4], Places("NCHW", WHOLE)),
    "part of a chunk": (lambda x: x.chunk(2, 1)[1], Places("NCHW", WHOLE)),
    "part of a split": (lambda x: x.split([2, 4], 1)[1], Places("NCHW", WHOLE)),
    "shuffled": (shuffled, Places("NCHW", WHOLE)),
    "groups": (lambda x: x.reshape(len(x), 2, 3, 6, 4), Places("NGCHW", WHOLE)),
    "tokens": (as_tokens, Places("NTC", WHOLE)),
    "tokens last": (lambda x: x.flatten(2), Places("NCT", WHOLE)),
    "tokens of channels last": (
        lambda x: x.permute(0, 2, 3, 1).reshape(len(x), -1, 6),
        Places("NTC", WHOLE),
    ),
    "norm and linear of tokens": (
        lambda x: F.linear(F.layer_norm(as_tokens(x), (6,)), torch.ones(5, 6)),
        Places("NTC", WHOLE),
    ),
    "class token": (lambda x: behind(as_tokens(x), 1), Places("NTC", WHOLE, 1)),
    "class and registers": (lambda x: behind(behind(as_tokens(x), 4), 1), Places("NTC", WHOLE, 5)),
    "token behind": (
        lambda x: torch.cat([as_tokens(x), torch.zeros(len(x), 1, 6)], 1),
        Places("NTC", WHOLE),
    ),
    "places added": (
        lambda x: behind(as_tokens(x), 1) + torch.ones(1, 25, 6),
        Places("NTC", WHOLE, 1),
    ),
    "past an attention": (
        lambda x: (
            (tokens := behind(as_tokens(x), 1))
            + F.scaled_dot_product_attention(tokens[:, None], tokens[:, None], tokens[:, None])[
                :, 0
            ]
        ),
        Places("NTC", WHOLE, 1),
    ),
    "without the class token": (lambda x: behind(as_tokens(x), 1)[:, 1:], Places("NTC", WHOLE)),
    "without the first of five": (
        lambda x: behind(as_tokens(x), 5)[:, 1:],
        Places("NTC", WHOLE, 4),
    ),
    "back to a map": (
        lambda x: behind(as_tokens(x), 1)[:, 1:].transpose(1, 2).reshape(len(x), 6, 6, 4),
        Places("NCHW", WHOLE),
    ),
    "back to channels last": (
        lambda x: as_tokens(x).reshape(len(x), 6, 4, 6),
        Places("NHWC", WHOLE),
    ),
    "every second place": (lambda x: x[:, :, ::2, 1::2], Places("NCHW", HALF)),
    "patch merging": (lambda x: merged(x.permute(0, 2, 3, 1)), Places("NHWC", HALF)),
    "patch merging by quarters": (quarters, Places("NHWC", HALF)),
}


@pytest.mark.parametrize("what", KNOWN)
def test_places(what):
    function, expected = KNOWN[what]
    assert places_after(function)[0] == expected


UNKNOWN = {
    "flattened": lambda x: x.flatten(1),
    "mean over rows": lambda x: x.mean(2, keepdim=True),
    "softmax over places": lambda x: as_tokens(x).softmax(1),
    "attention": lambda x: F.scaled_dot_product_attention(*[as_tokens(x)[:, None]] * 3),
    "class token alone": lambda x: behind(as_tokens(x), 1)[:, 0],
    "some of the tokens": lambda x: as_tokens(x)[:, 3:],
    "fewer tokens": lambda x: as_tokens(x)[:, :20],
    "rows cut off": lambda x: x[:, :, 1:],
    "columns cut off": lambda x: x[:, :, :, :-1],
    "rows side by side": lambda x: torch.cat([x, x], 2),
    "tokens twice": lambda x: torch.cat([as_tokens(x), as_tokens(x)], 1),
    "turned": lambda x: x.flip(2),
    "rolled": lambda x: x.roll(1, 2),
    "another grid of as many places": lambda x: x.flatten(2).reshape(len(x), 6, 4, 6),
    "tokens read as channels": lambda x: x.reshape(len(x), 24, 6),
    "linear over places": lambda x: F.linear(x.flatten(2), torch.ones(24, 24)),
    "channels cut into rows": lambda x: F.pixel_shuffle(x[:, :4], 2),
    "a map of another grid": lambda x: F.max_pool2d(x, 2) @ torch.ones(2, 5),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_no_places(what):
    assert places_after(UNKNOWN[what])[0] is None


def mixed(tokens):
    """Tokens that have seen each other."""
    each = tokens[:, None]
    return tokens + F.scaled_dot_product_attention(each, each, each)[:, 0]


READ = {
    "class token": (lambda x: x[:, 0], False),
    "class token as a slice": (lambda x: x[:, :1], False),
    "class and distillation token": (lambda x: x[:, 0] + x[:, 1], False),
    "norm, then class token": (lambda x: F.layer_norm(x, (6,))[:, 0], False),
    "residual layer, then class token": (
        lambda x: (x + F.linear(x.relu(), torch.ones(6, 6)))[:, 0],
        False,
    ),
    "attention, then class token": (lambda x: mixed(x)[:, 0], True),
    "mean of all": (lambda x: x.mean(1), True),
    "mean of the places": (lambda x: x[:, 2:].mean(1), True),
    "first place": (lambda x: x[:, 2], True),
    "last place": (lambda x: x[:, -1], True),
    "class token and first place": (lambda x: x[:, :3], True),
    "class token and mean": (lambda x: x[:, 0] + x[:, 2:].mean(1), True),
}


@pytest.mark.parametrize("what", READ)
def test_whether_the_places_of_tokens_are_read(what):
    function, expected = READ[what]
    module = seeded(lambda: Function(lambda x: function(behind(as_tokens(x), 2))))
    graph = single_graph(module, (12, 8))
    places = positions(graph)
    read = read_places(graph, places)
    (tokens,) = (node for node in graph.nodes if name(node) == "cat")
    assert (tokens in read) == expected
    (cut,) = (node for node in graph.nodes if name(node) == "conv2d")
    assert (cut in read) == expected


def test_what_is_no_square_is_not_confused():
    """As many rows as columns, and as many channels as places, would hide a wrong order."""
    found, sides = places_after(as_tokens, (4, 12))
    assert found == Places("NTC", (2, 6))
    assert sides == (12, 6)


@pytest.mark.parametrize("axes", ["NCHW", "NHWC", "NWHC", "NHCW"])
def test_maps_of_any_order(axes):
    value = torch.arange(48.0).view(2, 4, 3, 2)
    places = Places(axes, (3, 2))
    assert places.is_map
    assert not places.is_tokens
    turned = value.permute(places.order)
    assert torch.equal(places.map(turned), value)


@pytest.mark.parametrize("skipped", [0, 1, 5])
@pytest.mark.parametrize("axes", ["NTC", "NCT", "TNC"])
def test_maps_of_tokens(axes, skipped):
    value = torch.arange(48.0).view(2, 4, 3, 2)
    places = Places(axes, (3, 2), skipped)
    assert places.is_tokens
    assert not places.is_map
    tokens = F.pad(value.flatten(2), (skipped, 2), value=-1.0)
    tokens = tokens.permute(["NCT".index(axis) for axis in axes])
    assert torch.equal(places.map(tokens), value)


# Layers that keep channels last: what stays local, and the scores of changed rectangles.


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, 4 * channels)
        self.down = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.rand(channels) + 0.5)

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


class ScaleOfAMap(ConvNeXtBlock):
    """As torchvision has it: the scale is (C, 1, 1), after the last permutation."""

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.down(F.gelu(self.up(y))).permute(0, 3, 1, 2)
        return x + self.scale[:, None, None] * y


class Embedding(nn.Module):
    """Swin's: patches, channels last, a norm."""

    def __init__(self, channels):
        super().__init__()
        self.cut = nn.Conv2d(3, channels, 2, stride=2)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        return self.norm(self.cut(x).permute(0, 2, 3, 1))


class NormFirst(nn.Module):
    """A norm over channels written out for (n, C, H, W), as older ConvNeXts have it."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels) + 0.5)

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        spread = (x - mean).pow(2).mean(1, keepdim=True)
        return self.weight[:, None, None] * (x - mean) / torch.sqrt(spread + 1e-6)


def head_of(channels):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


class LastHead(nn.Module):
    """Of channels last."""

    def __init__(self, channels):
        super().__init__()
        self.last = nn.Linear(channels, CLASSES)
        nn.init.normal_(self.last.weight, std=3.0)

    def forward(self, x):
        return self.last(x.mean((1, 2)))


class Permute(nn.Module):
    def __init__(self, *order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x.permute(self.order)


class Parts(nn.Module):
    """Channels last, split and joined again, one part scaled by the other, as gated layers do."""

    def forward(self, x):
        left, right = x.chunk(2, -1)
        return torch.cat([left * right.sigmoid(), right[..., :2]], -1)


LAST = {
    "ConvNeXt": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 2, stride=2), ConvNeXtBlock(6), ConvNeXtBlock(6), head_of(6)
    ),
    "ConvNeXt of torchvision": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 2, stride=2), ScaleOfAMap(6), NormFirst(6), ScaleOfAMap(6), head_of(6)
    ),
    "Swin's embedding": lambda: nn.Sequential(Embedding(6), nn.GELU(), LastHead(6)),
    "there and back": lambda: nn.Sequential(
        Embedding(6), Permute(0, 3, 1, 2), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), head_of(6)
    ),
    "parts": lambda: nn.Sequential(
        Embedding(6), Parts(), nn.Linear(5, 6), nn.ReLU(), Permute(0, 3, 1, 2),
        nn.Conv2d(6, 5, 3, padding=1), head_of(5),
    ),
    "columns first": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), Permute(0, 3, 2, 1), nn.LayerNorm(6), nn.Linear(6, 5),
        Permute(0, 3, 2, 1), nn.Conv2d(5, 5, (3, 1), padding=(1, 0)), head_of(5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("size", [(16, 12), (17, 11)])
@pytest.mark.parametrize("what", LAST)
def test_rescored_windows_are_those_of_the_module(what, size):
    module, inputs = seeded(LAST[what]).eval(), picture(*size)
    network = IncrementalNetwork(module, inputs)
    assert network.fallback is None
    kept = network.keep(inputs)
    height, width = size
    places = [(top, left) for top in range(0, height - 3, 3) for left in range(0, width - 2, 2)]
    tops, lefts = [list(each) for each in zip(*places, strict=True)]
    generator = torch.Generator().manual_seed(3)
    patches = torch.randn(len(places), 3, 4, 3, generator=generator)
    expected = []
    with torch.no_grad():
        for patch, top, left in zip(patches, tops, lefts, strict=True):
            changed = inputs.clone()
            changed[0, :, top : top + 4, left : left + 3] = patch
            expected.append(module(changed)[0])
    expected = torch.stack(expected)
    found = kept.rescore(patches, tops, lefts)
    assert expected.std(0).min() > 1e-3  # the windows differ by more than what is tolerated
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert kept.multiply_adds(4, 3, tops, lefts) < len(tops) * kept.dense_multiply_adds


@pytest.mark.parametrize("what", LAST)
def test_all_layers_but_the_head_stay_local(what):
    module = seeded(LAST[what])
    found = record(module, picture(16, 12), single=False)
    program = Program.of(folded(found.of(private_twin(module))))
    mixed = program.layers - program.local
    assert [name(node) for node in mixed] == ["linear"]
