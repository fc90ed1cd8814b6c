"""Maps of the pictures of a folder: what is asked of each, and the files that answer it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from ..engine.remembered import memory
from ..errors import ImageError, MapError, ModelError, ResourceError, SettingError
from ..explaining.explainer import Explainer
from ..explaining.judging import Judge
from ..methods.attribution import versions
from ..methods.cover_methods import REGIONS, PatchSetting
from ..methods.given_setting import GIVEN, GivenSetting
from ..methods.scores import Question
from ..methods.settings import Setting
from ..models.classifiers import Classifier
from ..pictures.given_map import GivenMap
from ..pictures.images import digest
from ..pictures.label_image import LabelImage
from ..pictures.picture import Picture, picture_from_bytes
from ..text import line
from ..trust.judgement import Case
from .answers import Row
from .given_maps import given_for
from .job import Job, MadeMaps
from .label_images import regions_for
from .listing import Entry
from .map_files import FAILED, MAPS, map_file
from .masks import Mask, columns_of, located, mask_of
from .problems import Problems
from .trust_columns import numbers_of, told_in

LOCALISATION = "localisation"

Told = dict[str, Any]
"""The manifest of a file of maps."""
Known = Callable[[str, dict[str, Any]], Told | None]
"""The manifest of a file from a run before, given its name and what it was to be asked."""

_NO_REGIONS = "There is no label image that fits the picture."
_NO_MAP = "There is no map made elsewhere that fits the picture."
_LONGEST_ERROR = 1000  # characters: tables are read back with at most 4096 bytes a text


@dataclass(frozen=True)
class Seen:
    """A picture as the model sees it, or why it cannot: small, whatever the size of the photo.

    Its size is (width, height) of the photo.
    """

    entry: Entry
    seconds: float
    sha256: str | None = None
    picture: Picture | None = None
    inputs: Tensor | None = None
    error: str | None = None
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class _Own:
    """What belongs to one picture beside its file; None for what does not."""

    regions: LabelImage | None
    mask: Mask | None
    given: GivenMap | None

    @property
    def digests(self) -> dict[str, str]:
        """Of their files, for the manifest."""
        parts = {"regions": self.regions, "mask": self.mask, "map": self.given}
        return {f"{name}_sha256": each.sha256 for name, each in parts.items() if each is not None}


def _check_baseline(explainer: Explainer, classifier: Classifier, other: Picture) -> None:
    """Refuse another picture as baseline, once for all pictures.

    Raises:
        SettingError: the model cannot take it.
    """
    try:
        explainer.inputs(classifier, other)
    except ImageError as error:
        raise SettingError(
            f"The picture of --baseline cannot be a baseline of this model. {error}"
        ) from error


class PictureMaps:
    """Makes the maps that a job asks for, of one picture at a time."""

    def __init__(self, job: Job, classifier: Classifier) -> None:
        """Make none yet."""
        self._job, self._classifier = job, classifier
        self._judging = Explainer()
        self._judge = Judge(self._judging)  # one for all: networks of random weights take long
        self._other = picture_from_bytes(job.other, trusted=True) if job.other else None
        if self._other is not None:
            _check_baseline(self._hand_over(self._judging), classifier, self._other)

    def _hand_over(self, explainer: Explainer) -> Explainer:
        """The explainer, which has the other picture at hand that is the baseline, if one is."""
        if self._other is not None:
            explainer.as_baseline(self._other)
        return explainer

    def explained(
        self, seen: Seen, row: Row, made: dict[str, Told], known: Known
    ) -> Iterator[MadeMaps]:
        """The maps of a picture, where they are wanted and new; its row is told of them.

        Args:
            seen: the picture.
            row: what the model says of it.
            made: the manifests of the files that there are of this part, by their names; those of
                this picture are added, also where no method has a map and there is no file.
            known: looks for files from a run before.
        """
        questions = self._questions(row)
        if not questions or seen.picture is None:
            return
        started = time.perf_counter()
        explainer = self._hand_over(Explainer())  # and with it goes what it remembers
        names: dict[int, str] = {}
        problems = Problems(self._job, self._name)
        try:
            own = self._own(seen, problems)
            for question in questions:
                name = self._map_name(row["sha256"], question, own)
                asked = self._asked(row["sha256"], question, own)
                told = made.get(name) or known(name, asked)
                if told is None:
                    maps, told = self._maps(explainer, seen.picture, question, asked, own)
                    if maps:
                        yield MadeMaps(name, map_file(maps, told))
                made[name] = told
                if told["maps"]:
                    names[question.target] = name
                problems.add(told.get(FAILED, {}), question if len(questions) > 1 else None)
        finally:  # whoever writes a file may be stopped
            memory.forget_scores()
        if problems.words:
            row["error"] = line(problems.words, _LONGEST_ERROR)
        if names and self._classifier.head.exclusive:
            (row["maps"],) = names.values()
        elif names:
            row |= {"maps_index": list(names), "maps": list(names.values())}
        if names and own.mask is not None:
            found = [
                {method: told[LOCALISATION] for method, told in made[name]["maps"].items()}
                for name in names.values()
            ]
            row |= columns_of(own.mask, found, several=not self._classifier.head.exclusive)
        if self._job.trust is not None:
            judged = [made[name]["maps"] for name in names.values()]
            row |= told_in(judged, self._classifier.head.exclusive)
        row["seconds"] += time.perf_counter() - started

    def _questions(self, row: Row) -> list[Question]:
        """What is asked about a picture; nothing where it is not to be explained."""
        job, head = self._job, self._classifier.head
        predicted = row.get("value" if head.kind == "value" else "predicted")
        if (
            not job.methods
            or predicted is None
            or (job.only == "wrong" and row.get("correct") is not False)
        ):
            return []
        if job.target == "contrast":
            other = row["top5_index"][1] if row["label"] in (None, predicted) else row["label"]
            return [Question(predicted, other, job.score, head)]
        if head.kind == "value":
            targets = list(range(len(predicted)))
        elif head.kind == "sigmoid":
            labels = row["expected_index"] if job.target == "label" else row["held_index"]
            targets = labels or ([predicted] if job.target == "predicted" else [])
        else:
            target = row["label"] if job.target == "label" else predicted
            targets = [] if target is None else [target]
        return [Question(target, None, job.score, head) for target in targets]

    def _own(self, seen: Seen, problems: Problems) -> _Own:
        """What belongs to a picture; what is not available is told as a problem."""
        job, preprocessing = self._job, self._classifier.record.preprocessing
        regions = mask = given = None
        by_regions = [name for name, setting in job.methods if job.by_regions(setting)]
        if by_regions:
            try:
                regions = regions_for(
                    job.regions, seen.entry, seen.size, preprocessing, job.address
                )
            except ImageError as error:
                problems.lack(by_regions, str(error))
        if job.masks:
            try:
                mask = mask_of(job.masks, seen.entry, seen.size, preprocessing, job.address)
            except ImageError as error:
                problems.tell(str(error))
        if job.given is not None:
            (said,) = (each for _, each in job.methods if isinstance(each, GivenSetting))
            try:
                given = given_for(
                    job.given, seen.entry, seen.size, preprocessing, said, job.address
                )
            except MapError as error:
                problems.lack([said.name], str(error))
        return _Own(regions, mask, given)

    def _map_name(self, sha256: str, question: Question, own: _Own) -> str:
        """Where the maps of a picture are; its copies share them, if the same is asked of them."""
        usual = self._job.target == "predicted" and self._classifier.head.exclusive
        classes = "" if usual else f"-{question.target}"
        if question.contrast is not None:
            classes += f"-{question.contrast}"
        if own.digests:  # of which a copy of the picture may have others
            sha256 = digest(" ".join((sha256, *own.digests.values())).encode())
        return f"{MAPS}/{sha256[:2]}/{sha256}{classes}.npz"

    def _asked(self, sha256: str, question: Question, own: _Own) -> dict[str, Any]:
        """What decides the maps of a picture, as JSON types."""
        return {
            "picture_sha256": sha256,
            "model": self._job.model,
            "weights_sha256": self._classifier.weights_sha256,
            "device": self._job.device,
            **question.record(),
            "target_name": self._name(question.target),
            "contrast_name": self._name(question.contrast),
            "methods": self._job.settings()["methods"],
            "versions": versions(),
            **own.digests,
            **({} if self._job.trust is None else {"trust": asdict(self._job.trust)}),
        }

    def _name(self, index: int | None) -> str | None:
        return None if index is None else self._classifier.class_names[index]

    def _maps(
        self,
        explainer: Explainer,
        picture: Picture,
        question: Question,
        asked: dict[str, Any],
        own: _Own,
    ) -> tuple[dict[str, np.ndarray], Told]:
        """The maps of a picture by method, none where that failed; and their manifest."""
        maps: dict[str, np.ndarray] = {}
        told: dict[str, dict[str, Any]] = {}
        failed: dict[str, str] = {}
        for name, chosen in self._job.methods:
            setting = chosen
            # What is lacking is told, and need not be so for a copy of the picture.
            if isinstance(chosen, PatchSetting) and self._job.regions:
                if own.regions is None:
                    failed[name] = _NO_REGIONS
                    continue
                self._judging.as_regions(own.regions)
                setting = replace(chosen, regions=explainer.as_regions(own.regions))
            if isinstance(chosen, GivenSetting):
                if own.given is None:
                    failed[name] = _NO_MAP
                    continue
                setting = replace(
                    chosen,
                    values=explainer.as_given(own.given),
                    order_only=own.given.order_only,
                    map_of="input",
                )
            try:
                one = explainer.attribution(self._classifier, picture, setting, question)
                trust = self._trust(Case(self._classifier, picture, setting, one))
            except (ImageError, MapError, ModelError, ResourceError) as error:
                failed[name] = str(error)
                continue
            maps[name] = one.values
            told[name] = {
                "units": one.units,
                "forward_passes": one.forward_passes,
                "score_change": one.change,
                "completeness_gap": one.gap,
                **self._worths(explainer, picture, setting, one.values),
                **trust,
            }
        if own.mask is not None:
            of_order = (GIVEN,) if own.given is not None and own.given.order_only else ()
            for name, places in located(own.mask, maps, of_order).items():
                told[name][LOCALISATION] = places
        return maps, {**asked, "maps": told, **({FAILED: failed} if failed else {})}

    def _trust(self, case: Case) -> dict[str, Any]:
        """The trust measures of a map, if they are asked for."""
        if self._job.trust is None:
            return {}
        for step in self._judge.steps(case, self._job.trust):
            last = step
        return {"trust": numbers_of(last.snapshot())}

    def _worths(
        self, explainer: Explainer, picture: Picture, setting: Setting, values: np.ndarray
    ) -> dict[str, Any]:
        """What each region is worth, of a map of regions."""
        table = explainer.worths(self._classifier, picture, setting, values)
        return {REGIONS: [each._asdict() for each in table]} if table else {}
