"""What works of which architecture: ``python -m benchmarks.architectures``.

Each architecture gets random weights (EfficientNet-Lite0 its own), says what a picture is, and is
compared with what its own library says of it: the largest difference of the inputs, and of the
logits as a share of the largest. Then each method of the registry makes a map with its quickest
setting, or says why it cannot. The page's own checks run along: occlusion is compared with the
network itself. The gradient is compared with that of the network itself too, but for batch norms,
whose own is wrong in torch at times (see `core.engine.norms`).

Whatever fails in another way than by a sentence is printed, and ends with exit code 1. Findings are
kept in a file (--kept) as soon as they are known; what is in it is not measured again, unless
there are new methods. To measure all again, name another file. About twenty seconds an architecture
on a core of one's own.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.architectures_table import table
from benchmarks.onnx_models import of_onnx
from benchmarks.random_models import of_timm, of_transformers, processor_of, stirred
from core.engine.norms import ExactLogits
from core.engine.outputs import logits_of
from core.engine.remembered import memory
from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods.cover_methods import OcclusionSetting
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.methods.settings import Setting
from core.models import classifiers, registry
from core.models.classifiers import Classifier
from core.models.torchvision_compat import torchvision
from core.pictures.picture import Picture, picture_from_file
from core.pictures.samples import samples

ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "Convolutional networks": (
        "efficientnet_lite0",
        "resnet18",
        "resnet50",
        "vgg16",
        "mobilenet_v2",
        "timm:resnet10t.c3_in1k",
        "timm:skresnet18.ra_in1k",
        "timm:mobilenetv3_small_050.lamb_in1k",
        "timm:mobilenetv4_conv_small.e2400_r224_in1k",
        "timm:efficientnet_b0.ra_in1k",
        "timm:tf_efficientnet_lite0.in1k",
        "timm:regnetx_002.pycls_in1k",
        "timm:regnety_002.pycls_in1k",
        "timm:ghostnet_100.in1k",
        "timm:repvgg_a0.rvgg_in1k",
        "timm:densenet121.ra_in1k",
        "timm:dla46_c.in1k",
        "timm:lcnet_050.ra2_in1k",
        "timm:starnet_s1.in1k",
        "hf:resnet",
    ),
    "Convolutions with channels last (NHWC)": (
        "convnext_tiny",
        "timm:convnext_atto.d2_in1k",
        "timm:convnextv2_atto.fcmae_ft_in1k",
        "timm:mambaout_femto.in1k",
        "hf:convnext",
        "hf:convnextv2",
    ),
    "Vision transformers": (
        "vit_b_16",
        "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k",
        "timm:deit_tiny_distilled_patch16_224.fb_in1k",
        "timm:cait_xxs24_224.fb_dist_in1k",
        "timm:xcit_nano_12_p16_224.fb_in1k",
        "timm:convit_tiny.fb_in1k",
        "timm:crossvit_tiny_240.in1k",
        "hf:vit",
        "hf:deit",
        "hf:dinov2",
    ),
    "Hierarchical transformers, such as Swin": (
        "timm:swin_tiny_patch4_window7_224.ms_in1k",
        "timm:pvt_v2_b0.in1k",
        "timm:coat_lite_tiny.in1k",
        "timm:pit_ti_224.in1k",
        "hf:swin",
    ),
    "Hybrids, and networks without either": (
        "timm:levit_128s.fb_dist_in1k",
        "timm:mobilevit_xxs.cvnets_in1k",
        "timm:edgenext_xx_small.in1k",
        "timm:efficientformer_l1.snap_dist_in1k",
        "timm:efficientvit_b0.r224_in1k",
        "timm:fastvit_t8.apple_in1k",
        "timm:visformer_tiny.in1k",
        "timm:poolformer_s12.sail_in1k",
        "timm:resmlp_12_224.fb_in1k",
        "hf:mobilevit",
    ),
    "ONNX, with torch's operations": ("onnx:resnet18", "onnx:vit_tiny_patch16_224"),
    "ONNX, a black box": ("onnx:resnet18_int8",),
}
"""By family; timm's, transformers' and ONNX files by their prefix, the others come along."""

_NAMES = {0: "mute swan", 1: "king penguin", 2: "duck", 3: "nothing"}
_KEPT = Path(__file__).resolve().parent / "kept" / "architectures.json"
_OUT = Path(__file__).resolve().parent.parent / "docs" / "architectures.md"
_SAME = 1e-5  # of the largest logit
_KINKS = 0.05  # random rectifiers turn rounding into a few percent of a gradient
_WINDOWS = 4  # along a side


@dataclass
class Finding:
    """What was found of an architecture.

    Attributes:
        inputs, logits: differences from its own library's, the latter as a share of the largest
            logit; None where no library has a pipeline for it.
        gradient: sum of the absolute differences of the gradient, as a share of all.
        agreement: largest difference of an occluded logit from the network's own, as such a share.
        dense: why occlusion is computed densely; None where it is incremental.
        methods: by name, why it cannot be had; empty where there is a map.
        gaps: by name, how far the sum of the values is off the change of the score, as a share.
        faults: what is none of these, in words.
    """

    inputs: float | None = None
    logits: float | None = None
    gradient: float | None = None
    agreement: float | None = None
    dense: str | None = None
    methods: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def main() -> int:
    """Measure what is asked for, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these and no others")
    parser.add_argument("--kept", type=Path, default=_KEPT, help="findings, read and added to")
    parser.add_argument("--out", type=Path, default=_OUT)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # the libraries' own
    kept: Path = arguments.kept
    found = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    for name in arguments.only or _in_turn(ARCHITECTURES.values()):
        if name in found and METHODS.keys() <= found[name]["methods"].keys():
            continue
        started = time.perf_counter()
        finding = _found(name)
        found[name] = asdict(finding)
        print(f"{name:52}{time.perf_counter() - started:7.1f} s", flush=True)
        for fault in finding.faults:
            print(f"    FAULT: {fault}", flush=True)
        kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
        memory.forget()
    titles = {name: METHODS[name].title for name in METHODS}
    arguments.out.write_text(table(ARCHITECTURES, titles, found), "utf-8")
    return int(any(each["faults"] for each in found.values()))


def _in_turn(groups: Iterable[tuple[str, ...]]) -> list[str]:
    """The first of each group, then the second: what is known early is of all kinds."""
    lists = [list(group) for group in groups]
    return [names[n] for n in range(max(map(len, lists))) for names in lists if n < len(names)]


def _found(name: str) -> Finding:
    finding = Finding()
    try:
        _measure(name, finding)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the others go on
        finding.faults.append(f"{type(error).__name__}: {error}")
    return finding


def _measure(name: str, finding: Finding) -> None:
    picture = picture_from_file(samples()["swan"].path)
    explainer = Explainer()
    with tempfile.TemporaryDirectory() as folder:
        classifier, theirs = _loaded(name, Path(folder), picture)
    inputs, logits = explainer.inputs(classifier, picture), explainer.logits(classifier, picture)
    largest = float(logits.abs().max())
    if theirs is not None:
        finding.inputs = float((theirs[0] - inputs).abs().max())
        finding.logits = float((theirs[1] - logits).abs().max()) / largest
        _expect(finding, finding.logits <= _SAME, f"logits differ by {finding.logits:.1e}")
    missing = explainer.unavailable(classifier, picture)
    question = Question(int(logits.argmax()), head=classifier.head)
    for method in METHODS:
        setting = _quick(METHODS[method].setting, inputs.shape[-1])
        reason = missing.get(method)
        try:
            made = explainer.attribution(classifier, picture, setting, question)
        except UserError as error:
            finding.methods[method] = reason or str(error)
            continue
        except Exception as error:  # noqa: BLE001 - as above
            finding.faults.append(f"{method}: {type(error).__name__}: {error}")
            continue
        finding.methods[method] = ""
        _expect(finding, reason is None, f"{method}: made, and said to be impossible: {reason}")
        _expect(finding, bool(np.isfinite(made.values).all()), f"{method}: not finite")
        if made.change:
            finding.gaps[method] = abs((made.gap or 0.0) / made.change)
        if method == "occlusion" and made.agreement is not None:
            finding.agreement = made.agreement.difference / largest
        if method == "saliency":
            finding.gradient = _apart(classifier.module, inputs, question.target, made.values)
            _expect(finding, finding.gradient <= _KINKS, f"gradient differs: {finding.gradient}")
    finding.dense = memory.prepared(classifier.module, inputs).network.fallback


def _expect(finding: Finding, good: bool, otherwise: str) -> None:
    if not good:
        finding.faults.append(otherwise)


def _quick(setting: Setting, side: int) -> Setting:
    if isinstance(setting, OcclusionSetting):
        return OcclusionSetting(side // _WINDOWS, side // _WINDOWS)
    return setting.quick()


def _apart(module: nn.Module, inputs: Tensor, target: int, values: np.ndarray) -> float:
    """How far a saliency map is from the network's own gradient."""
    given = inputs.detach().clone().requires_grad_()
    (slopes,) = torch.autograd.grad(ExactLogits(module)(given)[0, target], given)
    own = slopes[0].double().abs().sum(0).numpy()
    return float(np.abs(values - own).sum() / own.sum())


def _loaded(
    name: str, folder: Path, picture: Picture
) -> tuple[Classifier, tuple[Tensor, Tensor] | None]:
    """A classifier, and inputs and logits (classes,) of a picture by its own library."""
    library, _, inner = name.rpartition(":")
    transform: Callable[..., Tensor]
    if library == "timm":
        import timm

        huggingface_hub.constants.HF_HUB_CACHE = str(folder)
        network = of_timm(inner, folder)
        classifier = classifiers.load(name, "cpu")
        transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
        inputs = transform(picture.image)[None]
    elif library == "hf":
        network = of_transformers(inner, folder / inner, _NAMES)
        classifier = classifiers.load(f"hf:{folder / inner}", "cpu")
        inputs = processor_of(inner)(picture.image, return_tensors="pt")["pixel_values"]
    elif library == "onnx":
        import onnxruntime

        file = str(of_onnx(inner, folder))
        registry.allow_factories([file])
        classifier = classifiers.load(file, "cpu")
        inputs = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()(picture.image)[None]
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        (scores,) = session.run(None, {"x": inputs.numpy()})
        return classifier, (inputs, torch.from_numpy(scores[0]))
    elif name == registry.DEFAULT_MODEL:
        return classifiers.load(name, "cpu"), None
    else:
        record = registry.record(name)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = record.architecture()
            shown = [record.preprocessing.tensor(picture.image), torch.randn(1, 3, 224, 224)]
            stirred(network, torch.cat(shown)).requires_grad_(False)
        classifier = Classifier(record, network, torch.device("cpu"), f"random {name}")
        transform = torchvision.models.get_model_weights(name).IMAGENET1K_V1.transforms()
        inputs = transform(picture.image)[None]
    with torch.no_grad():
        return classifier, (inputs, logits_of(network(inputs))[0])


if __name__ == "__main__":
    sys.exit(main())
