"""Commands that make more than one map: the study, and the judgement of a map."""

import argparse
import csv
import io
import time

from PIL import Image

from core import study, trust
from core.attribution import Attribution
from core.console import print_table, progress_line
from core.explainer import Explainer
from core.faithfulness import FaithfulnessSetting
from core.files import npz, png, write
from core.scores import Question
from core.settings import method_name, short
from core.story import percent
from core.work import (
    answer,
    as_json,
    baseline_named,
    begin,
    by_explainer,
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
    print(model_line(work.classifier))
    print_table(header, rows, words=("picture", "name"))
    print("Wrote", ", ".join(map(str, write(arguments.out, output))))
    return 0


def judge(arguments: argparse.Namespace) -> int:
    """Make a map and say how far to trust it: curves with controls, as JSON and as a picture."""
    explainer = Explainer()
    setting = setting_of(arguments, explainer)
    curves = FaithfulnessSetting(
        block=arguments.block,
        points=arguments.points,
        repeats=arguments.repeats,
        seed=arguments.order_seed,
        baseline=baseline_named(arguments.reveal, explainer),
    )
    work = begin(arguments, explainer)
    question = question_of(arguments, work)
    attribution = by_explainer(work, setting, question)
    started = time.perf_counter()
    with progress_line() as show:
        stages = explainer.faithfulness(work.classifier, work.picture, attribution, curves)
        for stage in stages:
            show(f"{stage.done:,} of {stage.total:,} passes")
    seconds = time.perf_counter() - started
    found = stage.found
    record = record_of(arguments.image.name, attribution, work, list(work.picture.notes))
    record["trust"] = trust.record(attribution, found, curves) | {"seconds": round(seconds, 1)}
    name = f"{arguments.image.stem}_{arguments.method}_{short(setting)}".rstrip("_") + "_trust"
    written = write(
        arguments.out,
        {
            f"{name}.json": as_json(record),
            f"{name}.png": png(trust.drawing(found, f"{answer(work)}. {name}")),
        },
    )
    for line in trust.sentences(attribution, found):
        print(line)
    print("Wrote", ", ".join(map(str, written)))
    return 0
