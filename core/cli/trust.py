"""The command ``trust``: the trust measures of maps, as JSON and as figures.

The maps are of methods, or one made elsewhere, which then stands beside them.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, get_args

from PIL import Image

from ..drawing.paper import png
from ..drawing.rendering import Display
from ..drawing.row import row
from ..errors import SettingError
from ..explaining.explainer import Explainer
from ..explaining.judging import Judge
from ..files.io import check_writable, write
from ..methods.baselines import OF_CURVES
from ..methods.given_setting import GivenSetting
from ..methods.method import Part
from ..methods.options import OPTIONS, options_of
from ..methods.registry import method_named, title_of
from ..methods.scores import Question
from ..methods.settings import Setting
from ..text import file_word, plain
from ..trust import badges
from ..trust.figure import drawing
from ..trust.judgement import Case, Judgement
from ..trust.settings import FaithfulnessSetting
from .console import print_table, say
from .given import given_of
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
from .map_names import map_name, of_another, parts_asked, question_name, replaced

_SHORT = {
    "curves": "deletion, insertion",
    "sums": "completeness, infidelity",
    "weights": "random weights",
    "noise": "noise",
}


def run(arguments: argparse.Namespace) -> int:
    """Judge the maps one after the other; write the measures of each as JSON and as a figure."""
    explainer = Explainer()
    how = FaithfulnessSetting(
        block=arguments.block,
        points=arguments.points,
        repeats=arguments.repeats,
        seed=arguments.order_seed,
        baseline=explainer.baseline_named(arguments.reveal, OF_CURVES),
    )
    chosen = list(_chosen(arguments, explainer))
    together = f"{arguments.image.stem}_maps_trust.png"

    def names(question: Question | None) -> list[str]:
        stems = (each.named(question) for each in chosen)
        return [*(f"{stem}_trust.{kind}" for stem in stems for kind in ("json", "png")), together]

    if not parts_asked(arguments):
        check_writable(arguments.out, names(None))
    work = begin(arguments, explainer)
    question = question_of(arguments, work)
    check_writable(arguments.out, names(question))
    judge = Judge(explainer)
    made: dict[str, Judgement] = {}
    files: dict[str, bytes] = {}
    for each in chosen:
        title = title_of(each.setting)
        attribution = by_explainer(work, each.setting, question)
        notes = notes_on(each.arguments, attribution, work)
        record = record_of(arguments.image.name, attribution, work, notes)
        if isinstance(each.setting, GivenSetting):
            notes += (found := of_another(arguments.map, record))
            tell(explainer, found)
        case = Case(work.classifier, work.picture, each.setting, attribution)
        made[title] = judgement = judged(judge, case, how)
        record["trust"] = badges.record(judgement)
        stem = f"{each.named(question)}_trust"
        tell(explainer, replaced(arguments.out / f"{stem}.json", record))
        files[f"{stem}.json"] = as_json(record)
        files[f"{stem}.png"] = png(drawing(judgement, f"{answer(work)}. {title}"))
        _say(judgement, title if len(chosen) > 1 else "")
        if asked := explained(arguments, attribution, work):
            say(asked)
    if len(chosen) > 1:
        files[together] = png(_side_by_side(work, made))
        _table(made)
    say(f"Wrote {', '.join(map(str, write(arguments.out, files)))}")
    return 0


class _Chosen(NamedTuple):
    """A map that is asked for: the arguments that are about it, and how its files are named."""

    arguments: argparse.Namespace
    setting: Setting
    named: Callable[[Question | None], str]


def _chosen(arguments: argparse.Namespace, explainer: Explainer) -> Iterator[_Chosen]:
    """The maps that are asked for; that made elsewhere comes first.

    Raises:
        SettingError: nothing is asked for, or a setting is out of its range.
        MapError: the map made elsewhere cannot be used.
    """
    given = given_of(arguments, explainer)
    if given is None and not arguments.method:
        raise SettingError("There is no map to judge: give --method NAME, --map FILE, or both.")
    stem = arguments.image.stem
    if given is not None:
        file = f"{stem}_map-{file_word(arguments.map.stem)}"
        end = partial(question_name, arguments, get_args(Part))
        yield _Chosen(arguments, given, lambda question: file + end(question))
        _check_options(arguments)
    for method in dict.fromkeys(arguments.method):
        own = of_method(arguments, method)
        if given is not None and "baseline" not in options_of(method_named(method)):
            vars(own).pop("baseline", None)  # it is that of the map made elsewhere
        setting = setting_of(own, explainer)
        if given is not None and given.title == title_of(setting):
            raise SettingError(
                f"The map made elsewhere has the title of a method, {plain(given.title)}: give it "
                "another --title."
            )
        yield _Chosen(own, setting, partial(map_name, stem, own, setting))


def _check_options(arguments: argparse.Namespace) -> None:
    """Refuse options of methods where a map made elsewhere stands alone; it has a baseline too.

    Raises:
        SettingError: one was given.
    """
    used = {"region-names": arguments.region_names is not None}
    used |= {option: option in arguments for option in OPTIONS if option != "baseline"}
    if not arguments.method and any(used.values()):
        option = next(option for option, given in used.items() if given)
        raise SettingError(f"--{option} belongs to a method: give --method too, or leave it out.")


def _say(judgement: Judgement, title: str) -> None:
    """A line for each badge, then the sentences; under a title where there are several maps."""
    if title:
        say(f"{plain(title)}:")
    for badge in badges.badges(judgement):
        mark = {True: "+", False: "-", None: "~"}[badge.good] if badge.taken else "?"
        say(f"{mark} {badge.words} ({badge.figure})")
    for lines in badges.sentences(judgement).values():
        for each in lines:
            say(each)


def _table(made: dict[str, Judgement]) -> None:
    """The number of each measure, map by map."""
    rows = []
    for title, judgement in made.items():
        found = {badge.measure: badge for badge in badges.badges(judgement)}
        cells = (
            found[measure].figure if measure in found and found[measure].taken else "not measurable"
            for measure in _SHORT
        )
        rows.append((title, *cells))
    print_table(("map", *_SHORT.values()), rows, ("map", *_SHORT.values()))


def _side_by_side(work: Work, made: dict[str, Judgement]) -> Image.Image:
    seen = work.classifier.record.preprocessing.picture(work.picture.image)
    maps = {title: judgement.attribution for title, judgement in made.items()}
    return row(seen, maps, Display(), title=answer(work))
