"""What the commands do; `core.__main__` reads their arguments."""

import argparse
import csv
import io
import json
import sys
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
from PIL import Image
from torch import Tensor

from core import models, study
from core.attribution import Attribution
from core.baselines import PICTURE, check_baseline
from core.captum_occlusion import captum_occlusion
from core.console import print_table, progress_line
from core.errors import SettingError
from core.explainer import Explainer, provenance_of
from core.files import npz, png, write
from core.labels import search
from core.memory import memory
from core.methods import with_options
from core.models import Classifier, ClassScore
from core.occlusion import OcclusionSurvey
from core.panel import panel
from core.picture import Picture, picture_from_file
from core.rendering import Display
from core.scores import UNITS, Question
from core.settings import OcclusionSetting, Setting, method_name, short
from core.story import number, percent, strongest_window

EQUAL_BELOW = 1e-4  # logits: maps that differ by less are called equal

# The parser sets no default for these, so that an option given to the wrong method can be told from
# one that was not given.
OPTIONS = ("window", "stride", "steps", "samples", "stdev", "seed", "segments", "layer", "baseline")
METHOD_ALIASES = {"ig": "integrated_gradients"}
WINDOW, STRIDE = 15, 8


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


def predict(arguments: argparse.Namespace) -> int:
    """Print the most probable classes of a picture."""
    work = _begin(arguments)
    ranking = work.ranking(arguments.top)
    print(_model_line(work.classifier))
    rows = [
        (str(rank), str(c.index), c.name, f"{100 * c.probability:.1f} %", f"{c.logit:.3f}")
        for rank, c in enumerate(ranking, 1)
    ]
    print_table(("rank", "class", "name", "probability", "logit"), rows, words=("name",))
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Compute a map; write its numbers, a picture of it, and a record of all settings."""
    explainer = Explainer()
    setting = _setting(arguments, explainer)  # a bad setting is refused before any download
    work = _begin(arguments, explainer)
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
    name = f"{arguments.image.stem}_{arguments.method}_{short(setting)}".rstrip("_")
    written = write(
        arguments.out,
        {
            f"{name}.npz": npz(arrays),
            f"{name}.png": png(_drawn(work, attribution, answer)),
            f"{name}.json": _json(record),
        },
    )
    print(f"{answer}. {finding}")
    print("Wrote", ", ".join(map(str, written)))
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """Time the occlusion survey against Captum's Occlusion, and tell whether the maps are equal."""
    work = _begin(arguments)
    baseline = _baseline(getattr(arguments, "baseline", "grey"), work.explainer)
    setting = OcclusionSetting(arguments.window, arguments.stride, baseline)
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
    print_table(("engine", "seconds", "forward passes"), rows, words=("engine",))
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


def reproduce(arguments: argparse.Namespace) -> int:
    """Make the study's six maps for any model: files, one page with all, a table of predictions."""
    files = study.picture_files(arguments.images)
    explainer = Explainer()
    seen: dict[str, Image.Image] = {}
    found: dict[str, dict[str, Attribution]] = {}
    answers: dict[str, str] = {}
    rows = []
    output: dict[str, bytes] = {}
    for name, path in files.items():
        arguments.image = path
        work = _begin(arguments, explainer)
        top = work.ranking(1)[0]
        rows.append((path.name, str(top.index), top.name, f"{top.probability:.7f}"))
        answers[name] = f"{path.name}: {top.name}, {percent(top.probability)}"
        seen[name] = work.classifier.record.preprocessing.picture(work.picture.image)
        found[name] = {}
        for title, setting in study.maps(name).items():
            made = found[name][title] = _by_explainer(work, setting, Question(top.index))
            record = _record(path.name, made, work, list(work.picture.notes))
            file = f"{name}_{method_name(setting)}_{short(setting)}"
            output[f"{file}.npz"] = npz({"values": made.values})
            output[f"{file}.json"] = _json(record)
    header = ("picture", "class", "name", "probability")
    table = io.StringIO()
    csv.writer(table).writerows([header, *rows])
    output["predictions.csv"] = table.getvalue().encode()
    output["study.png"] = png(study.sheet(seen, found, answers))
    print(_model_line(work.classifier))
    print_table(header, rows, words=("picture", "name"))
    print("Wrote", ", ".join(map(str, write(arguments.out, output))))
    return 0


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
    print_table(header, rows, words=("name", "title", "licence", "offline", ""))
    return 0


def _begin(arguments: argparse.Namespace, explainer: Explainer | None = None) -> _Work:
    """Open the picture and load the model, downloading its weights on first use."""
    picture = picture_from_file(arguments.image)
    for note in picture.notes:
        print(note, file=sys.stderr)
    models.resolve_device(arguments.device)  # a missing device is refused before any download
    with progress_line() as show:
        for done, total in models.download(arguments.model):
            show(f"Downloading {arguments.model}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
    explainer = explainer or Explainer()
    return _Work(explainer, explainer.classifier(arguments.model, arguments.device), picture)


def _setting(arguments: argparse.Namespace, explainer: Explainer) -> Setting:
    """The method's settings; an option of another method is refused."""
    method = METHOD_ALIASES.get(arguments.method, arguments.method)
    given = {option: getattr(arguments, option) for option in OPTIONS if option in arguments}
    if "engine" in arguments and method != "occlusion":
        raise SettingError("--engine belongs to occlusion: leave it out, or choose that method.")
    if "baseline" in given:
        given["baseline"] = _baseline(given["baseline"], explainer)
    return with_options(method, given)


def _baseline(wanted: str, explainer: Explainer) -> str:
    """A baseline by name; ``picture:PATH`` opens another picture."""
    name, _, path = wanted.partition(":")
    if name == PICTURE and path:
        return explainer.as_baseline(picture_from_file(path))
    check_baseline(wanted)
    return wanted


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
    with progress_line() as show:
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
    baseline = work.explainer.baseline(classifier, picture, setting.baseline)
    with progress_line() as show:
        made = captum_occlusion(
            classifier.module,
            work.explainer.inputs(classifier, picture),
            question,
            window=setting.window,
            stride=setting.stride,
            baseline=baseline,
            report=lambda done, total: show(f"{done:,} of {total:,} passes by Captum"),
        )
    parameters = {**asdict(setting), "engine": "captum"}
    return replace(made, parameters=parameters, provenance=provenance_of(classifier, picture))


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


def _json(record: dict[str, object]) -> bytes:
    return json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n"


def _drawn(work: _Work, attribution: Attribution, title: str) -> Image.Image:
    seen = work.classifier.record.preprocessing.picture(work.picture.image)
    return panel(seen, attribution, work.classifier.class_names, Display(), title=title)


def _model_line(classifier: Classifier) -> str:
    return f"{classifier.record.title} on {classifier.device}"


def _answer(work: _Work) -> str:
    top = work.ranking(1)[0]
    return f"{work.classifier.record.title} says {top.name}, {percent(top.probability)}"


def _range(attribution: Attribution) -> str:
    low, high = (number(float(end)) for end in (attribution.values.min(), attribution.values.max()))
    return f"The map goes from {low} to {high} {attribution.units}."
