"""Charts show the numbers that they are given."""

import numpy as np
import pytest

from core.trust.faithfulness import Curve, Faithfulness
from core.trust.infidelity import Infidelity
from dashboard.drawing import charts


def test_curves_stand_beside_their_controls():
    shares = np.array([0.0, 0.5, 1.0])

    def curve(*scores):
        return Curve(shares, np.array(scores))

    found = Faithfulness(
        "deletion",
        curve(0.9, 0.2, 0.1),
        (curve(0.9, 0.6, 0.1), curve(0.9, 0.4, 0.1)),
        curve(0.9, 0.3, 0.1),
    )
    figure = charts.curves(found, "value (years)")
    assert figure.layout.yaxis.title.text == "value (years)"
    shown = {trace.name: list(trace.y) for trace in figure.data if trace.name}
    assert shown["the map's order"] == [0.9, 0.2, 0.1]
    assert shown["centre-first order"] == [0.9, 0.3, 0.1]
    assert shown["random orders ± 1 standard deviation"] == pytest.approx([0.9, 0.5, 0.1])
    assert "lower is better" in figure.layout.title.text


def test_squares_are_shown_in_the_unit_that_is_read():
    found = Infidelity(0.1, 0.5, 0.2, np.array([0.1, 0.3]), np.array([0.2, -0.1]))
    line, points = charts.squares(found, "points", 100.0).data
    np.testing.assert_allclose(points.x, [10, 30])
    np.testing.assert_allclose(points.y, [20, -10])
    assert list(line.x) == list(line.y) == pytest.approx([-10, 30])


def test_a_matrix_says_its_numbers():
    figure = charts.matrix(["a", "b"], np.array([[1, -0.254], [-0.254, 1]]), "Alike", -1)
    (cells,) = figure.data
    assert [list(row) for row in cells.text] == [["1.00", "−0.25"], ["−0.25", "1.00"]]
    assert (cells.zmin, cells.zmax) == (-1, 1)
