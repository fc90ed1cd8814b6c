"""3 x 3 convolutions with four times fewer multiplications (Winograd's F(4 x 4, 3 x 3)).

A tile of 4 x 4 outputs needs 6 x 6 inputs. Both the tile and the filter are evaluated, as polynomials, at six
points per axis; there the convolution is a plain product, so that 36 matrix products over the channels replace the
144 multiplications of the direct form. See Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks"
(2015, arXiv:1509.09308).

The usual points (0, 1, -1, 2, -2) lose more than a decimal digit in float32. The points used here, 0, 3/4, -3/4, 3/2,
-3/2 and infinity, keep the powers of each point close to one: the largest error measured is that of the direct
convolution.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

TILE = 4
"""Outputs of one tile along one axis."""

OVERLAP = 2
"""Inputs that neighbouring tiles share along one axis."""

_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Cook and Toom's matrices of one axis, float64: outputs (4, 6), filter (6, 3), inputs (6, 6)."""
    others = [[p for p in _POINTS if p != point] for point in _POINTS]
    at_infinity = np.eye(1, 3, 2), np.eye(1, TILE, TILE - 1)
    filters = [
        np.power(p, np.arange(3)) / np.prod(p - np.array(o))
        for p, o in zip(_POINTS, others, strict=True)
    ]
    outputs = [np.power(p, np.arange(TILE)) for p in _POINTS]
    inputs = [np.append(np.poly(o)[::-1], 0.0) for o in others] + [np.poly(_POINTS)[::-1]]
    return (
        torch.from_numpy(np.vstack([*outputs, at_infinity[1]]).T.copy()),
        torch.from_numpy(np.vstack([*filters, at_infinity[0]])),
        torch.from_numpy(np.vstack(inputs)),
    )


_OUTPUTS, _FILTER, _INPUTS = _transforms()


class WinogradConvolution:
    """A 3 x 3 convolution of stride 1 without padding, groups or dilation, for whole tiles.

    Args:
        weight: (outputs, inputs, 3, 3) float32.
        bias: (outputs,) float32, or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        points = torch.einsum("ai,kcij,bj->abck", _FILTER, weight.cpu().double(), _FILTER)
        self.filter = points.flatten(0, 1).to(weight.device, weight.dtype).contiguous()
        self.bias = bias
        self.to_points = torch.kron(_INPUTS, _INPUTS).to(weight)
        self.from_points = torch.kron(_OUTPUTS, _OUTPUTS).to(weight)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Convolve (n, C, 4 a + 2, 4 b + 2) to (n, K, 4 a, 4 b), both channels_last."""
        tiles = inputs.permute(0, 2, 3, 1).unfold(1, 6, TILE).unfold(2, 6, TILE)
        n, rows, columns, channels = tiles.shape[:4]
        tiles = tiles.permute(0, 1, 2, 4, 5, 3).reshape(-1, 36, channels)
        spectrum = torch.matmul(self.to_points, tiles)
        products = torch.bmm(spectrum.transpose(0, 1), self.filter)
        outputs = torch.mm(self.from_points, products.view(36, -1))
        outputs = outputs.view(TILE, TILE, n, rows, columns, -1).permute(2, 3, 0, 4, 1, 5)
        outputs = outputs.reshape(n, TILE * rows, TILE * columns, -1)
        if self.bias is not None:
            outputs += self.bias
        return outputs.permute(0, 3, 1, 2)
