"""The measures of a table for its summary: headline, figures, and tables of classes and labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ..drawing.sentences import number, percent, share
from ..folders import label_selection, selection, value_selection
from ..folders.label_selection import LabelFilters
from ..folders.localisation_means import LOCALISATION_TITLES, mean_localisation
from ..folders.missing_masks import missing_masks
from ..folders.results_table import ResultsTable
from ..folders.selection import Filters
from ..folders.trust_means import CHECK_TITLES, CheckCount, count_trust
from ..folders.value_selection import ValueFilters
from ..text import plain
from .titles import method_title

_TABLED = 12  # classes or labels, the worst first


@dataclass(frozen=True)
class Table:
    """A table of a summary: caption, header, and rows, of which the first cell is a name."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Measured:
    """What a table says as a whole.

    Attributes:
        sentence: the headline.
        figures: what each is, and its number.
        tables: class by class, and so on.
        notes: what is missing from them, as sentences.
    """

    sentence: str
    figures: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def measured(results: ResultsTable) -> Measured:
    """Accuracy of classes, precision and recall of labels, errors of values; and of the maps."""
    of_kind = {"classes": _classes, "labels": _labels, "values": _values}[results.kind]
    found = of_kind(results)
    more = (*_localisation(results), *_trust(results))
    notes = filter(None, [missing_masks(results.table)])
    return Measured(found.sentence, found.figures, (*found.tables, *more), tuple(notes))


def _classes(results: ResultsTable) -> Measured:
    rows = selection.select(results, Filters())
    found = selection.summary(results, rows)
    if not found.judged:
        return Measured(_without("a label", found.pictures), (), ())
    figures = [
        ("top-1", share(found.top1 / found.judged)),
        *([] if found.top5 is None else [("top-5", share(found.top5 / found.judged))]),
        ("wrong", f"{found.wrong:,} of {found.judged:,}"),
    ]
    if found.probability is not None:
        figures.append(("mean probability", percent(found.probability)))
    sentence = f"The model is wrong on {found.wrong:,} of {_labelled(found.judged)}."
    return Measured(sentence, tuple(figures), tuple(_worst_classes(results)))


def _worst_classes(results: ResultsTable) -> Iterator[Table]:
    judged = results.table.select(["label", "correct"])
    judged = judged.filter(pc.is_valid(judged["correct"]))
    judged = judged.set_column(1, "correct", judged["correct"].cast(pa.int64()))
    counted = judged.group_by("label").aggregate([("correct", "sum"), ("correct", "count")])
    names = selection.class_names(results, "label")
    found = sorted(
        counted.to_pylist(),
        key=lambda row: (
            row["correct_sum"] / row["correct_count"],
            -row["correct_count"],
            row["label"],
        ),
    )
    shown = [row for row in found if row["correct_sum"] < row["correct_count"]][:_TABLED]
    if shown and len(found) > 1:
        rows = tuple(
            (
                plain(names[row["label"]]),
                f"{row['correct_count']:,}",
                f"{row['correct_sum']:,}",
                share(row["correct_sum"] / row["correct_count"]),
            )
            for row in shown
        )
        caption = f"Class by class, the least accurate first ({len(shown)} of {len(found):,})"
        yield Table(caption, ("Class", "Pictures", "Right", "Accuracy"), rows)


def _labels(results: ResultsTable) -> Measured:
    rows = selection.select(results, LabelFilters())
    found = label_selection.summary(results, rows)
    if not found.judged:
        return Measured(_without("labels", found.pictures), (), ())
    figures = (
        ("precision", share(found.precision)),
        ("recall", share(found.recall)),
        ("labels missed", f"{found.missed:,}"),
        ("false positives", f"{found.false:,}"),
        ("exactly right", f"{found.right:,} of {found.judged:,}"),
    )
    names = label_selection.label_names(results)
    counts = label_selection.counts(results)
    worst = sorted(counts, key=lambda each: (-each.missed - each.false, each.label))[:_TABLED]
    rows_of = tuple(
        (
            plain(names[each.label]),
            *(f"{count:,}" for count in (each.found, each.missed, each.false, each.absent)),
            share(each.precision),
            share(each.recall),
        )
        for each in worst
    )
    header = ("Label", "Found", "Missed", "False", "Absent", "Precision", "Recall")
    caption = f"Label by label, those with most mistakes first ({len(worst)} of {len(counts):,})"
    sentence = f"The model is wrong on {found.wrong:,} of {_labelled(found.judged)}."
    return Measured(sentence, figures, (Table(caption, header, rows_of),) if worst else ())


def _values(results: ResultsTable) -> Measured:
    rows = selection.select(results, ValueFilters())
    found = value_selection.summary(results, rows, None)
    unit = plain(value_selection.unit(results))
    if found.mean is None or found.median is None or found.largest is None:
        return Measured(_without("an expected value", found.pictures), (), ())

    def amount(value: float) -> str:
        return f"{number(value)} {unit}".rstrip()

    figures = [
        ("mean absolute error", amount(found.mean)),
        ("median", amount(found.median)),
        ("largest", amount(found.largest)),
    ]
    if found.bias is not None:
        figures.append(("mean error", amount(found.bias)))
    bands = tuple(
        (f"{band.low:,.10g} to {band.high:,.10g} {unit}".rstrip(), f"{band.count:,}")
        for band in value_selection.bands(results, None)
    )
    table = Table("How far off, the largest errors first", ("Absolute error", "Pictures"), bands)
    sentence = f"The model is off by {amount(found.mean)} on average, over {found.judged:,} "
    sentence += "picture." if found.judged == 1 else "pictures."
    return Measured(sentence, tuple(figures), (table,) if bands else ())


def _localisation(results: ResultsTable) -> Iterator[Table]:
    """Where the maps lie, compared with masks, if they were."""
    whole = mean_localisation(results.table)
    if whole is None:
        return
    rows = tuple(
        (
            method_title(method),
            *([] if whole.equal else [f"{whole.counts[method]:,}"]),
            *(share(means[measure]) for measure in LOCALISATION_TITLES),
        )
        for method, means in whole.measures.items()
    )
    caption = (
        f"Does the evidence lie on the object? Means of {whole.counted} with a mask; the object "
        f"covers {share(whole.mask_share)} of the input: what mass, rank and top reach by chance"
    )
    header = ("Method", *(() if whole.equal else ("Maps",)), *LOCALISATION_TITLES.values())
    yield Table(caption, header, rows)


def _trust(results: ResultsTable) -> Iterator[Table]:
    """How many maps pass each trust check, if they were judged."""
    rows = tuple(
        (method_title(method), *map(_passed, checks.values()))
        for method, checks in count_trust(results.table).items()
    )
    if rows:
        header = ("Method", *(title for title, _ in CHECK_TITLES.values()))
        yield Table("How many maps pass each trust check", header, rows)


def _passed(count: CheckCount) -> str:
    return f"{count.passed:,} of {count.checked:,}" if count.checked else "–"


def _without(what: str, count: int) -> str:
    if not count:
        return "The table is empty."
    return f"{'1 picture' if count == 1 else f'{count:,} pictures'} without {what} to judge by."


def _labelled(count: int) -> str:
    return "1 labelled picture" if count == 1 else f"{count:,} labelled pictures"
