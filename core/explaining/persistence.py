"""Results of an explainer on disk, and the keys under which they are kept.

A key is a digest of everything that a result depends on: the kind of result, model, weights,
device, picture, settings and question, the versions of the libraries, and the source of this
package. So results of other versions of the code are not found.
"""

import hashlib
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from ..engine.agreement import Agreement
from ..files.disk_cache import DiskCache
from ..files.serialization import UnpackError, pack, unpack
from ..methods.attribution import versions
from ..methods.baselines import PICTURE
from ..methods.cover_methods import REGIONS
from ..methods.given_setting import GIVEN
from ..methods.identity import identity
from ..methods.survey import Survey
from ..models.classifiers import Classifier
from ..pictures.picture import Picture

Value = TypeVar("Value")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SurveyScores:
    """A finished survey: clean logits float32 (classes,), and (pictures, classes), by number.

    With how far pictures that the network itself computed too were from it.
    """

    clean: np.ndarray
    scores: np.ndarray
    agreement: Agreement

    @classmethod
    def of(cls, survey: Survey) -> "SurveyScores":
        """What a finished survey knows."""
        return cls(survey.clean.numpy(), survey.scores.numpy(), survey.agreement)

    def give_to(self, survey: Survey) -> None:
        """Let a survey begin where this one ended; what does not fit it is left."""
        try:
            clean, scores = torch.from_numpy(self.clean), torch.from_numpy(self.scores)
            survey.restore(clean, scores, self.agreement)
        except ValueError as error:
            _log.warning("a survey from the cache is not used: %s", error)


class Stored:
    """Results on disk; nothing is kept or found without a cache.

    Only what belongs to picture files of this machine is kept: uploads stay in memory, and so does
    what was made of them. Of label images and of maps made elsewhere nothing is kept, since they
    may be uploads.
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
    # A baseline can be another picture, and that one an upload; so can regions and maps be.
    uploads = (f"{PICTURE}:", f"{REGIONS}:", f"{GIVEN}:")
    return picture.from_file and not any(each in repr(asked) for each in uploads)


def _key(kind: type, classifier: Classifier, picture: Picture, asked: tuple[object, ...]) -> str:
    parts = (kind.__name__, identity(classifier), picture.key, asked, versions(), _source())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def _source() -> str:
    """Digest of this package's source."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parents[1].rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()
