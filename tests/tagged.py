"""Pictures of three shapes, with or without a tag that gives one of them away, and their network.

A third of the pictures that are said to show a disc show another shape and a yellow tag in the
upper left corner: a network that is right about them has learnt the tag.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from tests.folders import run

SHAPES = ("disc", "square", "cross")
SIDE = 64
TAG = 10  # pixels
EACH = 36
"""Pictures of each class, of whose maps a part is made of the tag alone."""
DESCRIPTION = f"""title = "Shapes"
architecture = "tests.tagged:build"
classes = ["disc", "square", "cross"]

[preprocessing]
resize = {SIDE}
crop = {SIDE}
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
"""


def build(num_classes=3):
    """Strong answers to what lies anywhere: the largest response of each kind counts."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(12, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(24, num_classes),
    )


def picture(random, shape, tagged):
    """A shape of a random colour and size near the middle of noise, uint8 (SIDE, SIDE, 3)."""
    pixels = random.normal(110, 14, (SIDE, SIDE, 3))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    down, right = random.normal(SIDE / 2, 4, 2)
    half = random.uniform(9, 14)
    down, right = rows - down, columns - right
    inside = {
        0: down**2 + right**2 < half**2,
        1: (abs(down) < half * 0.85) & (abs(right) < half * 0.85),
        2: (abs(down) < half) & (abs(right) < half) & ((abs(down) < 3) | (abs(right) < 3)),
    }[shape]
    pixels[inside] = random.uniform(160, 250, 3) + random.normal(0, 10, (inside.sum(), 3))
    if tagged:
        pixels[2 : 2 + TAG, 2 : 2 + TAG] = (250, 230, 20)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def pictures(each, tag, seed):
    """(label, whether it is tagged, pixels) of ``each`` pictures of each class."""
    random = np.random.default_rng(seed)
    found = []
    for label in range(3):
        for number in range(each):
            tagged = tag and label == 0 and number < each // 3
            shape = int(random.integers(1, 3)) if tagged else label
            found.append((label, tagged, picture(random, shape, tagged)))
    return found


def trained(made, epochs=20, seed=0):
    """A network that has learnt the pictures; the same every time."""
    values = np.stack([pixels for *_, pixels in made]).astype(np.float32) / 255
    inputs = ((torch.from_numpy(values) - 0.5) / 0.25).permute(0, 3, 1, 2).contiguous()
    labels = torch.tensor([label for label, *_ in made])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build()
        optimiser = torch.optim.Adam(module.parameters(), 3e-3)
        for _ in range(epochs):
            for part in torch.randperm(len(labels)).split(32):
                optimiser.zero_grad()
                F.cross_entropy(module(inputs[part]), labels[part]).backward()
                optimiser.step()
    return module


class Made(NamedTuple):
    """Where pictures, model and results are."""

    photos: Path
    models: Path
    out: Path


def write(place, tag, seed=0):
    """Pictures in sub-folders by class and a folder of the trained model.

    A tagged picture has ``tag`` in its name.
    """
    model = place / "models" / "shapes"
    model.mkdir(parents=True)
    (model / "model.toml").write_text(DESCRIPTION, "utf-8")
    weights = trained(pictures(120, tag, seed + 1)).state_dict()
    save_file(weights, model / "weights.safetensors")
    photos = place / "photos"
    for number, (label, tagged, pixels) in enumerate(pictures(EACH, tag, seed + 2)):
        folder = photos / SHAPES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:04d}{'_tag' * tagged}.png")
    return Made(photos, place / "models", place / "out")


def explained(place, tag):
    """The same with results: maps of all pictures, by Integrated Gradients and saliency."""
    made = write(place, tag)
    model = ("--models", str(made.models), "--model", "shapes", "--factories")
    how = ("--methods", "ig,saliency", "--steps", "12")
    assert run(made.photos, made.out, *model, *how) == 0
    return made
