"""What a notebook gives and gets besides maps: maps made elsewhere, and trust measures."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import MapError, SettingError
from .explaining.explainer import Explainer
from .methods.given_setting import GivenSetting, check_said
from .pictures.given_file import read_given_map
from .pictures.given_map import CHANNELS, map_from_array
from .text import as_text, escape, line, quoted
from .trust import badges
from .trust.judgement import Judgement

GivenValues = np.ndarray | Tensor | os.PathLike[str]
_SAID = ("sign", "unit", "channels", "map_of", "adds_up", "baseline", "title")
_LONGEST_TITLE = 60
_IN_NUMPY = (torch.float16, torch.float32, torch.float64)


def given_setting(
    values: GivenValues, options: Mapping[str, Any], explainer: Explainer
) -> GivenSetting:
    """A map made elsewhere, and what was said of it, as a setting.

    Args:
        values: an array or tensor (H, W), with channels (C, H, W) or (H, W, C), or a path.
        options: ``sign`` and ``unit``, and if need be ``channels``, ``map_of``, ``adds_up``,
            ``baseline`` and ``title``.
        explainer: has the map at hand from then on, as long as the map is among the last few.

    Raises:
        SettingError: sign or unit are not said, or something else is.
        MapError: the map cannot be used.
    """
    for name in options:
        if name not in _SAID:
            raise SettingError(
                f"There is no option {name}= of a map made elsewhere: it has {', '.join(_SAID)}."
            )
    sign = check_said(options.get("sign"), options.get("unit"), " with {}=")
    channels = options.get("channels")
    if channels is not None and channels not in tuple(CHANNELS):
        raise SettingError(f"channels= is {quoted(channels)}: choose one of {', '.join(CHANNELS)}.")
    if isinstance(values, os.PathLike):
        given = read_given_map(Path(values), channels)
        title = line(as_text(Path(values).stem), _LONGEST_TITLE)
    else:
        array = _array(values) if isinstance(values, Tensor) else values
        given, title = map_from_array(array, channels), "Map made elsewhere"
    return GivenSetting(
        values=explainer.as_given(given),
        sign=sign,
        unit=str(options["unit"]),
        title=str(options.get("title", title)),
        map_of=options.get("map_of"),
        adds_up=bool(options.get("adds_up", False)),
        order_only=given.order_only,
        baseline=explainer.baseline_named(str(options.get("baseline", "grey"))),
    )


def _array(tensor: Tensor) -> np.ndarray:
    """A tensor's numbers; of a type that NumPy lacks, such as bfloat16, as float32.

    Raises:
        MapError: they are not available, as of a sparse tensor.
    """
    try:
        plain = tensor.detach().cpu().resolve_conj().resolve_neg()
        if plain.is_floating_point() and plain.dtype not in _IN_NUMPY:
            plain = plain.float()
        found: np.ndarray = plain.numpy()
    except (NotImplementedError, RuntimeError, TypeError) as error:
        raise MapError(
            f"The map is a tensor of {tensor.dtype} ({tensor.layout}, on {tensor.device}) whose "
            "numbers cannot be read: give a dense one of real numbers, or an array."
        ) from error
    return found


def check_bundle(setting: object) -> None:
    """Refuse a bundle of a map made elsewhere.

    Raises:
        MapError: it is one.
    """
    if isinstance(setting, GivenSetting):
        raise MapError(
            "A bundle holds what others can make again from it, and this map was made elsewhere: "
            "save a .png or an .npz."
        )


@dataclass(frozen=True, eq=False, repr=False)
class Trust:
    """How far to trust a map. The last line of a notebook's cell shows it.

    Attributes:
        judgement: all measures that can be taken of the map, with their curves.
    """

    judgement: Judgement

    @property
    def summary(self) -> str:
        """The trust line: how many checks passed, and which."""
        return badges.summary(badges.badges(self.judgement))

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """Each measure in a sentence, and why those that are missing cannot be taken."""
        found = badges.sentences(self.judgement)
        return tuple(sentence for sentences in found.values() for sentence in sentences)

    @property
    def record(self) -> dict[str, Any]:
        """All numbers, and the settings of the measures, as JSON types."""
        return badges.record(self.judgement)

    def __repr__(self) -> str:
        """The trust line."""
        return self.summary

    def _repr_html_(self) -> str:
        rest = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        return f"<p><b>{escape(self.summary)}</b></p><ul>{rest}</ul>"
