"""What the commands have in common: from arguments to a picture, a model, a setting and a map."""

import argparse
import json
from dataclasses import asdict, dataclass

from torch import Tensor

from core import models
from core.attribution import Attribution
from core.baselines import PICTURE, check_baseline
from core.console import progress_line, say
from core.errors import SettingError
from core.explainer import Explainer
from core.faithfulness import FaithfulnessSetting
from core.judgement import Case, Judgement
from core.judging import Judge
from core.labels import choice
from core.methods import with_options
from core.models import Classifier, ClassScore
from core.picture import Picture, picture_from_file
from core.scores import Question
from core.settings import Setting
from core.story import percent
from core.text import as_text

# The parser sets no default for these, so that an option given to the wrong method can be told from
# one that was not given.
OPTIONS = ("window", "stride", "steps", "samples", "stdev", "seed", "segments", "layer", "baseline")
METHOD_ALIASES = {"ig": "integrated_gradients"}
WINDOW, STRIDE = 15, 8


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
    for note in picture.notes:
        say(note, aside=True)
    models.resolve_device(arguments.device)  # a missing device is refused before any download
    with progress_line() as show:
        for done, total in models.download(arguments.model):
            show(f"Downloading {arguments.model}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
    explainer = explainer or Explainer()
    return Work(explainer, explainer.classifier(arguments.model, arguments.device), picture)


def setting_of(arguments: argparse.Namespace, explainer: Explainer) -> Setting:
    """The method's settings; an option of another method is refused."""
    method = METHOD_ALIASES.get(arguments.method, arguments.method)
    given = {option: getattr(arguments, option) for option in OPTIONS if option in arguments}
    if "engine" in arguments and method != "occlusion":
        raise SettingError("--engine belongs to occlusion: leave it out, or choose that method.")
    if "baseline" in given:
        given["baseline"] = baseline_named(given["baseline"], explainer)
    return with_options(method, given)


def baseline_named(wanted: str, explainer: Explainer) -> str:
    """A baseline by name; ``picture:PATH`` opens another picture."""
    name, _, path = wanted.partition(":")
    if name == PICTURE and path:
        return explainer.as_baseline(picture_from_file(path))
    check_baseline(wanted)
    return wanted


def question_of(arguments: argparse.Namespace, work: Work) -> Question:
    """Target, contrast and kind of score."""
    contrast = None
    if arguments.contrast is not None:
        contrast = class_index(arguments.contrast, work.classifier)
    return Question(target_of(arguments.target, work), contrast, arguments.score)


def target_of(wanted: str, work: Work) -> int:
    """The class to explain, by default the predicted one."""
    if wanted == "predicted":
        return work.ranking(1)[0].index
    return class_index(wanted, work.classifier)


def class_index(wanted: str, classifier: Classifier) -> int:
    """A class by what people call it.

    Raises:
        SettingError: it is absent or not clear; the sentence offers others.
    """
    found = choice(classifier.class_names, wanted)
    if found.index is None:
        raise SettingError(found.sentence(classifier.class_names))
    return found.index


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
    }


def as_json(record: dict[str, object]) -> bytes:
    """A record as a file."""
    return json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n"


def model_line(classifier: Classifier) -> str:
    """Model and device."""
    return f"{classifier.record.title} on {classifier.device}"


def answer(work: Work) -> str:
    """What the model says of the picture."""
    top = work.ranking(1)[0]
    return f"{work.classifier.record.title} says {top.name}, {percent(top.probability)}"
