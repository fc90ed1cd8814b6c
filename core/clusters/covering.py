"""Is it the shortcut? Covers the region of a cluster in its pictures, and counts the answers.

Three counts say whether the answers hang on it: of the cluster's pictures with the region covered,
how many get another answer; and, as controls, how many of the same pictures with the same shape
covered elsewhere, and how many of the other pictures with the region covered. A difference counts
if its 95 % confidence interval does not reach 0; that of the first two is one of the same pictures.

Only what was explained is covered, by the model that was explained: other weights are refused, and
pictures whose files are other ones now are left out.
"""

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..errors import ImageError, SettingError
from ..explaining.explainer import Explainer
from ..folders.job import BATCH
from ..folders.run_model import check_weights
from ..folders.run_pictures import ReplacedError, picture_of_run
from ..methods.baselines import check_baseline
from ..models.classifiers import Classifier
from ..pictures.picture import Picture
from .finding import Cluster, Clusters
from .grids import enlarged
from .places import elsewhere, words_of
from .proportions import Difference, Share, difference, paired_difference, share

MOST = 500
"""Pictures of the cluster that are covered, and as many others; those drawn stand for the rest."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Covered:
    """How many answers change when a region is covered.

    Attributes:
        cluster: its number.
        place: the region in words.
        area: its share of the picture, 0 to 1.
        other_place: where the control of the same shape lies, in words; None if there is no room.
        inside: of the cluster's pictures, how many get another answer without the region; None if
            none could be read.
        elsewhere: the same with the control covered; None if there is none.
        both: of the cluster's pictures, how many get another answer under each of the two.
        others: of the other pictures, how many get another answer without the region; None if
            there are no others.
        pictures: how many the cluster has, of which `inside` may be a sample.
        answer: the class that all of `inside` were called; None if they were called different
            things.
        anywhere: whether the maps were compared wherever they lie.
        baseline: what covered pixels become.
        passes: forward passes.
        unreadable: pictures that could not be read.
        replaced: paths of pictures whose files changed since they were explained, which are left
            out.
        otherwise: pictures that get another answer than in the table before anything is covered, as
            after a change of the model's description.
    """

    cluster: int
    place: str
    area: float
    other_place: str | None
    inside: Share | None
    elsewhere: Share | None
    both: int
    others: Share | None
    pictures: int
    answer: str | None
    anywhere: bool
    baseline: str
    passes: int
    unreadable: int
    replaced: tuple[str, ...]
    otherwise: int

    @cached_property
    def gaps(self) -> tuple[Difference | None, Difference | None]:
        """The share of `inside` less that of each control: elsewhere, others."""
        here = paired_difference(self.inside, self.elsewhere, self.both)
        return here, difference(self.inside, self.others)

    @property
    def depends(self) -> bool:
        """Whether more answers hang on the region here than under each control that there is."""
        known = [gap for gap in self.gaps if gap is not None]
        return bool(known) and all(gap.low > 0 for gap in known)


@dataclass(frozen=True)
class CoverStep:
    """A point on the way: so many passes ``done`` of ``total``; ``found`` is there at last."""

    done: int
    total: int
    found: Covered | None = None


def cover_steps(
    found: Clusters,
    cluster: Cluster,
    classifier: Classifier,
    explainer: Explainer,
    baseline: str = "grey",
) -> Generator[CoverStep, None, None]:
    """Cover a cluster's region, and the controls; the last step has the result.

    Each picture of the cluster takes three passes: as it is, without the region, and without the
    control; each other picture takes two.

    Args:
        found: the clusters.
        cluster: one of them, or the rest.
        classifier: the model that made the table.
        explainer: makes inputs and baselines.
        baseline: what covered pixels become, as `core.methods.baselines` names it.

    Raises:
        SettingError: the answers are values, or there is no such baseline; or the table has no
            pictures.
        ModelError: the model's weights are not those that made the table.
    """
    results, output = found.source.results, found.source.output
    check_baseline(baseline)
    if classifier.head.kind == "value":
        raise SettingError("A value does not change into another answer: choose classes or labels.")
    if results.address is None:
        raise SettingError("The table came without its pictures: open it in its folder.")
    check_weights(results, classifier.record.name, classifier.weights_sha256)
    place = cluster.region
    control = elsewhere(place, cluster.grid)
    size = classifier.record.preprocessing.size
    masks = [enlarged(each, size) for each in (place, control) if each is not None]
    inner = _drawn(cluster.rows, found.setting.seed)
    outer = _drawn(_others(found, cluster), found.setting.seed)
    total = len(inner) * (1 + len(masks)) + 2 * len(outer)
    work = _Work(found, classifier, explainer, baseline, output)
    answers: list[list[list[int]]] = []
    done = 0
    for rows, covers in ((inner, masks), (outer, masks[:1])):
        mine: list[list[int]] = []
        for part in work.batches(rows):
            mine += work.answers(part, covers)
            done += len(part) * (1 + len(covers))
            yield CoverStep(done, total)
        answers.append(mine)
    inside, others = answers
    clean = {each[0] for each in inside}
    yield CoverStep(
        total,
        total,
        Covered(
            cluster=cluster.number,
            place=cluster.place,
            area=float(masks[0].mean()),
            other_place=None if control is None else words_of(control),
            inside=_changed(inside, 1),
            elsewhere=None if control is None else _changed(inside, 2),
            both=0 if control is None else sum(first not in rest for first, *rest in inside),
            others=_changed(others, 1),
            pictures=cluster.size,
            answer=work.name(clean.pop()) if len(clean) == 1 else None,
            anywhere=found.setting.anywhere,
            baseline=baseline,
            passes=work.passes,
            unreadable=work.unreadable,
            replaced=tuple(work.replaced),
            otherwise=work.otherwise,
        ),
    )


def _others(found: Clusters, cluster: Cluster) -> np.ndarray:
    rows = [each.rows for each in found.groups if each is not cluster]
    return np.concatenate(rows) if rows else np.empty(0, np.uint64)


def _drawn(rows: np.ndarray, seed: int) -> np.ndarray:
    if len(rows) <= MOST:
        return rows
    drawn: np.ndarray = np.random.default_rng(seed).choice(rows, MOST, replace=False)
    return drawn


def _changed(answers: list[list[int]], which: int) -> Share | None:
    """How many answers of pictures are another one under a cover; the first is without it."""
    return share(sum(each[which] != each[0] for each in answers), len(answers))


class _Asked(NamedTuple):
    """A picture, and its answer in the table."""

    picture: Picture
    answer: int | None


class _Work:
    """Answers of a model to pictures with parts covered."""

    def __init__(
        self,
        found: Clusters,
        classifier: Classifier,
        explainer: Explainer,
        baseline: str,
        output: int | None,
    ) -> None:
        self._results = found.source.results
        self._classifier, self._explainer = classifier, explainer
        self._baseline, self._output = baseline, output
        self.passes = self.unreadable = self.otherwise = 0
        self.replaced: list[str] = []

    def batches(self, rows: np.ndarray) -> Iterator[list[_Asked]]:
        """Pictures of rows, as many at a time as the device computes well at once."""
        columns = ["path", "sha256", "predicted" if self._output is None else "held_index"]
        named = self._results.table.select(columns).take(pa.array(rows)).to_pylist()
        size = BATCH[self._classifier.device.type]
        for first in range(0, len(named), size):
            opened = [self._opened(each) for each in named[first : first + size]]
            if part := [each for each in opened if each is not None]:
                yield part

    def _opened(self, cells: dict[str, Any]) -> _Asked | None:
        path = cells["path"]
        try:
            picture = picture_of_run(self._results, path, cells["sha256"])
        except ImageError as error:
            _log.info("%s is not covered: %s", path, error)
            if isinstance(error, ReplacedError):
                self.replaced.append(path)
            else:
                self.unreadable += 1
            return None
        if self._output is None:
            return _Asked(picture, cells["predicted"])
        return _Asked(picture, int(self._output in (cells["held_index"] or ())))

    def answers(self, part: list[_Asked], covers: list[np.ndarray]) -> list[list[int]]:
        """The answer to each picture as it is, and then with each of the masks (H, W) covered."""
        classifier, explainer = self._classifier, self._explainer
        pictures = [each.picture for each in part]
        inputs = torch.cat([explainer.inputs(classifier, each) for each in pictures])
        baselines = [explainer.baseline(classifier, each, self._baseline) for each in pictures]
        covered = torch.cat(baselines)
        masks = [torch.from_numpy(mask).to(inputs.device) for mask in covers]
        shown = [inputs, *(torch.where(mask, covered, inputs) for mask in masks)]
        self.passes += len(shown) * len(part)
        found = [self._answer(classifier.logits(each)) for each in shown]
        pairs = zip(found[0], part, strict=True)
        self.otherwise += sum(answer != each.answer for answer, each in pairs)
        return [list(each) for each in zip(*found, strict=True)]

    def _answer(self, logits: Tensor) -> list[int]:
        """The class, or whether the label holds, for each of the logits (n, outputs)."""
        head = self._classifier.head
        if head.exclusive:
            found: list[int] = logits.argmax(-1).tolist()
            return found
        assert self._output is not None
        likely = head.probabilities(logits.double())[:, self._output].tolist()
        return [int(head.holds(self._output, each)) for each in likely]

    def name(self, answer: int) -> str | None:
        """What an answer is called."""
        names = self._classifier.class_names
        if self._output is None:
            return names[answer]
        return names[self._output] if answer else None
