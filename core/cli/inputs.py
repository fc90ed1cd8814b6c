"""Shared by the commands: picture, model, setting, question and map from the arguments."""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from weakref import WeakKeyDictionary

from torch import Tensor

from ..drawing.captions import question_words, without_effect
from ..drawing.sentences import says
from ..errors import SettingError
from ..explaining.explainer import Explainer
from ..explaining.judging import Judge
from ..methods import no_effect
from ..methods.attribution import Attribution
from ..methods.cover_methods import REGIONS
from ..methods.options import OPTIONS, options_of, with_options
from ..methods.registry import method_named
from ..methods.scores import Question
from ..methods.settings import Setting
from ..models import classifiers, registry
from ..models.classifiers import Classifier, ClassScore
from ..models.labels import class_named
from ..pictures.picture import Picture, picture_from_file
from ..text import as_text
from ..trust.judgement import Case, Judgement
from ..trust.settings import FaithfulnessSetting
from .console import progress_line, say
from .map_names import parts_asked


@dataclass(frozen=True)
class Work:
    """What a command on a picture has at hand."""

    explainer: Explainer
    classifier: Classifier
    picture: Picture

    @property
    def logits(self) -> Tensor:
        """What the model says of the picture, float32 (classes,)."""
        return self.explainer.logits(self.classifier, self.picture)

    def ranking(self, top: int | None = None) -> tuple[ClassScore, ...]:
        """The most probable classes, as `Classifier.predict` counts."""
        return self.classifier.ranking(self.logits, top)


def begin(arguments: argparse.Namespace, explainer: Explainer | None = None) -> Work:
    """Open the picture and load the model, downloading its weights on first use."""
    picture = picture_from_file(arguments.image)
    explainer = explainer or Explainer()
    tell(explainer, picture.notes)
    classifiers.resolve_device(arguments.device)  # a missing device is refused before any download
    with progress_line() as show:
        for done, total in registry.download(arguments.model):
            show(f"Downloading {arguments.model}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
    classifier = explainer.classifier(arguments.model, arguments.device)
    tell(explainer, classifier.record.notes)
    return Work(explainer, classifier, picture)


def explained(arguments: argparse.Namespace, attribution: Attribution, work: Work) -> str:
    """The score that a map explains, if one was asked for: part of a name may mean a class."""
    if not parts_asked(arguments):
        return ""
    return f"Explained: {question_words(attribution, work.classifier.class_names)}."


_told: WeakKeyDictionary[Explainer, set[str]] = WeakKeyDictionary()


def tell(explainer: Explainer, notes: Iterable[str]) -> None:
    """Print notes aside, each once for all that an explainer is asked."""
    told = _told.setdefault(explainer, set())
    for note in notes:
        if note not in told:
            told.add(note)
            say(note, aside=True)


def setting_of(arguments: argparse.Namespace, explainer: Explainer) -> Setting:
    """The method's settings; an option of another method is refused."""
    method = method_named(arguments.method)
    given = {option: getattr(arguments, option) for option in OPTIONS if option in arguments}
    if "engine" in arguments and method != "occlusion":
        raise SettingError("--engine belongs to occlusion: leave it out, or choose that method.")
    if "baseline" in given:
        given["baseline"] = explainer.baseline_named(given["baseline"])
    if arguments.region_names is not None and REGIONS not in given:
        raise SettingError("--region-names are those of --regions: give that too, or leave it out.")
    if REGIONS in given:
        given[REGIONS] = explainer.regions_named(given[REGIONS], arguments.region_names)
    return with_options(method, given)


def notes_on(arguments: argparse.Namespace, attribution: Attribution, work: Work) -> list[str]:
    """What is to be said of a map's making: of the picture, and of what has no effect."""
    words = without_effect(attribution)
    idle = no_effect.of_question(attribution.about, parts_asked(arguments))
    notes = [*idle, *([f"{words[0].upper()}{words[1:]}."] if words else [])]
    tell(work.explainer, notes)
    return [*work.picture.notes, *notes]


def of_method(arguments: argparse.Namespace, method: str) -> argparse.Namespace:
    """The arguments for one of several methods, without the options of the others."""
    name = method_named(method)
    others = map(method_named, arguments.method)
    elsewhere = set[str]().union(*(options_of(other) for other in others)) - options_of(name)
    kept = {key: value for key, value in vars(arguments).items() if key not in elsewhere}
    if REGIONS in arguments and REGIONS not in kept:
        kept["region_names"] = None  # of the regions of another method
    return argparse.Namespace(**{**kept, "method": method})


def question_of(arguments: argparse.Namespace, work: Work) -> Question:
    """Target, contrast and kind of score."""
    contrast = None
    if arguments.contrast is not None:
        contrast = class_named(work.classifier.class_names, arguments.contrast)
    head = work.classifier.head
    return Question(target_of(arguments.target, work), contrast, arguments.score, head)


def target_of(wanted: str, work: Work) -> int:
    """The class to explain, by default the predicted one."""
    if wanted == "predicted":
        return work.ranking(1)[0].index
    return class_named(work.classifier.class_names, wanted)


def by_explainer(work: Work, setting: Setting, question: Question) -> Attribution:
    """The finished map, with progress."""
    with progress_line() as show:
        for step in work.explainer.steps(work.classifier, work.picture, setting, question):
            show(f"{step.done:,} of {step.total:,} passes")
    return step.snapshot()


def judged(judge: Judge, case: Case, how: FaithfulnessSetting) -> Judgement:
    """The finished judgement of a map, with progress."""
    with progress_line() as show:
        for step in judge.steps(case, how):
            show(f"{step.done:,} of {step.total:,} passes")
    return step.snapshot()


def record_of(
    image_name: str, attribution: Attribution, work: Work, notes: list[str]
) -> dict[str, object]:
    """Everything about a map that is not a number per pixel, as JSON types."""
    names = work.classifier.class_names
    contrast = attribution.contrast
    return {
        "image": as_text(image_name),
        **attribution.settings(),
        "target_name": names[attribution.target],
        "contrast_name": None if contrast is None else names[contrast],
        "top": [asdict(score) for score in work.ranking()],
        "notes": notes,
        "model_notes": list(work.classifier.record.notes),
    }


def as_json(record: dict[str, object]) -> bytes:
    """A record as a file."""
    return json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n"


def model_line(classifier: Classifier) -> str:
    """Model and device."""
    return f"{classifier.record.title} on {classifier.device}"


def answer(work: Work) -> str:
    """What the model says of the picture."""
    record = work.classifier.record
    return says(record.title, work.ranking(len(record.class_names)), record.head)
