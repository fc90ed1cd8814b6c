"""The command line.

    python -m core predict swan.jpg
    python -m core explain swan.jpg --method occlusion --window 15 --stride 8 --out maps
    python -m core compare swan.jpg
    python -m core models

What a user can do wrong ends in one sentence on stderr and exit code 2.
"""

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from core import models
from core.attribution import Attribution, Provenance
from core.baselines import BASELINES, baseline_tensor
from core.captum_occlusion import captum_occlusion
from core.errors import SettingError, UserError
from core.explainer import Explainer, IntegratedGradientsSetting, OcclusionSetting, Setting
from core.labels import search
from core.memory import memory
from core.models import Classifier, ClassScore
from core.occlusion import OcclusionSurvey
from core.panel import DPI, number, panel
from core.picture import Picture, picture_from_file
from core.rendering import Display
from core.scores import SCORE_KINDS, UNITS, Question
from core.story import percent, strongest_window

EQUAL_BELOW = 1e-4  # logits: maps that differ by less are called equal

# Which method an option belongs to. The parser sets no default for these, so that an option given
# to the wrong method can be told from one that was not given.
_OPTIONS_OF = {"ig": ("steps",), "occlusion": ("window", "stride", "engine")}
_WINDOW, _STRIDE, _STEPS = 15, 8, 50


@dataclass(frozen=True)
class _Work:
    """What a command on a picture has at hand."""

    explainer: Explainer
    classifier: Classifier
    picture: Picture

    @property
    def logits(self) -> Tensor:
        """What the model says of the picture, float32 (classes,)."""
        return self.explainer.logits(self.classifier, self.picture)

    def ranking(self, top: int) -> tuple[ClassScore, ...]:
        """The most probable classes."""
        return self.classifier.ranking(self.logits, top)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 the engines differ, 2 refused, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def predict(arguments: argparse.Namespace) -> int:
    """Print the most probable classes of a picture."""
    work = _begin(arguments)
    ranking = work.ranking(arguments.top)
    print(_model_line(work.classifier))
    rows = [
        (str(rank), str(c.index), c.name, f"{100 * c.probability:.1f} %", f"{c.logit:.3f}")
        for rank, c in enumerate(ranking, 1)
    ]
    _print_table(("rank", "class", "name", "probability", "logit"), rows, words=("name",))
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Compute a map; write its numbers, a picture of it, and a record of all settings."""
    setting = _setting(arguments)
    work = _begin(arguments)
    question = _question(arguments, work)
    if isinstance(setting, OcclusionSetting) and getattr(arguments, "engine", "") == "captum":
        attribution = _by_captum(work, setting, question)
        survey = None
    else:
        attribution = _by_explainer(work, setting, question)
        survey = _survey(work, setting)
    answer, finding = _answer(work), _range(attribution)
    arrays = {"values": attribution.values}
    notes = list(work.picture.notes)
    if survey is not None:
        finding = strongest_window(survey, work.classifier.class_names)
        arrays["scores"] = survey.scores.numpy()
        arrays["corners"] = survey.grid.corners
        arrays["clean"] = survey.clean.numpy()
        if survey.fallback is not None:
            notes.append(survey.fallback)
    record = _record(arguments.image.name, attribution, work, [*notes, finding])
    name = f"{arguments.image.stem}_{arguments.method}"
    written = _write(
        arguments.out,
        {
            f"{name}.npz": _npz(arrays),
            f"{name}.png": _png(work, attribution, answer),
            f"{name}.json": json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n",
        },
    )
    print(f"{answer}. {finding}")
    print("Wrote", ", ".join(map(str, written)))
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """Time the occlusion survey against Captum's Occlusion, and tell whether the maps are equal."""
    work = _begin(arguments)
    setting = OcclusionSetting(arguments.window, arguments.stride, arguments.baseline)
    question = Question(_target(arguments.target, work))
    print(_model_line(work.classifier))
    memory.forget()  # windows known from an earlier call would not be visited again
    started = time.perf_counter()
    ours = _by_explainer(work, setting, question)
    seconds = time.perf_counter() - started  # with the preparation of the network
    captum = _by_captum(work, setting, question)
    rows = [
        ("incremental", f"{seconds:.2f}", f"{ours.forward_passes:,}"),
        ("captum", f"{captum.seconds:.2f}", f"{captum.forward_passes:,}"),
    ]
    _print_table(("engine", "seconds", "forward passes"), rows, words=("engine",))
    print(f"Captum takes {captum.seconds / seconds:.1f} times as long.")
    survey = work.explainer.survey(work.classifier, work.picture, setting)
    print(
        survey.fallback
        or f"Multiply-adds: {survey.multiply_adds_share():.1%} of those of dense passes."
    )
    difference = float(np.abs(ours.values - captum.values).max())
    equal = difference < EQUAL_BELOW
    print(
        f"Largest difference of the maps: {difference:.1e} {UNITS[question.kind]}, "
        f"{'equal' if equal else 'not equal'} (limit {EQUAL_BELOW:.0e})."
    )
    return 0 if equal else 1


def list_models(_: argparse.Namespace) -> int:
    """Print the registry."""
    rows = [
        (
            record.name,
            record.title,
            f"{record.accuracy:.1f} %",
            f"{record.weights.megabytes:.0f} MB",
            record.licence,
            "yes" if record.weights.present else "no",
            "default" if record.name == models.DEFAULT_MODEL else "",
        )
        for record in models.registry().values()
    ]
    header = ("name", "title", "top-1", "size", "licence", "offline", "")
    _print_table(header, rows, words=("name", "title", "licence", "offline", ""))
    return 0


def _begin(arguments: argparse.Namespace) -> _Work:
    """Open the picture and load the model, downloading its weights on first use."""
    picture = picture_from_file(arguments.image)
    for note in picture.notes:
        print(note, file=sys.stderr)
    models.resolve_device(arguments.device)  # a missing device is refused before any download
    with _progress_line() as show:
        for done, total in models.download(arguments.model):
            show(f"Downloading {arguments.model}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
    explainer = Explainer()
    return _Work(explainer, explainer.classifier(arguments.model, arguments.device), picture)


def _setting(arguments: argparse.Namespace) -> Setting:
    """The method's settings; an option of another method is refused."""
    for method, options in _OPTIONS_OF.items():
        for option in options:
            if method != arguments.method and hasattr(arguments, option):
                raise SettingError(
                    f"--{option} belongs to --method {method}: leave it out, or choose that method."
                )
    if arguments.method == "ig":
        return IntegratedGradientsSetting(getattr(arguments, "steps", _STEPS), arguments.baseline)
    return OcclusionSetting(
        getattr(arguments, "window", _WINDOW),
        getattr(arguments, "stride", _STRIDE),
        arguments.baseline,
    )


def _question(arguments: argparse.Namespace, work: _Work) -> Question:
    contrast = None
    if arguments.contrast is not None:
        contrast = _class_index(arguments.contrast, work.classifier)
    return Question(_target(arguments.target, work), contrast, arguments.score)


def _target(wanted: str, work: _Work) -> int:
    if wanted == "predicted":
        return work.ranking(1)[0].index
    return _class_index(wanted, work.classifier)


def _class_index(wanted: str, classifier: Classifier) -> int:
    """A class by name or index; if it is absent, the sentence that offers the nearest ones."""
    found = search(classifier.class_names, wanted)
    if found.index is None:
        raise SettingError(found.sentence(classifier.class_names))
    return found.index


def _by_explainer(work: _Work, setting: Setting, question: Question) -> Attribution:
    with _progress_line() as show:
        for step in work.explainer.steps(work.classifier, work.picture, setting, question):
            show(f"{step.done:,} of {step.total:,} passes")
    return step.snapshot()


def _survey(work: _Work, setting: Setting) -> OcclusionSurvey | None:
    """The survey behind an occlusion map; None for other methods."""
    if isinstance(setting, OcclusionSetting):
        return work.explainer.survey(work.classifier, work.picture, setting)
    return None


def _by_captum(work: _Work, setting: OcclusionSetting, question: Question) -> Attribution:
    """The same map by Captum's Occlusion."""
    classifier, picture = work.classifier, work.picture
    baseline = baseline_tensor(setting.baseline, classifier.record.preprocessing, picture.image)
    with _progress_line() as show:
        made = captum_occlusion(
            classifier.module,
            work.explainer.inputs(classifier, picture),
            question,
            window=setting.window,
            stride=setting.stride,
            baseline=baseline,
            report=lambda done, total: show(f"{done:,} of {total:,} passes by Captum"),
        )
    provenance = Provenance(
        classifier.record.name,
        classifier.weights_sha256,
        picture.sha256,
        str(classifier.device),
    )
    parameters = {**asdict(setting), "engine": "captum"}
    return replace(made, parameters=parameters, provenance=provenance)


def _record(
    image_name: str, attribution: Attribution, work: _Work, notes: list[str]
) -> dict[str, object]:
    """Everything about a map that is not a number per pixel, as JSON types."""
    names = work.classifier.class_names
    contrast = attribution.contrast
    return {
        "image": image_name,
        **attribution.settings(),
        "target_name": names[attribution.target],
        "contrast_name": None if contrast is None else names[contrast],
        "top": [asdict(score) for score in work.ranking(5)],
        "notes": notes,
    }


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _png(work: _Work, attribution: Attribution, title: str) -> bytes:
    seen = work.classifier.record.preprocessing.picture(work.picture.image)
    drawn = panel(seen, attribution, work.classifier.class_names, Display(), title=title)
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", dpi=(DPI, DPI))
    return buffer.getvalue()


def _write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write files by name; each appears, or replaces an older one, only when all are complete."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="writing-") as place:
            for name, data in files.items():
                Path(place, name).write_bytes(data)
            return [Path(place, name).replace(folder / name) for name in files]
    except OSError as error:
        raise SettingError(
            f"The files cannot be written to {folder} ({error.strerror}): choose another folder."
        ) from error


def _model_line(classifier: Classifier) -> str:
    return f"{classifier.record.title} on {classifier.device}"


def _answer(work: _Work) -> str:
    top = work.ranking(1)[0]
    return f"{work.classifier.record.title} says {top.name}, {percent(top.probability)}"


def _range(attribution: Attribution) -> str:
    low, high = (number(float(end)) for end in (attribution.values.min(), attribution.values.max()))
    return f"The map goes from {low} to {high} {attribution.units}."


def _print_table(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]], words: tuple[str, ...]
) -> None:
    """Print aligned columns: those named in ``words`` to the left, numbers to the right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.ljust(width) if name in words else cell.rjust(width)
            for name, cell, width in zip(header, line, widths, strict=True)
        )
        print("  ".join(cells).rstrip())


@contextmanager
def _progress_line() -> Iterator[Callable[[str], None]]:
    """Gives a function that shows text on one line of the terminal, which is cleared at the end.

    Silent where stderr is not a terminal.
    """
    terminal = sys.stderr.isatty()

    def show(text: str) -> None:
        if terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        show("")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core",
        description="See which pixels drove an image classifier's prediction.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = commands.add_parser("predict", help="what a model says of a picture")
    _add_picture_and_model(command)
    command.add_argument("--top", type=int, default=5, help="how many classes (5)")
    command.set_defaults(run=predict)

    command = commands.add_parser("explain", help="write a map as numbers, picture and record")
    _add_picture_and_model(command)
    command.add_argument("--method", required=True, choices=_OPTIONS_OF, help="how to explain")
    _add_window(command, argparse.SUPPRESS, argparse.SUPPRESS)
    command.add_argument(
        "--engine",
        choices=("incremental", "captum"),
        default=argparse.SUPPRESS,
        help="what computes occlusion; captum is slower and keeps one class (incremental)",
    )
    command.add_argument(
        "--steps",
        type=int,
        default=argparse.SUPPRESS,
        help=f"points on the path of ig ({_STEPS})",
    )
    _add_baseline_and_target(command)
    command.add_argument(
        "--contrast", metavar="CLASS", help="subtract this class's score: a name or an index"
    )
    command.add_argument(
        "--score", choices=SCORE_KINDS, default="logit", help="scale of the score (logit)"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write")
    command.set_defaults(run=explain)

    command = commands.add_parser("compare", help="the occlusion survey beside Captum's Occlusion")
    _add_picture_and_model(command)
    _add_window(command, _WINDOW, _STRIDE)
    _add_baseline_and_target(command)
    command.set_defaults(run=compare)

    command = commands.add_parser("models", help="list the models, and which are here offline")
    command.set_defaults(run=list_models)
    return parser


def _add_picture_and_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("image", type=Path, metavar="IMAGE", help="a picture file")
    command.add_argument(
        "--model",
        default=models.DEFAULT_MODEL,
        metavar="NAME",
        help=f"one that `models` lists ({models.DEFAULT_MODEL})",
    )
    command.add_argument(
        "--device", choices=models.DEVICES, default="auto", help="where to compute (auto)"
    )


def _add_window(command: argparse.ArgumentParser, window: int | str, stride: int | str) -> None:
    command.add_argument(
        "--window",
        type=int,
        default=window,
        metavar="PIXELS",
        help=f"side of the occlusion window ({_WINDOW})",
    )
    command.add_argument(
        "--stride",
        type=int,
        default=stride,
        metavar="PIXELS",
        help=f"from one window to the next ({_STRIDE})",
    )


def _add_baseline_and_target(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--baseline",
        choices=BASELINES,
        default="grey",
        help="what covered pixels become, or where the path begins (grey)",
    )
    command.add_argument(
        "--target",
        default="predicted",
        metavar="CLASS",
        help="class to explain: a name, an index, or predicted (predicted)",
    )


if __name__ == "__main__":
    sys.exit(main())
