"""Winograd convolution F(4 x 4, 3 x 3): 3 x 3 convolutions with a quarter of the multiplications.

A tile of 4 x 4 outputs needs 6 x 6 inputs. Both the tile and the filter are evaluated, as
polynomials, at six points per axis; there the convolution is a plain product, so that 36
multiplications take the place of 144, each a matrix product over the channels. See Lavin & Gray,
"Fast Algorithms for Convolutional Neural Networks" (2015, arXiv:1509.09308).

The points of that paper, 0, 1, -1, 2, -2 and infinity, cost half a decimal digit in float32. Those
used here keep all powers close to one: the largest error is that of the direct convolution.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

TILE = 4
"""Outputs of one tile along one axis."""

_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Cook and Toom's matrices for one axis: outputs (4, 6), filter (6, 3), inputs (6, 6)."""
    others = [[p for p in _POINTS if p != point] for point in _POINTS]
    filter_at_infinity, output_at_infinity = np.eye(1, 3, 2), np.eye(1, TILE, TILE - 1)
    filters = [
        np.power(p, np.arange(3)) / np.prod(p - np.array(o))
        for p, o in zip(_POINTS, others, strict=True)
    ]
    outputs = [np.power(p, np.arange(TILE)) for p in _POINTS]
    inputs = [np.append(np.poly(o)[::-1], 0.0) for o in others] + [np.poly(_POINTS)[::-1]]
    return (
        torch.from_numpy(np.vstack([*outputs, output_at_infinity]).T.copy()),
        torch.from_numpy(np.vstack([*filters, filter_at_infinity])),
        torch.from_numpy(np.vstack(inputs)),
    )


_OUTPUTS, _FILTER, _INPUTS = _transforms()


class WinogradConvolution:
    """A 3 x 3 convolution of stride 1 without groups or dilation.

    Attributes:
        padding: zeros above and below, and on the left and right.

    Args:
        weight: (K, C, 3, 3), floating point.
        bias: (K,), or None.
        padding: zeros above and below, and on the left and right, for `padded`.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> None:
        """Evaluate the filters at the points."""
        points = torch.einsum("ai,kcij,bj->abck", _FILTER, weight.cpu().double(), _FILTER)
        self._filter = points.flatten(0, 1).to(weight.device, weight.dtype).contiguous()
        self._bias = bias
        self.padding = padding
        self._inputs = torch.kron(_INPUTS, _INPUTS).to(weight.device, weight.dtype)
        self._outputs = torch.kron(_OUTPUTS, _OUTPUTS).to(weight.device, weight.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve whole tiles: (n, C, 4 a + 2, 4 b + 2) to (n, K, 4 a, 4 b), in channels_last."""
        tiles = x.permute(0, 2, 3, 1).unfold(1, 6, TILE).unfold(2, 6, TILE)
        n, rows, columns = tiles.shape[:3]
        tiles = tiles.permute(0, 1, 2, 4, 5, 3).reshape(n * rows * columns, 36, -1)
        at_points = torch.matmul(self._inputs, tiles).transpose(0, 1)
        products = torch.bmm(at_points, self._filter)
        outputs = torch.mm(self._outputs, products.view(36, -1))
        outputs = outputs.view(TILE, TILE, n, rows, columns, -1).permute(2, 3, 0, 4, 1, 5)
        outputs = outputs.reshape(n, rows * TILE, columns * TILE, -1)
        if self._bias is not None:
            outputs += self._bias
        return outputs.permute(0, 3, 1, 2)

    def padded(self, x: Tensor) -> Tensor:
        """Convolve (n, C, H, W) of any size, with the zero padding."""
        top, left = self.padding
        height, width = x.shape[2] + 2 * top - 2, x.shape[3] + 2 * left - 2
        tiled = F.pad(x, (left, left + -width % TILE, top, top + -height % TILE))
        return self(tiled)[:, :, :height, :width]
