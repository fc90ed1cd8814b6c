"""The choice of attribution methods and baseline, and the settings of each method."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods.baselines import BASELINES, PICTURE
from core.methods.cam_methods import ALL_LAYERS, ChannelCamSetting
from core.methods.cover_methods import OcclusionSetting
from core.methods.given_setting import GIVEN, GivenSetting
from core.methods.gradient_methods import ENOUGH, IntegratedGradientsSetting
from core.methods.method import GROUPS, Method
from core.methods.options import of_use, options_of, with_options
from core.methods.registry import METHODS
from core.methods.settings import Setting
from core.methods.suggestions import suggested
from core.text import escape, markdown
from dashboard.drawing.view import INPUT_TITLE, PHOTO_TITLE, Scene
from dashboard.explain.kept import KEPT
from dashboard.explain.own_map import own_map
from dashboard.explain.own_regions import with_own
from dashboard.session import state

_log = logging.getLogger(__name__)

SMALL, LARGE = "occlusion_small", "occlusion_large"
TITLES = {SMALL: "Occlusion small", LARGE: "Occlusion large"} | {
    name: method.title for name, method in METHODS.items() if name != "occlusion"
}
BASELINE_TITLES = {name: name for name in BASELINES} | {PICTURE: "another picture"}
OF_COALITIONS = ("kernel_shap", "lime")
"""Methods whose samples are coalitions of patches, of which it takes more than of noisy copies."""
_DEFAULT = (SMALL, LARGE, "integrated_gradients")

# The keys of the controls whose values are in the address.
BOUND = ("maps", "judge", "reveal", "baseline", "sigma", "noise_seed", "other", *KEPT)


@dataclass(frozen=True)
class Methods:
    """What is to be computed.

    Attributes:
        names: of the maps, in the order of the page.
        maps: (title, setting) of each map, in the same order.
        small, large: the two windows, also where no map shows them.
        gradients: Integrated Gradients, likewise.
        layers: those that a CAM may look at, if a map needs them.
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
    def of_methods(self) -> dict[str, Setting]:
        """The maps that can be made of any picture, by title: all but one made elsewhere."""
        return {t: each for t, each in self.maps if not isinstance(each, GivenSetting)}

    @property
    def titled(self) -> dict[str, str]:
        """The titles of the maps, by name."""
        return {name: title for name, (title, _) in zip(self.names, self.maps, strict=True)}


def choose_maps() -> tuple[list[str], DeltaGenerator, DeltaGenerator]:
    """The names of the maps that are to be shown, and the places for what follows.

    That is a map of one's own, and then `offer_methods`.
    """
    chosen = st.multiselect(
        "Maps",
        list(TITLES),
        default=_DEFAULT,
        format_func=TITLES.__getitem__,
        key="maps",
        bind="query-params",
        help="The maps that are shown, in this order.",
    )
    return chosen, st.container(), st.empty()


def methods_of(
    explainer: Explainer, scene: Scene, names: Sequence[str], baseline: str, judged: bool
) -> Methods:
    """The methods with the settings that their controls have."""
    now = st.session_state
    plain = ("samples", "stdev", "seed", "segments", "masks", "cells", "signed")
    alike = (*plain, "fusion", "start", "rule", "gamma")
    options: dict[str, Any] = {key: now[key] for key in alike}
    options["epsilon"] = float(now["epsilon"])
    options["baseline"] = baseline
    options["steps"] = ENOUGH if now["steps"] == ENOUGH else int(now["steps"])
    layers: tuple[str, ...] = ()
    if any("layer" in options_of(name) for name in METHODS.keys() & set(names)):
        with suppress(UserError):  # the panel of the map says why
            layers = tuple(explainer.layers(scene.classifier, scene.picture))
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
            drawn = {"samples": now["coalitions"]} if name in OF_COALITIONS else {}
            setting = _setting(name, {**options, **drawn}, layers)
            maps.append((TITLES[name], with_own(explainer, scene.picture, setting)))
    gradients = IntegratedGradientsSetting(options["steps"], baseline)
    own = own_map(explainer, scene.picture, baseline)
    if own is not None:
        title, setting = own
        while title in {PHOTO_TITLE, INPUT_TITLE, *dict(maps)}:  # which tell panels apart
            title += " (file)"
        names = [*names, GIVEN]
        maps.append((title, setting))
    return Methods(tuple(names), tuple(maps), small, large, gradients, layers, judged)


def layer_choice(name: str, layers: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Where a method's layer is chosen: the key of the control, and the choices.

    Those that take a picture for each channel look at one layer, and have a control of their own:
    another layer costs them as much as the first.
    """
    if isinstance(METHODS[name].setting, ChannelCamSetting):
        return "channel_layer", layers
    return "layer", (*layers, ALL_LAYERS) if len(layers) > 1 else layers


def offer_methods(place: DeltaGenerator, explainer: Explainer, scene: Scene) -> None:
    """All methods by the question that they answer, without those that the model cannot have.

    Takes seconds for a new model, whose methods are not known yet.
    """
    try:
        missing = explainer.unavailable(scene.classifier, scene.picture)
    except UserError as error:
        _log.info("methods: not known", exc_info=error)
        return  # each panel says why there is no map
    offered = suggested(missing)
    with place.container(gap="small"):
        st.button(
            "Suggested for this model",
            on_click=_show_only,
            args=(offered,),
            help=", ".join(TITLES[name] for name in offered),
        )
        for group, (title, question) in GROUPS.items():
            st.html(f'<p class="wil-group"><b>{escape(title)}.</b> {escape(question)}</p>')
            with st.container(horizontal=True):
                for name, words in TITLES.items():
                    if _method(name).group == group:
                        _offer(name, words, missing.get(name))


def _offer(name: str, words: str, reason: str | None) -> None:
    """A box to tick for a method; greyed where the model cannot have it, with the reason."""
    shown = name in st.session_state["maps"]
    st.session_state[f"show_{name}"] = shown
    st.checkbox(
        markdown(words),
        key=f"show_{name}",
        on_change=_toggle,
        args=(name,),
        disabled=reason is not None and not shown,
        help=markdown(f"Not for this model, since {reason}." if reason else _reading(name)),
        width="content",
    )


def _method(name: str) -> Method:
    """The method of a map of the page, by the map's name."""
    return METHODS["occlusion" if name in (SMALL, LARGE) else name]


def _reading(name: str) -> str:
    """What a pixel of a map means."""
    words = _method(name).reading.format(score="the score")
    return f"A pixel: {words}."


def _toggle(name: str) -> None:
    """Show a map that is not on the page, or leave it out."""
    before: list[str] = st.session_state["maps"]
    left = [each for each in before if each != name]
    _show_only(left if name in before else [*before, name])


def _show_only(names: Sequence[str]) -> None:
    st.session_state["maps"] = list(names)


def _setting(name: str, options: dict[str, Any], layers: tuple[str, ...]) -> Setting:
    """A method with those of the options that it uses, and one of the layers if it has one."""
    if "layer" in options_of(name) and layers:
        key, choices = layer_choice(name, layers)
        chosen = st.session_state[key]
        options = {**options, "layer": chosen if chosen in choices else layers[-1]}
    own = of_use(name, options)
    if name == "smoothgrad_sq":
        del own["steps"]  # of every sample: many times the steps of a single map
    return with_options(name, own)


def choose_baseline(explainer: Explainer) -> str:
    """The baseline: what replaces covered pixels, and where paths begin."""
    name = st.selectbox(
        "Baseline",
        list(BASELINE_TITLES),
        format_func=BASELINE_TITLES.__getitem__,
        key="baseline",
        bind="query-params",
        help="What replaces covered pixels, and where the path of Integrated Gradients begins. "
        "Grey is zero after normalisation: the mean colour of the preprocessing, not black.",
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
