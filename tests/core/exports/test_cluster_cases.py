"""Clusters of a label's maps are judged by that label, and covered as to it."""

from dataclasses import replace

import pyarrow as pa
import pytest

from core.clusters.covering import cover_steps
from core.clusters.finding import find_clusters
from core.clusters.reading import Source
from core.explaining.explainer import Explainer
from core.models import registry

pytestmark = pytest.mark.usefixtures("one_thread")


def rest_of(results, output):
    source = Source(results, registry.record("pond"), "occlusion", output=output)
    every = pa.array(range(results.table.num_rows), pa.uint64())
    *_, last = find_clusters(source, every)
    return last.found.rest


def saying(results, **columns):
    table = results.table
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array(values, table.schema.field(name).type))
    return replace(results, table=table)


def test_what_is_right_of_a_labels_maps_is_that_label(made):
    results = made("pond").results
    listed = results.table["maps_index"].to_pylist()
    output = next(indices for indices in listed if indices)[0]
    rows = [row for row, indices in enumerate(listed) if output in (indices or [])]
    first, count = rows[0], results.table.num_rows
    other = (output + 1) % 4
    expected = [[output, other] for _ in range(count)]  # each row misses the other label
    held = [[output] for _ in range(count)]
    held[first] = [other]
    wrong = saying(results, expected_index=expected, held_index=held, correct=[False] * count)
    rest = rest_of(wrong, output)
    assert (rest.right.part, rest.right.whole) == (len(rows) - 1, len(rows))
    assert rest.success == rest.right.value
    silent = saying(wrong, expected_index=[None] * count, correct=[None] * count)
    rest = rest_of(silent, output)
    assert (rest.right, rest.success) == (None, 1)


def test_the_answer_that_covering_may_change_is_whether_the_label_holds(made):
    results = made("pond").results
    held = results.table["held_index"].to_pylist()
    listed = results.table["maps_index"].to_pylist()
    output = next(indices for indices in listed if indices)[0]
    source = Source(results, registry.record("pond"), "occlusion", output=output)
    every = pa.array(range(results.table.num_rows), pa.uint64())
    *_, last = find_clusters(source, every)
    found, explainer = last.found, Explainer()
    classifier = explainer.classifier("pond", "cpu")
    *_, step = cover_steps(found, found.rest, classifier, explainer)
    effect = step.found
    assert effect.otherwise == 0  # the table says the same of every picture
    assert (effect.inside.whole, effect.others) == (found.rest.size, None)
    holds = {output in held[row] for row in found.rest.rows}
    assert effect.answer == (source.record.class_names[output] if holds == {True} else None)
