"""What ends the locality of a network is named, with how many layers came before it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.engine.capture import captured
from core.engine.compilation import Program
from core.engine.folding import folded
from core.engine.incremental import IncrementalNetwork
from core.engine.mixing import mixing
from core.engine.twin import private_twin
from tests.toys import CLASSES, network, picture, seeded

pytestmark = pytest.mark.usefixtures("one_thread")


def conv(channels=6):
    return nn.Conv2d(channels, channels, 3, padding=1)


def body(*parts):
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), *parts, *head())


def head():
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES)


def said(make, size=(12, 8)):
    twin = private_twin(seeded(make))
    return mixing(Program.of(folded(captured(twin, picture(*size)).of(twin))))


class SqueezeAndExcite(nn.Module):
    """As EfficientNet's, by two convolutions."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)

    def forward(self, x):
        return x * self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))).sigmoid()


class ByLinear(nn.Module):
    """As SENet's, by two linear layers, the product the other way round."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Linear(6, 2), nn.Linear(2, 6)

    def forward(self, x):
        gate = self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1).flatten(1)))).sigmoid()
        return gate[:, :, None, None] * x


class Attention(nn.Module):
    """Over all places, by torch's own function or written out."""

    def __init__(self, written_out):
        super().__init__()
        self.inner, self.out = nn.Linear(6, 18), nn.Linear(6, 6)
        self.written_out = written_out

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.inner(x.flatten(2).transpose(1, 2)).chunk(3, -1)
        if self.written_out:
            y = (q @ k.transpose(1, 2) / 6**0.5).softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return x + self.out(y).transpose(1, 2).reshape(n, c, h, w)


class WholeLayerNorm(nn.Module):
    """Over channels, rows and columns."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm((6, 12, 8))

    def forward(self, x):
        return self.norm(x)


class ByPlace(nn.Module):
    """A layer norm over the channels of each place, which mixes nothing."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Flipped(nn.Module):
    """Looks at the picture turned over, too."""

    def forward(self, x):
        return x + x.flip(3)


EVERYWHERE = "a norm over all pixels mixes the whole picture"

MIXED = {
    "squeeze-and-excite": (
        lambda: body(conv(), SqueezeAndExcite(), conv()),
        "squeeze-and-excite mixes the whole picture after 2 of 6 layers",
    ),
    "squeeze-and-excite by linear": (
        lambda: body(ByLinear(), conv(), conv()),
        "squeeze-and-excite mixes the whole picture after 1 of 6 layers",
    ),
    "attention": (
        lambda: body(conv(), Attention(False), conv()),
        "attention mixes the whole picture after 2 of 6 layers",
    ),
    "attention written out": (
        lambda: body(conv(), Attention(True), conv()),
        "attention mixes the whole picture after 2 of 6 layers",
    ),
    "multi-head attention": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.Flatten(2), nn.TransformerEncoderLayer(60, 2, 8), nn.Flatten(),
            nn.Linear(360, CLASSES),
        ),
        "attention mixes the whole picture after",
    ),
    "group norm": (
        lambda: body(nn.GroupNorm(2, 6), conv(), conv()),
        f"{EVERYWHERE} after 1 of 5 layers",
    ),
    "instance norm": (
        lambda: body(nn.InstanceNorm2d(6, affine=True), conv(), conv()),
        f"{EVERYWHERE} after 1 of 5 layers",
    ),
    "layer norm of a map": (
        lambda: body(conv(), WholeLayerNorm(), conv()),
        f"{EVERYWHERE} after 2 of 5 layers",
    ),
    "without a name": (
        lambda: body(Flipped(), conv(), conv(), conv()),
        "the whole picture is mixed after 1 of 5 layers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MIXED)
def test_what_mixes_is_named(what):
    make, sentence = MIXED[what]
    assert (said(make) or "").startswith(sentence)


@pytest.mark.parametrize("name", ["strided", "residual", "concatenated", "positional", "grouped"])
def test_only_a_pooling(name):
    assert said(lambda: network(name), (12, 12)) is None


@pytest.mark.parametrize(
    "parts",
    [
        (conv(), conv()),
        (ByPlace(), conv()),
        (nn.BatchNorm2d(6), conv()),
        (nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 6, 1)),  # a head of two layers
        (nn.AdaptiveAvgPool2d(1), nn.GroupNorm(1, 6)),  # a norm of one place
    ],
)
def test_heads_and_norms_by_place_are_no_mixing(parts):
    assert said(lambda: body(*parts)) is None


def test_late_mixing_is_named_but_keeps_the_network_local():
    module = seeded(lambda: body(conv(), conv(), SqueezeAndExcite())).eval()
    assert IncrementalNetwork(module, picture()).fallback is None
    assert said(lambda: module).startswith("squeeze-and-excite mixes the whole picture after 3 of")


def test_early_mixing_is_computed_densely_and_said_in_a_sentence():
    def make():
        early = nn.GroupNorm(1, 3)
        return nn.Sequential(early, *body(*(conv() for _ in range(3))))

    network = IncrementalNetwork(seeded(make).eval(), picture())
    assert network.fallback == (
        "A norm over all pixels mixes the whole picture after 0 of 6 layers, "
        "so every change is computed densely."
    )
    inputs = picture()
    patches = torch.zeros(1, 3, 4, 4)
    changed = inputs.clone()
    changed[:, :, 2:6, 3:7] = 0
    found = network.keep(inputs).rescore(patches, [2], [3])
    torch.testing.assert_close(found, network.own_scores(changed), atol=1e-6, rtol=1e-5)
