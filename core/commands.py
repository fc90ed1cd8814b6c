"""What the commands do; `core.__main__` reads their arguments."""

import argparse
import time
from dataclasses import asdict, replace

import numpy as np
from PIL import Image

from core import models
from core.attribution import Attribution
from core.captum_occlusion import captum_occlusion
from core.console import print_table, progress_line, say
from core.disk_cache import FOLDER_VARIABLE, DiskCache, default_folder
from core.errors import SettingError
from core.explainer import Explainer
from core.files import check_writable, npz, write
from core.identity import provenance_of
from core.judging import Judge
from core.memory import memory
from core.occlusion import OcclusionSurvey
from core.panel import panel, png
from core.rendering import Display
from core.scenes import read_talk
from core.scores import UNITS, Question
from core.settings import OcclusionSetting, Setting, short
from core.story import number, strongest_window
from core.warm import warm, words_of
from core.work import (
    Work,
    answer,
    as_json,
    baseline_named,
    begin,
    by_explainer,
    model_line,
    question_of,
    record_of,
    setting_of,
    target_of,
)

EQUAL_BELOW = 1e-4  # logits: maps that differ by less are called equal


def predict(arguments: argparse.Namespace) -> int:
    """Print the most probable classes of a picture."""
    work = begin(arguments)
    ranking = work.ranking(arguments.top)
    say(model_line(work.classifier))
    rows = [
        (str(rank), str(c.index), c.name, f"{100 * c.probability:.1f} %", f"{c.logit:.3f}")
        for rank, c in enumerate(ranking, 1)
    ]
    print_table(("rank", "class", "name", "probability", "logit"), rows, words=("name",))
    return 0


def explain(arguments: argparse.Namespace, explainer: Explainer | None = None) -> int:
    """Compute a map; write its numbers, a picture of it, and a record of all settings."""
    explainer = explainer or Explainer()
    setting = setting_of(arguments, explainer)  # a bad setting is refused before any download
    name = f"{arguments.image.stem}_{arguments.method}_{short(setting)}".rstrip("_")
    files = {kind: f"{name}.{kind}" for kind in ("npz", "png", "json")}
    check_writable(arguments.out, files.values())
    work = begin(arguments, explainer)
    question = question_of(arguments, work)
    if isinstance(setting, OcclusionSetting) and getattr(arguments, "engine", "") == "captum":
        attribution = _by_captum(work, setting, question)
        survey = None
    else:
        attribution = by_explainer(work, setting, question)
        survey = _survey(work, setting)
    says, finding = answer(work), _range(attribution)
    arrays = {"values": attribution.values}
    notes = list(work.picture.notes)
    if survey is not None:
        finding = strongest_window(survey, work.classifier.class_names).placed
        arrays["scores"] = survey.scores.numpy()
        arrays["corners"] = survey.grid.corners
        arrays["clean"] = survey.clean.numpy()
        if survey.fallback is not None:
            notes.append(survey.fallback)
    record = record_of(arguments.image.name, attribution, work, [*notes, finding])
    written = write(
        arguments.out,
        {
            files["npz"]: npz(arrays),
            files["png"]: png(_drawn(work, attribution, says)),
            files["json"]: as_json(record),
        },
    )
    say(f"{says}. {finding}")
    say(f"Wrote {', '.join(map(str, written))}")
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """Time the occlusion survey against Captum's Occlusion, and tell whether the maps are equal."""
    work = begin(arguments)
    baseline = baseline_named(getattr(arguments, "baseline", "grey"), work.explainer)
    setting = OcclusionSetting(arguments.window, arguments.stride, baseline)
    question = Question(target_of(arguments.target, work))
    say(model_line(work.classifier))
    memory.forget()  # windows known from an earlier call would not be visited again
    started = time.perf_counter()
    ours = by_explainer(work, setting, question)
    seconds = time.perf_counter() - started  # with the preparation of the network
    captum = _by_captum(work, setting, question)
    rows = [
        ("incremental", f"{seconds:.2f}", f"{ours.forward_passes:,}"),
        ("captum", f"{captum.seconds:.2f}", f"{captum.forward_passes:,}"),
    ]
    print_table(("engine", "seconds", "forward passes"), rows, words=("engine",))
    say(f"Captum takes {captum.seconds / seconds:.1f} times as long.")
    survey = work.explainer.survey(work.classifier, work.picture, setting)
    say(
        survey.fallback
        or f"Multiply-adds: {survey.multiply_adds_share():.1%} of those of dense passes."
    )
    difference = float(np.abs(ours.values - captum.values).max())
    equal = difference < EQUAL_BELOW
    say(
        f"Largest difference of the maps: {difference:.1e} {UNITS[question.kind]}, "
        f"{'equal' if equal else 'not equal'} (limit {EQUAL_BELOW:.0e})."
    )
    return 0 if equal else 1


def make_ready(arguments: argparse.Namespace) -> int:
    """Compute what the scenes of a talk show, and keep it on disk; tell what each took."""
    talk = read_talk(arguments.talk)
    disk = DiskCache(default_folder())
    check_writable(disk.folder, way_out=f"name another cache folder by {FOLDER_VARIABLE}")
    seconds = [0.0] * len(talk.scenes)
    before = time.perf_counter()
    with progress_line() as show:
        explainer = Explainer(disk=disk)
        for step in warm(explainer, Judge(explainer), talk):
            show(words_of(step))
            seconds[step.scene - 1] += time.perf_counter() - before
            before = time.perf_counter()
    rows = [
        (str(number), scene.title, f"{taken:.1f}")
        for number, (scene, taken) in enumerate(zip(talk.scenes, seconds, strict=True), 1)
    ]
    print_table(("scene", "title", "seconds"), rows, words=("title",))
    if disk.problem:
        raise SettingError(
            f"Not everything could be kept in {disk.folder} ({disk.problem}): make room there, or "
            f"name another folder by {FOLDER_VARIABLE}."
        )
    say(f"Kept in {disk.folder}, until newer results need the room.")
    return 0


def list_models(_: argparse.Namespace) -> int:
    """Print the registry, and what is wrong with models of one's own."""
    rows = [
        (
            record.name,
            record.title,
            "" if record.accuracy is None else f"{record.accuracy:.1f} %",
            f"{record.weights.megabytes:.0f} MB",
            record.licence,
            "yes" if record.weights.present else "no",
            "default" if record.name == models.DEFAULT_MODEL else "",
        )
        for record in models.registry().values()
    ]
    header = ("name", "title", "top-1", "size", "licence", "offline", "")
    print_table(header, rows, words=("name", "title", "licence", "offline", ""))
    for name, sentence in models.broken().items():
        say(f"{name} is broken: {sentence}")
    return 0


def _survey(work: Work, setting: Setting) -> OcclusionSurvey | None:
    """The survey behind an occlusion map; None for other methods."""
    if isinstance(setting, OcclusionSetting):
        return work.explainer.survey(work.classifier, work.picture, setting)
    return None


def _by_captum(work: Work, setting: OcclusionSetting, question: Question) -> Attribution:
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


def _drawn(work: Work, attribution: Attribution, title: str) -> Image.Image:
    seen = work.classifier.record.preprocessing.picture(work.picture.image)
    return panel(seen, attribution, work.classifier.class_names, Display(), title=title)


def _range(attribution: Attribution) -> str:
    low, high = (number(float(end)) for end in (attribution.values.min(), attribution.values.max()))
    return f"The map goes from {low} to {high} {attribution.units}."
