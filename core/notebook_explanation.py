"""What a call in a notebook gets: a map that shows itself, and can be judged and saved."""

import os
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from . import bars
from .bundle.archive import bundle
from .bundle.exhibits import Exhibit
from .drawing.cell import cell
from .drawing.paper import panel, png
from .drawing.rendering import Display
from .drawing.sentences import says
from .errors import ModelError, SettingError
from .explaining.judging import Judge
from .files.io import check_writable, npz, write
from .methods.arrays import arrays_of
from .methods.attribution import Attribution
from .methods.occlusion import OcclusionSurvey
from .models.classifiers import ClassScore
from .notebook_given import Trust, check_bundle
from .notebook_inputs import explainer, is_registered
from .text import line, plain, quoted
from .trust.judgement import Case
from .trust.settings import FaithfulnessSetting


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """A map, and what belongs to it. The last line of a notebook's cell shows it.

    Attributes:
        attribution: the map with all that it takes to make it again.
        scores: logits of all classes for the whole picture, float32 (classes,), read-only.
        picture: what the model sees, before normalisation: RGB, of the map's width and height.
        sentence: what the model says, and what the map comes to.
        notes: sentences on how the picture and the network were taken; often none.
    """

    attribution: Attribution
    scores: np.ndarray
    picture: Image.Image
    sentence: str
    notes: tuple[str, ...]
    _exhibit: Exhibit
    _survey: OcclusionSurvey | None

    @property
    def values(self) -> np.ndarray:
        """The map, float32 (H, W), read-only, in units of the score; positive speaks for it."""
        return self.attribution.values

    @property
    def target(self) -> int:
        """Index of the explained class."""
        return self.attribution.target

    @property
    def target_name(self) -> str:
        """Name of the explained class."""
        return self.class_names[self.target]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The model's classes, in the order of `scores`."""
        return self._exhibit.classifier.class_names

    def top(self, k: int = 5) -> tuple[ClassScore, ...]:
        """The ``k`` most probable classes, best first; all of them where there are fewer.

        Raises:
            SettingError: ``k`` is not a whole number from 1 on.
        """
        if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
            raise SettingError(f"top of {quoted(k)}: give a whole number from 1 on.")
        logits = torch.from_numpy(self.scores.copy())
        return self._exhibit.classifier.ranking(logits, min(int(k), len(logits)))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the map to a file, which appears whole or not at all.

        Args:
            path: ending with ``.png`` (picture and map side by side), ``.npz`` (the numbers, see
                `core.methods.arrays`) or ``.zip`` (a bundle with numbers, figures and a report,
                which ``python -m core verify`` computes again).

        Returns:
            The path.

        Raises:
            SettingError: the file cannot be written, or nothing of this name can be made.
            ModelError: a bundle is asked for whose model no registry names.
        """
        path = Path(path)
        make = {".png": self._repr_png_, ".npz": self._npz, ".zip": self._bundle}.get(
            path.suffix.lower()
        )
        if make is None:
            raise SettingError(
                f'"{plain(path.name)}" has no ending that says what to write: choose .png, .npz or '
                ".zip."
            )
        check_writable(path.parent, [path.name])
        (written,) = write(path.parent, {path.name: make()})
        return written

    def __repr__(self) -> str:
        """One line."""
        title = self._exhibit.classifier.record.title
        rows, columns = self.values.shape
        contrast = self.attribution.contrast
        against = "" if contrast is None else f" against {self.class_names[contrast]!r}"
        return line(
            f"<Explanation: {self.attribution.method} of {self.target_name!r}{against} by {title}, "
            f"{columns} × {rows} pixels>"
        )

    def _repr_png_(self) -> bytes:
        return png(
            panel(self.picture, self.attribution, self.class_names, Display(), title=self._says)
        )

    def _repr_html_(self) -> str:
        return cell(
            self.picture,
            self.attribution,
            self.class_names,
            Display(),
            sentence=self.sentence,
            notes=self.notes,
        )

    @property
    def _says(self) -> str:
        record = self._exhibit.classifier.record
        return says(record.title, self.top(len(self.scores)), record.head)

    def _npz(self) -> bytes:
        return npz(arrays_of(self.attribution, self._survey))

    def trust(self, progress: bool | None = None) -> Trust:
        """Judge the map: deletion and insertion, and what else can be measured of it.

        Args:
            progress: as for `explain`.

        Raises:
            ModelError: the scores are not finite.
            ResourceError: there is too little memory.
        """
        ((setting, _),) = self._exhibit.maps.values()
        case = Case(self._exhibit.classifier, self._exhibit.picture, setting, self.attribution)
        with (
            bars.bar("Trust measures", " passes", progress) as show,
            closing(judge().steps(case, FaithfulnessSetting())) as steps,
        ):
            for step in steps:
                show(step.done, step.total)
        return Trust(step.snapshot())

    def _bundle(self) -> bytes:
        ((setting, _),) = self._exhibit.maps.values()
        check_bundle(setting)
        if not is_registered(self._exhibit.classifier):
            raise ModelError(
                "A bundle names its model, so that others can compute it again, and this network "
                "has no name in the registry: save a .png or an .npz."
            )
        return bundle(explainer(), [self._exhibit], Display())


@cache
def judge() -> Judge:
    """The one that all maps of this process share."""
    return Judge(explainer())
