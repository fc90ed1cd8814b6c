"""Small networks in files of every kind that holds a whole network."""

import warnings
from functools import partial

import torch
from torch import nn

SIDE = 48


class Net(nn.Module):
    """Two convolutions and a linear layer, with what most classifiers have."""

    def __init__(self, outputs=5, ending=None, channels=3):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU6())
        self.deep = nn.Sequential(nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2))
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(32, outputs)
        self.ending = ending or nn.Identity()

    def forward(self, x):
        return self.ending(self.head(self.drop(self.pool(self.deep(self.stem(x))).flatten(1))))


def network(seed=0, **how):
    """Random weights that give scores of about 1."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Net(**how)
        made.stem[1].running_mean.uniform_(-0.5, 0.5)
        made.head.weight.data *= 4
        return made.eval().requires_grad_(False)


def save(made, path, *, channels=3, side=SIDE, dtype=torch.float32):
    """Write a network by the suffix and the name of a file: dynamic, or for one picture."""
    dynamic, kind = path.stem.startswith("dynamic"), path.suffix
    x = torch.randn(2 if dynamic else 1, channels, side, side, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would have other formats
        if kind == ".pt2":
            shapes = ({0: torch.export.Dim("batch", max=4096)},) if dynamic else None
            torch.export.save(torch.export.export(made, (x,), dynamic_shapes=shapes), path)
        elif kind == ".onnx":
            axes = {"picture": {0: "batch"}} if dynamic else None
            torch.onnx.export(
                made, (x,), path, dynamo=False, input_names=["picture"], dynamic_axes=axes
            )
        else:
            make = (
                partial(torch.jit.trace, example_inputs=x)
                if "trace" in path.stem
                else torch.jit.script
            )
            torch.jit._state._clear_class_state()  # of what another test may have left half done
            torch.jit.save(make(made), path)
