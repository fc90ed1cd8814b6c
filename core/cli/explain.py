"""The command ``explain``: maps of one or several pictures as files, as a bundle, or both."""

import argparse
import csv
import io
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ..bundle.archive import bundle
from ..bundle.exhibits import Exhibit
from ..drawing.captions import finding
from ..drawing.paper import panel, png
from ..drawing.rendering import Display
from ..drawing.sentences import number
from ..errors import ImageError, SettingError
from ..explaining.explainer import Explainer
from ..explaining.judging import Judge
from ..files.io import check_writable, npz, write
from ..methods.arrays import arrays_of
from ..methods.attribution import Attribution
from ..methods.cover_methods import OcclusionSetting, PatchSetting
from ..methods.occlusion import OcclusionSurvey
from ..methods.registry import title_of
from ..methods.scores import Question
from ..methods.settings import Setting
from ..methods.superpixels import Worth
from ..pictures.picture import picture_from_file, read_picture
from ..text import as_text, file_word, led_by_name, plain
from ..trust import badges
from ..trust.judgement import Case
from ..trust.settings import FaithfulnessSetting
from .console import progress_line, say
from .inputs import (
    Work,
    answer,
    as_json,
    begin,
    by_explainer,
    explained,
    judged,
    notes_on,
    of_method,
    question_of,
    record_of,
    setting_of,
    tell,
)
from .map_names import map_name, parts_asked, replaced


def run(arguments: argparse.Namespace) -> int:
    """Compute maps of one or several pictures, models and methods; write files, a bundle, or both.

    Each picture before each model is an exhibit of the bundle, with a map by each method.
    """
    if arguments.out is None and arguments.bundle is None:
        raise SettingError(
            "There is nowhere to write to: give --out FOLDER, --bundle FILE, or both."
        )
    if arguments.bundle is not None and "engine" in arguments:
        raise SettingError("--engine is for files alone: leave it out, or leave out --bundle.")
    _check_bundle(arguments)
    if arguments.out is not None:
        check_writable(arguments.out)
    if arguments.bundle is not None:
        check_writable(arguments.bundle.parent, [arguments.bundle.name])
    explainer = Explainer()
    judge = Judge(explainer)
    chosen = [of_method(arguments, method) for method in dict.fromkeys(arguments.method)]
    for each in chosen:
        setting_of(each, explainer)  # a bad setting is refused before any download
    _check_pictures(arguments.image)
    exhibits = []
    names = _names(arguments)
    for (image, model), name in names.items():
        maps: dict[str, tuple[Setting, Question]] = {}
        worth: dict[str, dict[str, Any]] = {}
        for each in chosen:
            each.image, each.model = image, model
            if arguments.out is not None:
                _write_map(each, explainer, name)
            if arguments.bundle is None:
                continue
            work = begin(each, explainer)
            setting, question = setting_of(each, explainer), question_of(each, work)
            title = title_of(setting)
            attribution = by_explainer(work, setting, question)
            notes_on(each, attribution, work)
            maps[title] = (setting, question)
            if arguments.trust:
                case = Case(work.classifier, work.picture, setting, attribution)
                worth[title] = badges.record(judged(judge, case, FaithfulnessSetting()))
        if maps:
            original = read_picture(image) if arguments.original else None
            shown = as_text(image.name)
            exhibits.append(Exhibit(work.classifier, work.picture, maps, shown, worth, original))
    if arguments.bundle is not None:
        with progress_line() as show:
            show("Drawing …")
            data = bundle(
                explainer,
                exhibits,
                Display(),
                same_scale=arguments.same_scale,
                photo=not arguments.no_photo,
                address=arguments.link,
            )
        (written,) = write(arguments.bundle.parent, {arguments.bundle.name: data})
        say(f"Wrote {written}, {len(data) / 1e6:.1f} MB")
    return 0


def _check_pictures(images: Sequence[Path]) -> None:
    """Of several pictures, refuse the first that cannot be read by its name, before any map.

    Raises:
        ImageError: it cannot be read.
    """
    for image in images if len(images) > 1 else ():
        try:
            picture_from_file(image)
        except ImageError as error:
            raise ImageError(led_by_name(as_text(image.name), str(error))) from error


def _check_bundle(arguments: argparse.Namespace) -> None:
    """Refuse what is for bundles where none is asked for, and what leaves another without effect.

    Raises:
        SettingError: it was given.
    """
    if arguments.no_photo and arguments.original:
        raise SettingError("--no-photo leaves out what --original includes: leave one out.")
    if arguments.bundle is not None:
        return
    if arguments.trust:
        raise SettingError("--trust is for bundles: add --bundle FILE, or use the command trust.")
    for option in ("no_photo", "original", "same_scale", "link"):
        if getattr(arguments, option):
            raise SettingError(
                f"--{option.replace('_', '-')} is for bundles: add --bundle FILE, or leave it out."
            )


def _names(arguments: argparse.Namespace) -> dict[tuple[Path, str], str]:
    """How the files of each picture and model begin: the model is named where there are several.

    Raises:
        SettingError: the files of one would overwrite those of another.
    """
    models = dict.fromkeys(arguments.model)
    names = {
        (image, model): image.stem if len(models) == 1 else f"{image.stem}_{file_word(model)}"
        for image, model in itertools.product(arguments.image, models)
    }
    if arguments.out is not None and len(set(names.values())) < len(names):
        ((twice, _),) = Counter(names.values()).most_common(1)
        raise SettingError(
            "Maps of several pictures or models would be written to the same files, "
            f"{plain(twice)}_*: give another --out for each."
        )
    return names


def _write_map(arguments: argparse.Namespace, explainer: Explainer, beginning: str) -> None:
    """Compute a map; write its numbers, a picture of it, and a record of all settings."""
    setting = setting_of(arguments, explainer)  # a bad setting is refused before any download
    kinds = ["npz", "png", "json"]
    if isinstance(setting, PatchSetting) and setting.regions:
        kinds.append("csv")

    def named(question: Question | None) -> dict[str, str]:
        name = map_name(beginning, arguments, setting, question)
        return {kind: f"{name}.{kind}" for kind in kinds}

    if not parts_asked(arguments):
        check_writable(arguments.out, named(None).values())
    work = begin(arguments, explainer)
    question = question_of(arguments, work)
    files = named(question)
    check_writable(arguments.out, files.values())
    if isinstance(setting, OcclusionSetting) and getattr(arguments, "engine", "") == "captum":
        from .compare import by_captum  # with Captum, which no other map needs

        attribution = by_captum(work, setting, question)
        survey = None
    else:
        attribution = by_explainer(work, setting, question)
        survey = _survey(work, setting)
    says, found = answer(work), finding(attribution, survey, work.classifier.class_names)
    notes = notes_on(arguments, attribution, work)
    if survey is not None and survey.fallback is not None:
        notes.append(survey.fallback)
    record = record_of(arguments.image.name, attribution, work, [*notes, found])
    tell(explainer, replaced(arguments.out / files["json"], record))
    contents = {
        files["npz"]: npz(arrays_of(attribution, survey)),
        files["png"]: png(_drawn(work, attribution, says)),
        files["json"]: as_json(record),
    }
    table = explainer.worths(work.classifier, work.picture, setting, attribution.values)
    if table:
        contents[files["csv"]] = _csv(table)
    written = write(arguments.out, contents)
    say(" ".join(filter(None, (f"{says}.", explained(arguments, attribution, work), found))))
    for each in table:
        share = f"{100 * each.share:.1f} % of the picture"
        say(f"{plain(each.name)}: {number(each.worth)} {attribution.units}, {share}")
    say(f"Wrote {', '.join(map(str, written))}")


def _csv(table: list[Worth]) -> bytes:
    """A table of regions as a file."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(Worth._fields)
    lines.writerows(table)
    return text.getvalue().encode()


def _survey(work: Work, setting: Setting) -> OcclusionSurvey | None:
    """The survey behind an occlusion map; None for other methods."""
    if isinstance(setting, OcclusionSetting):
        return work.explainer.survey(work.classifier, work.picture, setting)
    return None


def _drawn(work: Work, attribution: Attribution, title: str) -> Image.Image:
    seen = work.classifier.record.preprocessing.picture(work.picture.image)
    return panel(seen, attribution, work.classifier.class_names, Display(), title=title)
