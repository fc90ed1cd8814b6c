"""Trains a small vision transformer on patterns: ``python -m benchmarks.small_vit FOLDER``.

No package brings a trained vision transformer that classifies pictures. This one is timm's
``test_vit`` (six layers, two heads, 100 patches of 16 pixels), trained from nothing to tell apart
five patterns of a disc that lies somewhere on a piece of a sample photo. It knows nothing else, and
it is known where it has to look. Backgrounds of the training are five of the sample photos; those
of the test are the other two. Writes a folder of models (`--models FOLDER`), and beside it a folder
of pictures of the test (FOLDER_pictures). About a minute on one core.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from core.models.torchvision_compat import torchvision  # noqa: F401 - before what imports it
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples

SIDE = 160
NAME = "patterns_vit"
_TEST = ("kingfisher", "penguin")
_RADII = (0.15, 0.25)  # of the side
_STRIPE = 4  # pixels; two of them fit into a patch twice
_NOT_SEEN_IN_TRAINING = 10_000_000  # seeds from here on
_MODEL = """title = "Patterns, a small vision transformer"
architecture = "timm:test_vit"
classes = {classes}
accuracy = {accuracy:.1f}
licence = "Apache-2.0"
source = "trained on drawn patterns by python -m benchmarks.small_vit"

[preprocessing]
crop = {side}
resize = "squash"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
"""


def main() -> None:
    """Train, test and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=120, help="of 64 pictures each")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    test = _photos(lambda name: name in _TEST)
    network = _trained(_photos(lambda name: name not in _TEST), arguments.steps)
    accuracy = _accuracy(network, test, 1000)
    print(f"{accuracy:.1f} % of 1000 pictures of the test are right")
    place: Path = arguments.folder / NAME
    place.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), place / "weights.safetensors")
    text = _MODEL.format(classes=json.dumps(list(PATTERNS)), accuracy=accuracy, side=SIDE)
    (place / "model.toml").write_text(text, "utf-8")
    pictures = arguments.folder.with_name(f"{arguments.folder.name}_pictures")
    pictures.mkdir(exist_ok=True)
    for seed in range(7):
        picture, label = drawn(test, _NOT_SEEN_IN_TRAINING + seed)
        picture.save(pictures / f"{list(PATTERNS)[label].replace(' ', '_')}_{seed}.png")


def drawn(photos: Sequence[Image.Image], seed: int) -> tuple[Image.Image, int]:
    """A disc somewhere on a piece of a photo, and which of `PATTERNS` it has."""
    random = Random(seed)
    photo = random.choice(photos)
    side = random.randint(SIDE, min(photo.size))
    left, top = (random.randint(0, length - side) for length in photo.size)
    picture = photo.resize((SIDE, SIDE), box=(left, top, left + side, top + side))
    label = random.randrange(len(PATTERNS))
    radius = random.uniform(*_RADII) * SIDE
    middle = [random.uniform(radius, SIDE - radius) for _ in range(2)]
    down, across = np.mgrid[:SIDE, :SIDE]
    light, dark = ([random.randrange(128) + low for _ in range(3)] for low in (128, 0))
    striped = PATTERNS[list(PATTERNS)[label]](down, across)
    disc = np.where(striped[..., None], light, dark).astype(np.uint8)
    inside = 255 * (np.hypot(down - middle[1], across - middle[0]) <= radius).astype(np.uint8)
    picture.paste(Image.fromarray(disc), mask=Image.fromarray(inside))
    return picture, label


PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "stripes across": lambda down, _: down // _STRIPE % 2 == 1,
    "stripes down": lambda _, across: across // _STRIPE % 2 == 1,
    "slanted stripes": lambda down, across: (down + across) // _STRIPE % 2 == 1,
    "checks": lambda down, across: (down // _STRIPE + across // _STRIPE) % 2 == 1,
    "one colour": lambda down, _: down >= 0,
}
"""Where a disc is light, by row and column of the picture in pixels."""


def _photos(chosen: Callable[[str], bool]) -> list[Image.Image]:
    """Sample photos, their short side twice as long as the input."""
    found = []
    for name, sample in samples().items():
        if chosen(name):
            image = picture_from_file(sample.path).image
            scale = 2 * SIDE / min(image.size)
            found.append(image.resize([round(scale * length) for length in image.size]))
    return found


def _batch(photos: Sequence[Image.Image], seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Inputs (N, 3, H, W) and classes (N,)."""
    pictures, labels = zip(*(drawn(photos, seed) for seed in seeds), strict=True)
    values = torch.from_numpy(np.stack([np.asarray(each) for each in pictures]))
    return values.permute(0, 3, 1, 2) / 127.5 - 1, torch.tensor(labels)


def _trained(photos: Sequence[Image.Image], steps: int, batch: int = 64) -> torch.nn.Module:
    import timm

    network: torch.nn.Module = timm.create_model("test_vit", num_classes=len(PATTERNS))
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, steps, pct_start=0.15)
    started = time.process_time()
    for step in range(steps):
        inputs, labels = _batch(photos, range(step * batch, (step + 1) * batch))
        scores = network(inputs)
        loss = torch.nn.functional.cross_entropy(scores, labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 25 == 24:
            right = float((scores.argmax(1) == labels).float().mean())
            seconds = time.process_time() - started
            print(f"step {step + 1}: loss {loss:.3f}, {right:.0%}, {seconds:.0f} s", flush=True)
    return network.eval()


@torch.no_grad()
def _accuracy(network: torch.nn.Module, photos: Sequence[Image.Image], count: int) -> float:
    """The share of pictures of the test that are classified right, in percent."""
    inputs, labels = _batch(photos, range(_NOT_SEEN_IN_TRAINING, _NOT_SEEN_IN_TRAINING + count))
    return 100 * float((network(inputs).argmax(1) == labels).float().mean())


if __name__ == "__main__":
    main()
