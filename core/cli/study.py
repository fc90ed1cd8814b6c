"""The command ``study``: the six maps of the study of penguin and swan, for any model."""

import argparse
import csv
import io

from PIL import Image

from ..drawing.paper import png
from ..drawing.sentences import said
from ..explaining.explainer import Explainer
from ..files.io import check_writable, npz, write
from ..methods.attribution import Attribution
from ..methods.scores import Question
from ..methods.settings import Setting, short
from ..talks import study
from ..text import as_text
from .console import print_table, say
from .inputs import (
    as_json,
    begin,
    by_explainer,
    model_line,
    record_of,
)

_TABLE, _SHEET = "predictions.csv", "study.png"


def run(arguments: argparse.Namespace) -> int:
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
        figure = top.logit if top.probability is None else top.probability
        rows.append((called, str(top.index), top.name, f"{figure:.7f}"))
        answers[name] = f"{called}: {said(top, work.classifier.head)}"
        seen[name] = work.classifier.record.preprocessing.picture(work.picture.image)
        found[name] = {}
        question = Question(top.index, head=work.classifier.head)
        for title, setting in study.maps(name).items():
            made = found[name][title] = by_explainer(work, setting, question)
            record = record_of(path.name, made, work, list(work.picture.notes))
            file = _map_name(name, setting)
            output[f"{file}.npz"] = npz({"values": made.values})
            output[f"{file}.json"] = as_json(record)
    measured = "value" if top.probability is None else "probability"
    header = ("picture", "class", "name", measured)
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
    return f"{picture}_{setting.name}_{short(setting)}"
