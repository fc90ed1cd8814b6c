"""Which networks are transformers whose attention can be followed, and what is read of them."""

import pytest
import torch
from torch import nn

from core.engine import tokens
from core.engine.incremental import IncrementalNetwork
from core.engine.operations import name
from core.engine.tokens import Tokens
from core.engine.transformers import Transformer, transformer
from core.models.torchvision_compat import torchvision  # before what imports it itself
from tests.core.engine.test_libraries import VIT, timms
from tests.toys import CLASSES, picture, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 16, 24


class Blocks(nn.Module):
    """Patches of four by four pixels as tokens, two layers, and a head.

    What differs from one network to another are methods of their own.
    """

    def __init__(self):
        super().__init__()
        self.cut = nn.Conv2d(3, 8, 4, stride=4)
        self.parts = nn.ModuleList(nn.Linear(8, 24) for _ in range(2))
        self.mix = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8, CLASSES)
        self.token = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x):
        x = self.begin(self.cut(x).flatten(2).transpose(1, 2))
        for part in self.parts:
            x = self.between(x + self.attention(*part(x).chunk(3, -1)))
        return self.last(self.head(x))

    def begin(self, x):
        return x

    def between(self, x):
        return x

    def attention(self, q, k, v):
        return nn.functional.scaled_dot_product_attention(q, k, v)

    def head(self, x):
        return x.mean(1)


class ByClassToken(Blocks):
    def begin(self, x):
        return torch.cat([self.token.expand(len(x), -1, -1), x], 1)

    def head(self, x):
        return x[:, 0]


class ByBoth(ByClassToken):
    def head(self, x):
        return (x[:, 0] + x[:, 1:].mean(1)) / 2


class Windows(Blocks):
    def attention(self, q, k, v):
        q, k, v = (each.unflatten(1, (-1, 6)) for each in (q, k, v))
        return super().attention(q, k, v).flatten(1, 2)


class Rolled(Blocks):
    """A token's query is that of its neighbour."""

    def attention(self, q, k, v):
        return super().attention(q.roll(1, 1), k, v)


class Returned(Blocks):
    """What a token reads is given to its neighbour."""

    def attention(self, q, k, v):
        return super().attention(q, k, v).roll(1, 1)


class Pooled(Blocks):
    def attention(self, q, k, v):
        return super().attention(
            q, k.unflatten(1, (-1, 2)).mean(2), v.unflatten(1, (-1, 2)).mean(2)
        )


class Channels(Blocks):
    """Channels that read each other."""

    def attention(self, q, k, v):
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        return super().attention(q, k, v).transpose(1, 2)


class Convolved(Blocks):
    def between(self, x):
        grid = x.transpose(1, 2).unflatten(2, (4, 6))
        return x + self.mix(grid).flatten(2).transpose(1, 2)


class Gated(Blocks):
    """Every token learns of the mean of all."""

    def between(self, x):
        return x * x.mean(1, keepdim=True).sigmoid()


class Side(Blocks):
    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2)
        both = [self.attention(*part(x).chunk(3, -1)) for part in self.parts]
        return self.last((x + both[0] + both[1]).mean(1))


class Alone(Blocks):
    """Without what a token was."""

    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2)
        for part in self.parts:
            x = self.attention(*part(x).chunk(3, -1))
        return self.last(x.mean(1))


class Maximum(Blocks):
    def head(self, x):
        return x.amax(1)


class Early(Blocks):
    def forward(self, x):
        first = self.cut(x).flatten(2).transpose(1, 2)
        x = first + self.attention(*self.parts[0](first).chunk(3, -1))
        y = x + self.attention(*self.parts[1](x).chunk(3, -1))
        return self.last(y.mean(1) + x.mean(1))


class ByQuery(Blocks):
    """The head is an attention whose query is a weight."""

    def head(self, x):
        return self.attention(self.token.expand(len(x), -1, -1), x, x)[:, 0]


class Undecided(Blocks):
    def forward(self, x):
        return super().forward(-x if x.sum() > 1e9 else x)


def read_of(module, size=SIZE):
    module = module.eval()
    network = IncrementalNetwork(module, picture(*size))
    return transformer(network), network


@pytest.mark.parametrize(
    ("make", "skipped", "first", "place"),
    [(Blocks, 0, 1 / 24, 1 / 24), (ByClassToken, 1, 1, 0), (ByBoth, 1, 1 / 2, 1 / 48)],
)
def test_layers_tokens_and_what_the_head_reads(make, skipped, first, place):
    module = seeded(make)
    found, network = read_of(module)
    assert isinstance(found, Transformer)
    assert found.tokens == Tokens((4, 6), skipped, 24 + skipped)
    assert len(found.probabilities) == len(found.streams) == 2
    assert [name(each) for each in found.probabilities] == ["softmax", "softmax"]
    assert [name(each) for each in found.streams] == ["add", "add"]
    expected = torch.full((24 + skipped,), place, dtype=torch.float64)
    expected[:1] = first
    torch.testing.assert_close(found.read, expected)
    assert found.reads_alike == (make is Blocks)
    inputs = picture(*SIZE, seed=1)
    torch.testing.assert_close(found.graph(inputs), module(inputs), atol=1e-5, rtol=0)
    assert transformer(network) is found


WINDOWS = "its attention stays within windows or groups of tokens"
UNKNOWN = "it is not known which tokens its attention reads"
OTHERWISE = "its tokens learn of each other in other ways than by attention"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Windows, WINDOWS),
        (Rolled, "its attention does not read every token"),
        (Returned, OTHERWISE),
        (Pooled, UNKNOWN),
        (Channels, UNKNOWN),
        (Convolved, OTHERWISE),
        (Gated, OTHERWISE),
        (Side, "several of its attentions read the same tokens side by side"),
        (Alone, "its attention is not added to the tokens that it reads"),
        (Maximum, "it is not known which tokens its head reads"),
        (Early, "its head reads the tokens of several layers"),
        (Undecided, "the network cannot be exported"),
    ],
)
def test_why_a_network_is_none(make, reason):
    assert read_of(seeded(make))[0] == reason


def test_a_head_with_an_attention_of_its_own():
    found, _ = read_of(seeded(ByQuery))
    assert isinstance(found, Transformer)
    assert len(found.probabilities) == len(found.streams) == 2
    assert isinstance(found.read, torch.fx.Node)
    assert name(found.read) == "softmax"
    assert found.read not in found.probabilities


class ByQueryAndMean(ByQuery):
    def head(self, x):
        return super().head(x) + x.mean(1)


def test_a_head_that_reads_in_two_ways():
    assert read_of(seeded(ByQueryAndMean))[0] == "it is not known which tokens its head reads"


def test_swin_is_none():
    def make():
        return torchvision.models.SwinTransformer([2, 2], 8, [2], [2], [2, 2], num_classes=CLASSES)

    assert read_of(seeded(make), (16, 16))[0] == WINDOWS


SMALL = VIT | {"depth": 2}
LIBRARY = {
    # tokens that lie nowhere, and how much of each token the head reads
    "vit_tiny_patch16_224": (1, [1.0]),
    "deit_tiny_distilled_patch16_224": (2, [0.5, 0.5]),
    "vit_small_patch14_reg4_dinov2": (5, [1.0, 0, 0, 0, 0]),
    "vit_base_patch16_siglip_gap_224": (0, []),
    "eva02_tiny_patch14_224": (1, [0.0]),
}


@pytest.mark.parametrize("architecture", LIBRARY)
def test_timms_networks(architecture):
    """Rotated queries and keys (EVA-02), registers, two class tokens, the mean of the patches."""
    skipped, prefix = LIBRARY[architecture]
    module = seeded(timms(architecture, **SMALL))
    found, _ = read_of(module, (32, 32))
    assert isinstance(found, Transformer)
    assert found.tokens == Tokens((4, 4), skipped, 16 + skipped)
    assert len(found.probabilities) == 2
    assert found.read[:skipped].tolist() == prefix
    torch.testing.assert_close(
        found.read[skipped:], torch.full((16,), (1 - sum(prefix)) / 16).double()
    )


class Hidden(Blocks):
    """Before the first attention, tokens are mixed by what is not known to be one."""

    def begin(self, x):
        return x + (x @ x.transpose(1, 2)).relu() @ x


class Stem(Blocks):
    """Convolutions first, with a sum of their own."""

    def forward(self, x):
        x = x + x.roll(0, 1).relu()
        return super().forward(x)


def test_what_comes_before_the_first_attention():
    assert read_of(seeded(Hidden))[0] == OTHERWISE
    assert isinstance(read_of(seeded(Stem))[0], Transformer)


class Positions(Blocks):
    """Queries are turned by angles that are computed from the grid."""

    def attention(self, q, k, v):
        rows, columns = torch.meshgrid(torch.arange(4), torch.arange(6), indexing="ij")
        angles = torch.stack([rows, columns], -1).flatten(0, 1).float().repeat(1, 4)
        return super().attention(q * angles.cos(), k * angles.sin(), v)


def test_queries_turned_by_computed_angles():
    assert isinstance(read_of(seeded(Positions))[0], Transformer)


def test_tokens_that_cannot_be_followed(monkeypatch):
    """Whatever an unusual operation does with numbers of tokens, there is a sentence."""

    class Repeated(Blocks):
        def attention(self, q, k, v):
            return super().attention(q.repeat_interleave(1, 1), k, v)

    def refused(*_):
        raise RuntimeError("not for whole numbers")

    monkeypatch.setattr(tokens, "moved", refused)
    assert read_of(seeded(Repeated))[0] == "its tokens cannot be followed (not for whole numbers)"
