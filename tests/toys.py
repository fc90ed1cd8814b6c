"""Small networks whose numbers can be known, and small pictures to show them.

Weights come from a seed and from nothing else, so that a failure can be repeated.
"""

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 4


def seeded(make, seed=0):
    """What ``make()`` builds, with weights from the seed; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def picture(height=12, width=12, seed=0, channels=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, height, width, generator=generator)


def head(channels):
    last = nn.Linear(channels, CLASSES)
    nn.init.normal_(last.weight, std=3.0)  # so that one window moves the logits by a good deal
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


class Residual(nn.Module):
    """Two paths of different reach, joined by addition."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.long = nn.Sequential(
            nn.Conv2d(6, 6, 3, stride=2, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 6, 3, padding=1),
        )
        self.short = nn.Conv2d(6, 6, 1, stride=2)
        self.head = head(6)

    def forward(self, x):
        x = F.relu(self.stem(x))
        return self.head(torch.relu(self.long(x) + self.short(x)))


class Concatenated(nn.Module):
    """Two paths of different reach, side by side."""

    def __init__(self):
        super().__init__()
        self.near = nn.Conv2d(3, 3, 1)
        self.far = nn.Conv2d(3, 4, 5, padding=2)
        self.after = nn.Conv2d(7, 5, 3, padding=1)
        self.head = head(5)

    def forward(self, x):
        return self.head(F.relu(self.after(torch.cat([self.near(x), self.far(x)], 1))))


class Positional(nn.Module):
    """Every place counts differently, as behind a flattened map."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.pool = nn.AdaptiveAvgPool2d((3, 2))
        self.last = nn.Linear(24, CLASSES)

    def forward(self, x):
        return self.last(self.pool(self.body(x)).flatten(1))


class Untraceable(nn.Module):
    """Decides by what it sees, which a graph of operations cannot say."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = head(4)

    def forward(self, x):
        out = self.conv(x)
        if out.sum() > 1e9:
            out = -out
        return self.head(F.relu(out))


def _with_statistics(network):
    """Batch norms that have seen something: their folding would be trivial otherwise."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return network


NETWORKS = {
    "strided": lambda: nn.Sequential(
        nn.Conv2d(3, 5, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(5, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        head(6),
    ),
    "dilated": lambda: nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=2, dilation=2),
        nn.Tanh(),
        nn.Conv2d(5, 5, 3, padding=1),
        head(5),
    ),
    "grouped": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, groups=3),
        nn.ReLU6(),
        nn.Conv2d(6, 4, 3, padding=1, groups=2),
        nn.BatchNorm2d(4),
        nn.Hardswish(),
        head(4),
    ),
    "unpadded": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 2), nn.SiLU(), head(5)
    ),
    "uneven padding": lambda: nn.Sequential(
        nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(3, 4, (2, 4)), nn.ReLU(),
        nn.Conv2d(4, 4, 4, padding="same"), head(4),
    ),
    "residual": Residual,
    "concatenated": Concatenated,
    "positional": Positional,
    "untraceable": Untraceable,
}  # fmt: skip


def network(name, seed=0):
    return seeded(lambda: _with_statistics(NETWORKS[name]()), seed).eval()


class Sums(nn.Module):
    """Two classes by hand: the sum of the left half's first channel, and that of the right half."""

    def forward(self, x):
        middle = x.shape[-1] // 2
        return torch.stack([x[:, 0, :, :middle].sum((1, 2)), x[:, 0, :, middle:].sum((1, 2))], 1)


class Linear(nn.Module):
    """One weight per pixel and class."""

    def __init__(self, shape=(2, 3, 4), classes=CLASSES):
        super().__init__()
        self.layer = nn.Linear(torch.Size(shape).numel(), classes)

    def forward(self, x):
        return self.layer(x.flatten(1))


class Weighted(nn.Module):
    """Class 0 is a weighted sum of the pixels, class 1 is nothing."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights, requires_grad=False)

    def forward(self, x):
        score = (x * self.weights).flatten(1).sum(1, keepdim=True)
        return torch.cat([score, score * 0], 1)


class Counted(nn.Module):
    """A network that counts the pictures it sees, in its copies too; it cannot be exported.

    What it sees while it is prepared, and compared with itself, does not count.
    """

    preparing = 0

    def __init__(self, network):
        super().__init__()
        self.network, self.seen = network, Shared()

    def forward(self, x):
        if not Counted.preparing:
            self.seen.append(len(x))
        return self.network(-x if x.sum() > 1e30 else x)


class Shared(list):
    """A list that the copies of its owner share."""

    def __deepcopy__(self, memo):
        return self


class OneLogit(nn.Module):
    """A function of two pixels as class 0, and zero as class 1."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        score = self.function(x[:, 0, :, 0], x[:, 0, :, 1])
        return torch.cat([score, score * 0], 1)


def two_pixels(first, second):
    return torch.tensor([first, second]).view(1, 1, 1, 2)


def drained(steps):
    """All that a generator yields, and what it returns."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as end:
            return yielded, end.value


def state(module):
    """What an explanation may not change in the caller's module."""
    return (
        [part.training for part in module.modules()],
        [p.requires_grad for p in module.parameters()],
        [p.grad is None for p in module.parameters()],
        [p._version for p in module.state_dict().values()],
        [
            len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks)
            for part in module.modules()
        ],
    )
