"""Which maps are on the page, and the settings of their methods."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.baselines import BASELINES, PICTURE
from core.errors import UserError
from core.explainer import Explainer
from core.methods import METHODS, options_of, with_options
from core.settings import (
    ENOUGH,
    IntegratedGradientsSetting,
    OcclusionSetting,
    Setting,
)
from core.text import markdown
from dashboard import state
from dashboard.kept import KEPT
from dashboard.view import Scene

_log = logging.getLogger(__name__)

SMALL, LARGE = "occlusion_small", "occlusion_large"
TITLES = {SMALL: "Occlusion small", LARGE: "Occlusion large"} | {
    name: method.title for name, method in METHODS.items() if name != "occlusion"
}
BASELINE_TITLES = {name: name for name in BASELINES} | {PICTURE: "another picture"}
_DEFAULT = (SMALL, LARGE, "integrated_gradients")

# The keys of the controls whose values are in the address.
BOUND = ("maps", "judge", "baseline", "sigma", "noise_seed", "other", *KEPT)


@dataclass(frozen=True)
class Methods:
    """What is to be computed.

    Attributes:
        names: of the maps, in the order of the page.
        maps: (title, setting) of each map, in the same order.
        small, large: the two windows, also where no map shows them.
        gradients: Integrated Gradients, likewise.
        layers: those that Grad-CAM may look at, if a map needs them.
        judged: whether each map is judged.
    """

    names: tuple[str, ...]
    maps: tuple[tuple[str, Setting], ...]
    small: OcclusionSetting
    large: OcclusionSetting
    gradients: IntegratedGradientsSetting
    layers: tuple[str, ...]
    judged: bool

    @property
    def titled(self) -> dict[str, str]:
        """The titles of the maps, by name."""
        return {name: title for name, (title, _) in zip(self.names, self.maps, strict=True)}


def choose_maps() -> tuple[list[str], DeltaGenerator]:
    """The names of the maps that are to be shown, and the place for `say_what_is_missing`."""
    chosen = st.multiselect(
        "Maps",
        list(TITLES),
        default=_DEFAULT,
        format_func=TITLES.__getitem__,
        key="maps",
        bind="query-params",
        help="Methods, side by side. Occlusion asks the model again with a part covered; the "
        "others follow the gradient of its score.",
    )
    return chosen, st.empty()


def methods_of(
    explainer: Explainer, scene: Scene, names: Sequence[str], baseline: str, judged: bool
) -> Methods:
    """The methods with the settings that their controls have."""
    now = st.session_state
    options: dict[str, Any] = {key: now[key] for key in ("samples", "stdev", "seed", "segments")}
    options["baseline"] = baseline
    options["steps"] = ENOUGH if now["steps"] == ENOUGH else int(now["steps"])
    layers: tuple[str, ...] = ()
    if {"grad_cam", "guided_grad_cam"}.intersection(names):
        with suppress(UserError):  # the panel of the map says why
            layers = tuple(explainer.layers(scene.classifier, scene.picture))
        if layers:
            options["layer"] = now["layer"] if now["layer"] in layers else layers[-1]
    small, large = (
        OcclusionSetting(now[f"{prefix}_window"], now[f"{prefix}_stride"], baseline)
        for prefix in ("small", "large")
    )
    maps: list[tuple[str, Setting]] = []
    for name in names:
        if name in (SMALL, LARGE):
            window = small if name == SMALL else large
            maps.append((f"{TITLES[name]} {window.window}/{window.stride}", window))
        else:
            maps.append((TITLES[name], _setting(name, options)))
    gradients = IntegratedGradientsSetting(options["steps"], baseline)
    return Methods(tuple(names), tuple(maps), small, large, gradients, layers, judged)


def say_what_is_missing(place: DeltaGenerator, explainer: Explainer, scene: Scene) -> None:
    """Which maps the model cannot have. Takes seconds for a model that is new."""
    try:
        missing = explainer.unavailable(scene.classifier, scene.picture)
    except UserError as error:
        _log.info("methods: not known", exc_info=error)
        return  # each panel says why there is no map
    if missing:
        reasons = (f"{METHODS[name].title}, since {why}" for name, why in missing.items())
        place.caption(markdown(f"Not for this model: {'; '.join(reasons)}."))


def _setting(name: str, options: dict[str, Any]) -> Setting:
    """A method with those of the options that belong to it."""
    own = options_of(name)
    if name == "smoothgrad_sq":
        own.discard("steps")  # of every sample: many times the steps of a single map
    return with_options(name, {key: value for key, value in options.items() if key in own})


def choose_baseline(explainer: Explainer) -> str:
    """What a covered pixel becomes, and where paths begin."""
    name = st.selectbox(
        "Covered with",
        list(BASELINE_TITLES),
        format_func=BASELINE_TITLES.__getitem__,
        key="baseline",
        bind="query-params",
        help="What a covered pixel becomes, and where Integrated Gradients begins (baseline). "
        "Grey is zero after normalisation: the middle of the model's colours, not black.",
    )
    if name == "blur":
        sigma = st.slider(
            "Sigma of the blur", 1, 40, 12, key="sigma", bind="query-params", help="In pixels."
        )
        return f"blur:{sigma}"
    if name == "noise":
        seed = st.number_input(
            "Seed of the noise", 0, 9999, 0, key="noise_seed", bind="query-params"
        )
        return f"noise:{seed}"
    if name == PICTURE:
        gallery = state.gallery()
        other = st.selectbox(
            "Which picture",
            list(gallery),
            format_func=lambda sample: gallery[sample].title,
            key="other",
            bind="query-params",
        )
        return explainer.as_baseline(state.sample_picture(other))
    return name
