"""Commands that make more than one map: the study, and the judgement of a map."""

import argparse
import csv
import io

from PIL import Image

from core import study, trust
from core.attribution import Attribution
from core.console import print_table, say
from core.explainer import Explainer
from core.faithfulness import FaithfulnessSetting
from core.files import check_writable, npz, write
from core.judgement import Case
from core.judging import Judge
from core.panel import png
from core.scores import Question
from core.settings import Setting, method_name, short
from core.story import percent
from core.text import as_text
from core.trust_drawing import drawing
from core.wording import method_title
from core.work import (
    answer,
    as_json,
    baseline_named,
    begin,
    by_explainer,
    judged,
    model_line,
    question_of,
    record_of,
    setting_of,
)

_TABLE, _SHEET = "predictions.csv", "study.png"  # of the study


def reproduce(arguments: argparse.Namespace) -> int:
    """Make the study's six maps for any model: files, one page with all, a table of predictions."""
    files = study.picture_files(arguments.images)
    wanted = [
        f"{_map_name(name, setting)}.{kind}"
        for name in files
        for setting in study.maps(name).values()
        for kind in ("npz", "json")
    ]
    check_writable(arguments.out, [*wanted, _TABLE, _SHEET])
    explainer = Explainer()
    seen: dict[str, Image.Image] = {}
    found: dict[str, dict[str, Attribution]] = {}
    answers: dict[str, str] = {}
    rows = []
    output: dict[str, bytes] = {}
    for name, path in files.items():
        arguments.image = path
        work = begin(arguments, explainer)
        top = work.ranking(1)[0]
        called = as_text(path.name)
        rows.append((called, str(top.index), top.name, f"{top.probability:.7f}"))
        answers[name] = f"{called}: {top.name}, {percent(top.probability)}"
        seen[name] = work.classifier.record.preprocessing.picture(work.picture.image)
        found[name] = {}
        for title, setting in study.maps(name).items():
            made = found[name][title] = by_explainer(work, setting, Question(top.index))
            record = record_of(path.name, made, work, list(work.picture.notes))
            file = _map_name(name, setting)
            output[f"{file}.npz"] = npz({"values": made.values})
            output[f"{file}.json"] = as_json(record)
    header = ("picture", "class", "name", "probability")
    table = io.StringIO()
    csv.writer(table).writerows([header, *rows])
    output[_TABLE] = table.getvalue().encode()
    output[_SHEET] = png(study.sheet(seen, found, answers))
    say(model_line(work.classifier))
    print_table(header, rows, words=("picture", "name"))
    say(f"Wrote {', '.join(map(str, write(arguments.out, output)))}")
    return 0


def _map_name(picture: str, setting: Setting) -> str:
    """What the files of a map of the study are called, without their endings."""
    return f"{picture}_{method_name(setting)}_{short(setting)}"


def judge(arguments: argparse.Namespace) -> int:
    """Make a map and say how far to trust it, as JSON and as a picture."""
    explainer = Explainer()
    setting = setting_of(arguments, explainer)
    how = FaithfulnessSetting(
        block=arguments.block,
        points=arguments.points,
        repeats=arguments.repeats,
        seed=arguments.order_seed,
        baseline=baseline_named(arguments.reveal, explainer),
    )
    name = f"{arguments.image.stem}_{arguments.method}_{short(setting)}".rstrip("_") + "_trust"
    files = {kind: f"{name}.{kind}" for kind in ("json", "png")}
    check_writable(arguments.out, files.values())
    work = begin(arguments, explainer)
    question = question_of(arguments, work)
    attribution = by_explainer(work, setting, question)
    case = Case(work.classifier, work.picture, setting, attribution)
    judgement = judged(Judge(explainer), case, how)
    record = record_of(arguments.image.name, attribution, work, list(work.picture.notes))
    record["trust"] = trust.record(judgement)
    written = write(
        arguments.out,
        {
            files["json"]: as_json(record),
            files["png"]: png(drawing(judgement, f"{answer(work)}. {method_title(attribution)}")),
        },
    )
    for badge in trust.badges(judgement):
        mark = {True: "+", False: "-", None: "~"}[badge.good]
        say(f"{mark} {badge.words} ({badge.figure})")
    for lines in trust.sentences(judgement).values():
        for each in lines:
            say(each)
    say(f"Wrote {', '.join(map(str, written))}")
    return 0
