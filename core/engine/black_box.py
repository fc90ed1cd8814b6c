"""A network that another library computes: a function of arrays, of which no more is known."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

Run = Callable[[np.ndarray], np.ndarray]


class BlackBox(nn.Module):
    """A network without derivatives, layers, weights or a graph.

    Attributes:
        reason: why there are none, as the end of a sentence.
    """

    def __init__(self, run: Run, reason: str) -> None:
        """Take a function.

        Args:
            run: pictures (n, C, H, W) to scores (n, classes); may be called by several threads.
            reason: see the class.
        """
        super().__init__()
        self._run, self.reason = run, reason

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n, C, H, W) to scores (n, classes), without derivative."""
        if torch.compiler.is_exporting():
            raise RuntimeError(self.reason)
        return torch.from_numpy(self._run(x.detach().cpu().numpy())).to(x.device)

    def __deepcopy__(self, _: dict[int, object]) -> "BlackBox":
        """The same: it has nothing that could be changed."""
        return self


def why_no_gradients(module: nn.Module) -> str | None:
    """Why a network has no derivatives, as the end of a sentence; None if it seems to have them.

    A single operation may still have none, which is found when it is differentiated.
    """
    return next((part.reason for part in module.modules() if isinstance(part, BlackBox)), None)
