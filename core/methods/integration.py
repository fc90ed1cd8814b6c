"""Integrated Gradients: the gradient's mean along the line from a baseline, times the difference.

Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

The gradient of a ReLU network jumps along the path, most of all near a grey baseline. Evenly spaced
points therefore converge slowly: the sum may be right at 64 steps by chance and wrong again at 128.
`adaptive` places its points where the error is largest. The score is known at every point, and so
is the exact integral of each interval: the change of the score. The intervals with the largest
errors are halved, until the total error and the sum of all errors are small enough.
"""

import itertools
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..engine.teams import side_by_side
from .gradient_methods import ENOUGH, MOST_POINTS, IntegratedGradientsSetting
from .request import Asked, Progress

_FIRST_PIECES = 8
_GAP = 0.01  # of the change of the score: what the whole sum may be off
_PIECES_GAP = 0.1  # and all pieces, where errors cannot cancel: guards against a lucky sum


def integrated_gradients(
    asked: Asked, setting: IntegratedGradientsSetting
) -> Generator[Progress, None, None]:
    """As many points as the setting says, or enough of them."""
    return adaptive(asked) if setting.steps == ENOUGH else even(asked, setting.steps)


def even(asked: Asked, steps: int) -> Generator[Progress, None, None]:
    """Gauss-Legendre quadrature, Captum's default; memory does not grow with ``steps``.

    The points are visited in an interleaved order and partial values divide by the weights so far,
    so that early ones already stand for the whole path.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    alphas, weights = (1 + nodes) / 2, weights / 2
    order = _interleaved(steps)
    total = torch.zeros(asked.inputs.shape[1:], dtype=torch.float64)  # mps has no float64
    done, weight_done = 0, 0.0
    chunks = np.split(order, range(asked.batch_size, steps, asked.batch_size))
    work = partial(_shares, asked)
    with closing(
        side_by_side(work, (alphas[chunk].tolist() for chunk in chunks), asked.teams)
    ) as found:
        for chunk, (_, (_, shares)) in zip(chunks, found, strict=True):
            total += torch.einsum("n,nchw->chw", torch.from_numpy(weights[chunk]), shares.double())
            weight_done += float(weights[chunk].sum())
            done += len(chunk)
            yield Progress(done, steps, partial(torch.div, total.clone(), weight_done))


def adaptive(asked: Asked) -> Generator[Progress, None, None]:
    """The trapezoidal rule with adaptive points; at most `MOST_POINTS`."""
    known: dict[float, tuple[float, Tensor, float]] = {}  # score, shares and their sum, by place
    points = [i / _FIRST_PIECES for i in range(_FIRST_PIECES + 1)]
    size = asked.batch_size
    while True:
        wanted = _ends_first(points)
        chunks = [wanted[first : first + size] for first in range(0, len(wanted), size)]
        with closing(side_by_side(partial(_shares, asked), chunks, asked.teams)) as found:
            for chunk, (scores, shares) in found:
                sums = shares.double().sum(dim=(1, 2, 3)).tolist()
                known.update(
                    zip(chunk, zip(scores.tolist(), shares, sums, strict=True), strict=True)
                )
                if chunk is not chunks[-1]:
                    yield Progress(len(known), MOST_POINTS, partial(_trapezoids, dict(known)))
        line = sorted(known)
        pieces = {
            (a, b): (known[a][2] + known[b][2]) / 2 * (b - a) - (known[b][0] - known[a][0])
            for a, b in itertools.pairwise(line)
        }
        change = abs(known[1.0][0] - known[0.0][0])
        worst = sorted(pieces, key=lambda piece: -abs(pieces[piece]))
        near = abs(sum(pieces.values())) <= _GAP * change
        near &= sum(map(abs, pieces.values())) <= _PIECES_GAP * change
        room = MOST_POINTS - len(known)
        final = near or not room
        total = len(known) if final else MOST_POINTS
        yield Progress(len(known), total, partial(_trapezoids, dict(known)), tuple(line))
        if final:
            return
        # Not more than it takes: halve the worst, until what is left of the errors is small enough.
        left = np.cumsum([abs(pieces[piece]) for piece in reversed(worst)])[::-1]
        goal = _PIECES_GAP / 2 if left[0] > _PIECES_GAP * change else _GAP
        needed = max(1, int((left > goal * change).sum()))
        points = [(a + b) / 2 for a, b in worst[: min(needed, _FIRST_PIECES, room)]]


def _trapezoids(known: Mapping[float, tuple[float, Tensor, float]]) -> Tensor:
    """The integral through the points so far, (C, H, W), as if they reached from end to end."""
    line = sorted(known)
    if len(line) == 1:
        return known[line[0]][1].double()
    total = torch.zeros(known[line[0]][1].shape, dtype=torch.float64)
    for before, at, after in zip([line[0], *line], line, [*line[1:], line[-1]], strict=False):
        total += (after - before) / 2 * known[at][1]
    return total / (line[-1] - line[0])


def _shares(asked: Asked, alphas: list[float]) -> tuple[Tensor, Tensor]:
    """At points of the path: scores (n,), gradient times difference (n, C, H, W); on the CPU."""
    difference = asked.inputs - asked.reference
    at = torch.tensor(alphas, dtype=difference.dtype, device=difference.device)
    scores, gradients = asked.gradients(asked.reference + at.view(-1, 1, 1, 1) * difference)
    return scores.cpu().double(), (gradients * difference).cpu().contiguous()


def _ends_first(points: Iterable[float]) -> list[float]:
    """The ends of the path before what lies between: two points stand for all of it."""
    return sorted(points, key=lambda point: (0 < point < 1, point))


def _interleaved(count: int) -> np.ndarray:
    """0..count-1 in an order whose every beginning is spread evenly (van der Corput sequence)."""
    bits = max(1, (count - 1).bit_length())
    reversed_bits = [int(format(i, f"0{bits}b")[::-1], 2) for i in range(1 << bits)]
    return np.array([i for i in reversed_bits if i < count])
