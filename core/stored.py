"""What an explainer keeps on disk, and under which keys.

A key is a digest of everything that a result depends on: the kind of result, model, weights,
device, picture, settings and question, the versions of the libraries, and the source of this
package. So a result that today's code would not make is not found.
"""

import hashlib
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from core.attribution import versions
from core.baselines import PICTURE
from core.checking import Agreement
from core.disk_cache import DiskCache
from core.identity import identity
from core.models import Classifier
from core.occlusion import OcclusionSurvey
from core.packing import UnpackError, pack, unpack
from core.picture import Picture

Value = TypeVar("Value")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SurveyScores:
    """A finished survey: clean logits float32 (classes,), and (windows, classes), row by row.

    With how far windows that the network itself computed too were from it.
    """

    clean: np.ndarray
    scores: np.ndarray
    agreement: Agreement

    @classmethod
    def of(cls, survey: OcclusionSurvey) -> "SurveyScores":
        """What a finished survey knows."""
        return cls(survey.clean.numpy(), survey.scores.numpy(), survey.agreement)

    def give_to(self, survey: OcclusionSurvey) -> None:
        """Let a survey begin where this one ended; what does not fit it is left."""
        try:
            clean, scores = torch.from_numpy(self.clean), torch.from_numpy(self.scores)
            survey.restore(clean, scores, self.agreement)
        except ValueError as error:
            _log.warning("a survey from the cache is not used: %s", error)


class Stored:
    """Results on disk; nothing is kept or found without a cache.

    Only what belongs to picture files of this machine is kept: uploads stay in memory, and so does
    what was made of them.
    """

    def __init__(self, cache: DiskCache | None) -> None:
        """Use a cache, or none."""
        self._cache = cache

    def recall(
        self, wanted: type[Value], classifier: Classifier, picture: Picture, *asked: object
    ) -> Value | None:
        """What was kept for this model, picture and settings, or None."""
        if self._cache is None or not _may_be_kept(picture, asked):
            return None
        key = _key(wanted, classifier, picture, asked)
        arrays = self._cache.get(key)
        if arrays is None:
            return None
        try:
            return unpack(wanted, arrays)
        except UnpackError as error:
            _log.warning("a cache entry is not used: %s", error)
            self._cache.remove(key)
            return None

    def keep(self, value: object, classifier: Classifier, picture: Picture, *asked: object) -> None:
        """Keep a result, if it may be kept."""
        if self._cache is not None and _may_be_kept(picture, asked):
            self._cache.put(_key(type(value), classifier, picture, asked), pack(value))


def _may_be_kept(picture: Picture, asked: tuple[object, ...]) -> bool:
    # A baseline can be another picture, and that one an upload.
    return picture.from_file and f"{PICTURE}:" not in repr(asked)


def _key(kind: type, classifier: Classifier, picture: Picture, asked: tuple[object, ...]) -> str:
    parts = (kind.__name__, identity(classifier), picture.key, asked, versions(), _source())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def _source() -> str:
    """Digest of this package's source."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()
