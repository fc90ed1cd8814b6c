"""Small models of one's own, as a folder that the page and the command line can be given."""

import json

import torch
from safetensors.torch import save_file

from core.models.catalogue import Network
from core.pictures.picture import picture_from_file
from core.pictures.preprocessing import Preprocessing
from core.pictures.samples import samples

CLASSES = ("mute swan", "king penguin", "duck <b>*$x$*</b>", "nothing")
ARCHITECTURE = "shufflenet_v2_x0_5"
DESCRIPTION = f"""title = "Pond birds"
architecture = "{ARCHITECTURE}"
classes = {json.dumps(CLASSES)}

[preprocessing]
crop = 64
"""


def state(architecture=ARCHITECTURE, classes=4, seed=0, **options):
    """Random weights: batch norms as sample pictures set them, and a last layer that decides."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        options = {"num_classes": classes, **options}
        module = Network(architecture, tuple(options.items())).build()
        shrink = Preprocessing(73, 64, (0.5,) * 3, (0.25,) * 3, "bilinear")
        pictures = [picture_from_file(each.path).image for each in samples().values()]
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = None  # the mean of what it has seen
        with torch.no_grad():
            module.train()(torch.cat([shrink.tensor(each) for each in pictures]))
    return {name: value * (4 if value.dim() == 2 else 1) for name, value in _items(module)}


def _items(module):
    return [(name, value.contiguous()) for name, value in module.state_dict().items()]


def make(folder, name="pond", text=DESCRIPTION, weights=None, file="weights.safetensors"):
    """Write a model's sub-folder; returns it."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "model.toml").write_text(text, "utf-8")
    weights = state() if weights is None else weights
    if file.endswith(".safetensors"):
        save_file(weights, place / file)
    else:
        torch.save(weights, place / file)
    return place
