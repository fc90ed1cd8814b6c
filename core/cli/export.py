"""The command ``export``: results of a folder in the formats of other tools, or as one page."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ..errors import SettingError, UserError
from ..exports.coco import SHARE, check_share, write_coco
from ..exports.fiftyone_dataset import write_fiftyone
from ..exports.rows import Count, missing_pictures, record_for
from ..exports.summary import summary
from ..files.atomic import not_written, write_whole
from ..files.io import check_replaceable
from ..folders.results_table import ResultsTable, open_results
from ..folders.run_pictures import few, replaced_words
from ..text import PROGRAM
from .console import progress_line, say


def run(arguments: argparse.Namespace) -> int:
    """Write results in another form, and say what is missing from it."""
    share = SHARE if arguments.share is None else check_share(arguments.share)
    if arguments.share is not None and arguments.to != "coco":
        raise SettingError(f"--share is for --to coco, not for {arguments.to}: leave it out.")
    results = open_results(arguments.results)
    total, out = results.table.num_rows, arguments.out
    if results.unfinished:
        say(results.unfinished, aside=True)
    with progress_line() as show:

        def done(rows: int) -> None:
            show(f"{rows:,} of {total:,} pictures")

        if arguments.to == "fiftyone":
            record = record_for(results, arguments.model)
            count = write_fiftyone(results, record, out, done)
        elif arguments.to == "coco":
            record = record_for(results, arguments.model)
            count = _to_file(out, lambda file: write_coco(results, record, file, share, done))
        else:
            return _summary(results, arguments, show)
    _say_what_is_missing(results, count, arguments.to)
    if arguments.to == "fiftyone":
        what = _counted(count.rows, "sample")
    else:
        what = _counted(count.rows - count.no_picture, "image")
    say(f"Wrote {out}: {what}, {_counted(count.maps, 'map')}.")
    return 0


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _to_file(out: Path, write: Callable[[IO[bytes]], Count]) -> Count:
    """Write a file that appears complete or not at all."""
    try:
        check_replaceable(out)  # before anything is computed
    except OSError as error:
        raise not_written(out, error) from error
    found: list[Count] = []
    write_whole(out, lambda file: found.append(write(file)))
    return found[0]


def _summary(
    results: ResultsTable, arguments: argparse.Namespace, show: Callable[[str], None]
) -> int:
    try:
        record = record_for(results, arguments.model)
    except UserError as error:
        if arguments.model is not None:
            raise
        record, why = None, str(error)
    else:
        why = f"The table names no maps: `{PROGRAM} batch --methods occlusion` makes some."
    out, size, left_out = arguments.out, 0, list[str]()

    def write(file: IO[bytes]) -> Count:
        nonlocal size
        size = file.write(summary(results, record or why, show, left_out.append).encode())
        return Count()

    _to_file(out, write)
    if record is None:
        say(why, aside=True)
    for sentence in left_out:
        say(sentence, aside=True)
    say(f"Wrote {out}: {size / 1e6:.1f} MB.")
    return 0


def _say_what_is_missing(results: ResultsTable, count: Count, to: str) -> None:
    left = ("it is left out", "they are left out")
    if to == "fiftyone":
        left = ("its sample has no picture", "their samples have no picture")
    if count.unread:
        say(
            f"{len(count.unread):,} of {count.rows:,} pictures cannot be read, and "
            f"{left[len(count.unread) > 1]}: {missing_pictures(results)}.",
            aside=True,
        )
    if count.refused:
        several = len(count.refused) > 1
        say(
            f"{len(count.refused):,} of {count.rows:,} pictures {'are' if several else 'is'} "
            f"refused ({few(count.refused)}), and {left[several]}. "
            f"{'Of the first: ' if several else ''}{count.refusal}",
            aside=True,
        )
    if count.replaced:
        say(replaced_words(count.replaced, left), aside=True)
    if count.unplaced:
        maps = "1 map has" if count.unplaced == 1 else f"{count.unplaced:,} maps have"
        kept = "is" if count.unplaced == 1 else "are"
        say(f"{maps} no picture to lie on, and {kept} left out.", aside=True)
    if count.no_maps:
        files = (
            "1 file of maps is" if count.no_maps == 1 else f"{count.no_maps:,} files of maps are"
        )
        say(f"{files} missing or damaged, and left out: run `{PROGRAM} batch` again.", aside=True)
