"""For each method, a small network that can have it."""

from functools import partial

import torch
from torch import nn

from core.models.torchvision_compat import torchvision
from tests.core.methods.test_grad_cam import stages
from tests.toys import seeded

SIDE = 28  # of the pictures that all of them take
OF_ATTENTION = ("attention_rollout", "gradient_rollout", "legrad")
OF_REGIONS = ("enough", "counterfactual")


class Needing(nn.Module):
    """A network whose answer for a picture of zeros is class 3, if barely."""

    def __init__(self):
        super().__init__()
        self.network = stages()
        with torch.no_grad():
            self.register_buffer("nothing", self.network(torch.zeros(1, 3, SIDE, SIDE)))

    def forward(self, x):
        return self.network(x) - self.nothing + torch.tensor([0.0, 0.0, 0.0, 1e-3])


def lively(module):
    """The same with weights by which attention differs from token to token."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


def module_for(name):
    """A network of four classes that can have a method."""
    if name in OF_ATTENTION:
        sizes = {"image_size": SIDE, "patch_size": 7, "num_layers": 2, "num_heads": 2}
        make = partial(torchvision.models.VisionTransformer, **sizes, hidden_dim=8, mlp_dim=16)
        return seeded(lambda: lively(make(num_classes=4))).eval()
    return Needing().eval() if name in OF_REGIONS else stages()
