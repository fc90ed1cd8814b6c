"""The smallest regions found that are enough for the answer, or whose covering changes it.

What is enough: Carter et al., "What made you do this? Understanding black-box decisions with
sufficient input subsets", AISTATS 2019 (arXiv:1810.03805). Several disjoint ones: Chockler, Kelly,
Kroening, "Multiple Different Black Box Explanations for Image Classifiers", 2023
(arXiv:2309.14309). The search is our own, and greedy: it gives the smallest region found, not the
smallest there is.

It orders coarse blocks by what the answer loses when each is covered, and takes the shortest
beginning of this order that serves. Then it leaves out what is not needed, as many blocks at once
as it can, halves the side of the blocks, and leaves out again. At the end no single block can be
left out, unless the passes were used up.

Where the baseline alone gets the answer too, covering all of the picture changes nothing, but
covering a part of it may.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engine.checks import finite
from ..engine.teams import alone
from ..errors import ModelError, SettingError
from .attribution import Attribution
from .cover_methods import RegionSetting
from .masked import covered_logits
from .request import Asked, Progress
from .scores import Question

_TIE = 1e-9  # in nats: an answer that is shared has not changed
_COARSE = 8  # the search begins with at least so many blocks along a side

Region = np.ndarray
"""bool (cells,): the finest blocks that belong to it, row by row."""
Margins = Generator[Progress, None, np.ndarray]


def regions(asked: Asked, setting: RegionSetting) -> Generator[Progress, None, None]:
    """Search for as many disjoint regions as the setting asks for, each as small as is found.

    The map, (1, H, W), is 1 in the first region, 1/2 in the second, 1/3 in the third, and so on,
    and 0 elsewhere. ``found["regions"]`` says of each its ``share`` of the picture (0..1), and with
    it shown alone, or covered, the ``answer``, its ``probability``, and that of the target.

    Raises:
        SettingError: the outputs are values, so that there is no answer.
        ModelError: the target is not the model's answer; or nothing is needed for it, as the
            baseline alone has it; or no region was found whose covering changes it.
    """
    search = _Search(asked, setting, alone(partial(_margins_of, asked, setting)))
    while len(search.found) < setting.answers:
        region = yield from search.smallest()
        if region is None:
            break
        yield from search.settle(region)
    if not search.found:
        raise ModelError(
            "The baseline alone gets the same answer as the picture, and no region was found whose "
            "covering changes it: choose another baseline, or other blocks."
        )
    yield search.progress(final=True)


def covered_by(attribution: Attribution) -> np.ndarray:
    """What is covered where the first region of a map is shown alone, or covered: bool (H, W)."""
    first = attribution.values == 1
    return ~first if attribution.method == "enough" else first


@dataclass
class _Search:
    """The state of a search.

    Attributes:
        margins_of: logits (n, classes) -> float64 (n,), at least 0 where a region serves.
        best: the region that is being made smaller.
        done: passes.
        found: (region, what is to be said of it) of each finished one.
    """

    asked: Asked
    setting: RegionSetting
    margins_of: Callable[[Tensor], Tensor]
    best: Region | None = None
    done: int = 0
    found: list[tuple[Region, dict[str, Any]]] = field(default_factory=list)

    @property
    def limit(self) -> int:
        """Passes after which nothing more is left out of the region at hand."""
        return self.setting.passes((0, 0)) // self.setting.answers * (len(self.found) + 1)

    def smallest(self) -> Generator[Progress, None, Region | None]:
        """The smallest region found that serves without those found before; None if none does."""
        free = np.ones(self.setting.blocks**2, dtype=bool)
        for each, _ in self.found:
            free &= ~each
        if self.setting.kind == "enough" and (yield from self.margins([free]))[0] < 0:
            return None
        region: Region | None = None
        step = max(1, self.setting.blocks // _COARSE)
        while step:
            if region is None:
                blocks = self._blocks(free, step)
                if self.done + len(blocks) > self.limit:
                    break
                region = yield from self._beginning(blocks, free)
            if region is not None:
                region = yield from self._pruned(region, step)
            step //= 2
        return region

    def settle(self, region: Region) -> Generator[Progress, None, None]:
        """Take down what the model says of a finished region."""
        (logits,) = yield from self._logits([region])
        head, target = self.asked.question.head, self.asked.question.target
        probabilities = head.probabilities(logits.double())
        answer = int(logits.argmax()) if head.exclusive else target
        self.found.append(
            (
                region,
                {
                    "share": float(region[self._cells()].mean()),
                    "answer": answer,
                    "probability": float(probabilities[answer]),
                    "target_probability": float(probabilities[target]),
                },
            )
        )
        self.best = None
        yield self.progress()

    def progress(self, final: bool = False) -> Progress:
        """Where the search is."""
        known = [region for region, _ in self.found] + ([] if self.best is None else [self.best])
        values = torch.zeros(self.asked.inputs.shape[2:], dtype=torch.float64)
        for number, region in enumerate(known, 1):
            values[torch.from_numpy(region[self._cells()])] = 1 / number
        total = self.done if final else max(self.done + 1, self.setting.passes((0, 0)))
        return Progress(
            self.done,
            total,
            lambda: values[None],
            found={"regions": [said for _, said in self.found]},
        )

    def margins(self, candidates: Sequence[Region]) -> Margins:
        """By how much each of some regions serves, float64 (n,); it serves from 0 on."""
        if not candidates:
            return np.zeros(0)
        logits = yield from self._logits(candidates)
        return self.margins_of(logits).numpy()

    def _beginning(
        self, blocks: list[Region], free: Region
    ) -> Generator[Progress, None, Region | None]:
        """The shortest beginning found that serves, of all blocks in the order of what they do.

        None if none that is tried serves.
        """
        enough = self.setting.kind == "enough"
        alone_left = [free & ~block if enough else block for block in blocks]
        order = np.argsort((yield from self.margins(alone_left)) * (1 if enough else -1))
        upto = list(np.logical_or.accumulate([blocks[number] for number in order]))
        sizes = sorted({round(2 ** (power / 2)) for power in range(2 * len(blocks).bit_length())})
        sizes = [size for size in sizes if size < len(blocks)] + [len(blocks)]
        serves = (yield from self.margins([upto[size - 1] for size in sizes])) >= 0
        if not serves.any():
            return None
        first = int(serves.argmax())
        low, high = sizes[first - 1] if first else 0, sizes[first]
        between = upto[low : high - 1]
        serves = (yield from self.margins(between)) >= 0
        return between[int(serves.argmax())] if serves.any() else upto[high - 1]

    def _pruned(self, region: Region, step: int) -> Generator[Progress, None, Region]:
        """The same without blocks that are not needed."""
        while True:
            self.best = region
            blocks = self._blocks(region, step)
            # A pass for each block, one for each number that is left out, and one to tell the end.
            if self.done + len(blocks) + len(blocks).bit_length() + 1 > self.limit:
                break
            margins = yield from self.margins([region & ~block for block in blocks])
            spare = [blocks[number] for number in np.argsort(-margins) if margins[number] >= 0]
            if not spare or len(blocks) == 1:
                break
            leaving = list(np.logical_or.accumulate(spare))
            sizes = [len(spare) >> power for power in range(len(spare).bit_length())]
            smaller = [region & ~leaving[size - 1] for size in sizes]
            smaller = [each for each in smaller if each.any()]
            serves = (yield from self.margins(smaller)) >= 0
            region = smaller[int(serves.argmax())] if serves.any() else region & ~spare[0]
        return region

    def _blocks(self, region: Region, step: int) -> list[Region]:
        """The parts of a region in each block of ``step`` x ``step`` cells."""
        side = self.setting.blocks
        row, column = np.divmod(np.arange(side**2), side)
        number = row // step * side + column // step
        return [region & (number == each) for each in np.unique(number[region])]

    def _cells(self) -> np.ndarray:
        """The cell of each pixel, int (H, W)."""
        side = self.setting.blocks
        rows, columns = (np.arange(n) * side // n for n in self.asked.inputs.shape[2:])
        return rows[:, None] * side + columns

    def _logits(self, candidates: Sequence[Region]) -> Generator[Progress, None, Tensor]:
        """Logits (n, classes) with each of some regions alone shown, or covered."""
        asked, cells = self.asked, self._cells()
        enough = self.setting.kind == "enough"
        masks = ((~each if enough else each)[cells] for each in candidates)
        logits = []
        batches = covered_logits(asked.network, asked.inputs, masks, asked.reference)
        with closing(batches):
            for found in batches:
                logits.append(found)
                self.done += len(found)
                yield self.progress()
        return torch.cat(logits)


def _margins_of(asked: Asked, setting: RegionSetting) -> Callable[[Tensor], Tensor]:
    """By how much logits (n, classes) serve, float64 (n,), at least 0 where they do.

    Raises:
        SettingError, ModelError: see `regions`.
    """
    question, head = asked.question, asked.question.head
    if not head.has_probabilities:
        raise SettingError(
            "This model gives values, which are no answer that a part of the picture could keep or "
            "change: choose another method."
        )
    whole, nothing = (finite(asked.network.dense(each)) for each in (asked.inputs, asked.reference))
    question.check(whole.shape[1])
    usual = float(head.log_probabilities(whole.double())[0, question.target])
    least = usual + np.log(max(setting.keep, np.finfo(float).tiny))

    def margins(logits: Tensor) -> Tensor:
        lead = _lead(question, logits)
        if setting.kind == "enough":
            own = head.log_probabilities(logits.double())[:, question.target]
            return torch.minimum(lead, own - least)
        return -lead - _TIE if said else lead

    said = bool(_lead(question, whole) >= 0)
    if not said and (setting.kind == "enough" or head.exclusive):
        raise ModelError(
            "The target is not what the model says of this picture, so no part of it can be enough "
            "for that, or change it: choose the answer as target."
        )
    if setting.kind == "enough" and margins(nothing) >= 0:
        raise ModelError(
            "The baseline alone gets the same answer as the picture, so no part of the picture is "
            "needed for it: choose another baseline."
        )
    return margins


def _lead(question: Question, logits: Tensor) -> Tensor:
    """By how much the target is the answer, or before the contrast, in nats: float64 (n,)."""
    head, target = question.head, question.target
    scores = head.log_probabilities(logits.double())
    own = scores[:, target]
    if question.contrast is not None:
        return own - scores[:, question.contrast]
    if not head.exclusive:
        return own - float(np.log(head.threshold(target)))
    others = scores.clone()
    others[:, target] = -torch.inf
    return own - others.max(1).values
