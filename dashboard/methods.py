"""Which maps are on the page, and the settings of their methods."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.baselines import BASELINES, PICTURE
from core.errors import UserError
from core.explainer import Explainer
from core.methods import METHODS, options_of, with_options
from core.scores import Question
from core.settings import (
    ENOUGH,
    IntegratedGradientsSetting,
    OcclusionSetting,
    Setting,
)
from core.study import WINDOWS
from core.text import markdown
from dashboard import state
from dashboard.live import about
from dashboard.view import Scene

_log = logging.getLogger(__name__)

SMALL, LARGE = "occlusion_small", "occlusion_large"
TITLES = {SMALL: "Occlusion small", LARGE: "Occlusion large"} | {
    name: method.title for name, method in METHODS.items() if name != "occlusion"
}
BASELINE_TITLES = {name: name for name in BASELINES} | {PICTURE: "another picture"}
_DEFAULT = ("integrated_gradients", SMALL, LARGE)
_STEPS = (ENOUGH, "10", "25", "50", "100", "200", "300")
_MAX_WINDOW = 224

WINDOW_KEYS = ("small_window", "small_stride", "large_window", "large_stride")
# The keys of the controls whose values are in the address.
BOUND = (
    *("maps", "judge", *WINDOW_KEYS, "baseline", "sigma", "noise_seed", "other", "steps"),
    *("samples", "stdev", "seed", "layer", "segments"),
)


@dataclass(frozen=True)
class Methods:
    """What is to be computed.

    Attributes:
        maps: (title, setting) of each map, in the order of the page.
        small, large: the two windows, also where no map shows them.
        gradients: Integrated Gradients, likewise.
        judged: whether each map is judged.
    """

    maps: tuple[tuple[str, Setting], ...]
    small: OcclusionSetting
    large: OcclusionSetting
    gradients: IntegratedGradientsSetting
    judged: bool


def choose_methods(
    explainer: Explainer, scene: Scene, question: Question
) -> tuple[Methods, DeltaGenerator]:
    """Maps, windows, baseline, and what else the chosen methods need.

    Also the place for `say_what_is_missing`, which comes after what a person waits for.
    """
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
    missing = st.empty()
    judged = st.toggle(
        "Judge each map",
        value=True,
        key="judge",
        bind="query-params",
        help="Measure how far to trust it, once the maps are there: what it costs is said while it "
        "runs.",
    )
    sizes, costs = [], []
    for label, prefix in (("Small window", "small"), ("Large window", "large")):
        st.markdown(f"**{markdown(label)}**")
        sizes.append(_choose_window(prefix))
        costs.append(st.empty())
    baseline = _choose_baseline(explainer)
    options = _choose_options(explainer, scene, chosen)
    small, large = (OcclusionSetting(window, stride, baseline) for window, stride in sizes)
    for place, setting in zip(costs, (small, large), strict=True):
        place.caption(markdown(_cost(explainer, scene, setting, question)))
    options["baseline"] = baseline
    maps: list[tuple[str, Setting]] = []
    for name in chosen:
        if name in (SMALL, LARGE):
            window = small if name == SMALL else large
            maps.append((f"{TITLES[name]} {window.window}/{window.stride}", window))
        else:
            maps.append((TITLES[name], _setting(name, options)))
    gradients = IntegratedGradientsSetting(options.get("steps", ENOUGH), baseline)
    return Methods(tuple(maps), small, large, gradients, judged), missing


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


def _choose_window(prefix: str) -> tuple[int, int]:
    """Size and stride of one of the two windows."""
    small, large = WINDOWS[state.DEFAULT_SAMPLE]
    default = small if prefix == "small" else large
    chosen = []
    for column, name, value, words in zip(
        st.columns(2),
        ("window", "stride"),
        (default.window, default.stride),
        (
            "Side of the covered square, in pixels of the model's input.",
            "From one window to the next: at most the size, or pixels stay uncovered.",
        ),
        strict=True,
    ):
        chosen.append(
            column.slider(
                "size" if name == "window" else name,
                1,
                _MAX_WINDOW,
                value,
                key=f"{prefix}_{name}",
                bind="query-params",
                on_change=_limit_stride,
                args=(prefix,),
                help=words,
            )
        )
    return chosen[0], chosen[1]


def _choose_baseline(explainer: Explainer) -> str:
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


def _choose_options(explainer: Explainer, scene: Scene, chosen: Sequence[str]) -> dict[str, Any]:
    """The settings that the chosen methods have, and no others."""
    options: dict[str, Any] = {}
    if "integrated_gradients" in chosen:
        steps = st.select_slider(
            "Integrated Gradients steps",
            _STEPS,
            key="steps",
            bind="query-params",
            help="Points between the baseline and the picture, a pass forward and back each. "
            "enough: placed where they are needed, until the map adds up to within 1 %.",
        )
        options["steps"] = steps if steps == ENOUGH else int(steps)
    if {"smoothgrad", "smoothgrad_sq", "vargrad", "gradient_shap"}.intersection(chosen):
        options["samples"] = st.slider(
            "Noisy samples", 2, 100, 10, key="samples", bind="query-params"
        )
        options["stdev"] = st.slider(
            "Noise",
            0.05,
            2.0,
            0.3,
            0.05,
            key="stdev",
            bind="query-params",
            help="Standard deviation, in units of the model's normalised input; the study used 1.",
        )
        options["seed"] = st.number_input("Seed", 0, 9999, 0, key="seed", bind="query-params")
    if {"grad_cam", "guided_grad_cam"}.intersection(chosen):
        layers = explainer.layers(scene.classifier, scene.picture)
        if layers:
            options["layer"] = st.selectbox(
                "Grad-CAM layer",
                layers,
                index=len(layers) - 1,
                key="layer",
                bind="query-params",
                help="The last layer of each size of map; the last of all is what the paper uses.",
            )
    if "superpixels" in chosen:
        options["segments"] = st.slider(
            "Superpixels", 10, 300, 60, step=10, key="segments", bind="query-params"
        )
    return options


def _cost(explainer: Explainer, scene: Scene, setting: OcclusionSetting, question: Question) -> str:
    """How many windows that is, and what is still to be done for them.

    Nothing where there can be none, which the panel says.
    """
    try:
        survey = explainer.survey(scene.classifier, scene.picture, setting)
        cost = explainer.forecast(scene.classifier, scene.picture, setting, question)
    except UserError:
        return ""
    windows = f"{survey.grid.count:,} window{'s' if survey.grid.count > 1 else ''}"
    if not cost.passes:
        return f"{windows}, all known"
    if cost.known:
        windows += f", {cost.known:,} known"
    return f"{windows}, {'one pass each' if cost.seconds is None else about(cost.seconds)}"


def _limit_stride(prefix: str) -> None:
    stride = f"{prefix}_stride"
    st.session_state[stride] = min(st.session_state[stride], st.session_state[f"{prefix}_window"])
