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
from core.files import npz, png, write
from core.judgement import Case
from core.judging import Judge
from core.scores import Question
from core.settings import method_name, short
from core.story import percent
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
        work = begin(arguments, explainer)
        top = work.ranking(1)[0]
        rows.append((path.name, str(top.index), top.name, f"{top.probability:.7f}"))
        answers[name] = f"{path.name}: {top.name}, {percent(top.probability)}"
        seen[name] = work.classifier.record.preprocessing.picture(work.picture.image)
        found[name] = {}
        for title, setting in study.maps(name).items():
            made = found[name][title] = by_explainer(work, setting, Question(top.index))
            record = record_of(path.name, made, work, list(work.picture.notes))
            file = f"{name}_{method_name(setting)}_{short(setting)}"
            output[f"{file}.npz"] = npz({"values": made.values})
            output[f"{file}.json"] = as_json(record)
    header = ("picture", "class", "name", "probability")
    table = io.StringIO()
    csv.writer(table).writerows([header, *rows])
    output["predictions.csv"] = table.getvalue().encode()
    output["study.png"] = png(study.sheet(seen, found, answers))
    say(model_line(work.classifier))
    print_table(header, rows, words=("picture", "name"))
    say(f"Wrote {', '.join(map(str, write(arguments.out, output)))}")
    return 0


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
    work = begin(arguments, explainer)
    question = question_of(arguments, work)
    attribution = by_explainer(work, setting, question)
    case = Case(work.classifier, work.picture, setting, attribution)
    judgement = judged(Judge(explainer), case, how)
    record = record_of(arguments.image.name, attribution, work, list(work.picture.notes))
    record["trust"] = trust.record(judgement)
    name = f"{arguments.image.stem}_{arguments.method}_{short(setting)}".rstrip("_") + "_trust"
    written = write(
        arguments.out,
        {
            f"{name}.json": as_json(record),
            f"{name}.png": png(drawing(judgement, f"{answer(work)}. {method_title(attribution)}")),
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
