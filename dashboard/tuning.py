"""The controls of the map that is shown large, beside it."""

import streamlit as st

from core.errors import UserError
from core.explainer import Explainer
from core.scores import Question
from core.settings import OcclusionSetting
from core.text import escape, markdown
from dashboard import kept
from dashboard.live import about
from dashboard.methods import LARGE, SMALL, TITLES, Methods
from dashboard.view import Scene

_SMOOTHED = ("smoothgrad", "smoothgrad_sq", "vargrad", "gradient_shap")
_OF_LAYERS = ("grad_cam", "guided_grad_cam")
# Fine where a pixel makes a difference, coarse where it makes none.
_SIDES = (*range(1, 32), *range(32, 64, 2), *range(64, 128, 4), *range(128, kept.MAX_WINDOW + 1, 8))


def draw_tuning(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, chosen: str
) -> None:
    """Draw the controls of a map, by its name; nothing for a method without settings."""
    if chosen in (SMALL, LARGE):
        _windows(explainer, scene, question, methods, chosen)
    if chosen == "integrated_gradients":
        st.selectbox(
            "Steps",
            kept.STEPS,
            key="steps",
            help="Points between the baseline and the picture, a pass forward and back each. "
            "enough: placed where they are needed, until the map adds up to within 1 %.",
        )
    if chosen in _SMOOTHED:
        st.slider("Noisy samples", *kept.SAMPLES, key="samples")
        st.slider(
            "Noise",
            *kept.STDEV,
            step=0.05,
            key="stdev",
            help="Standard deviation, in units of the model's normalised input; the study used 1.",
        )
        st.number_input("Seed", 0, kept.MAX_SEED, key="seed")
    if chosen in _OF_LAYERS and methods.layers:
        if st.session_state["layer"] not in methods.layers:
            st.session_state["layer"] = methods.layers[-1]  # it was another model's
        st.selectbox(
            "Layer",
            methods.layers,
            key="layer",
            help="The last layer of each size of map; the last of all is what the paper uses.",
        )
    if chosen == "superpixels":
        st.slider("Superpixels", *kept.SEGMENTS, step=10, key="segments")


def _windows(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, chosen: str
) -> None:
    """Size and stride, and what they cost."""
    prefix = "small" if chosen == SMALL else "large"
    title = TITLES[chosen]
    _side(f"{prefix}_window", "Window", f"{title}: side of the window in pixels", prefix)
    _side(f"{prefix}_stride", "Stride", f"{title}: stride in pixels", prefix)
    setting = methods.small if chosen == SMALL else methods.large
    st.caption(
        markdown(_cost(explainer, scene, setting, question)),
        help="Size and stride are in pixels of the model's input. The stride is at most the size: "
        "pixels would stay uncovered.",
    )


def _side(key: str, words: str, name: str, prefix: str) -> None:
    """A number of pixels, as a slider and as a number to type.

    Where the slider has moved, the box for the number is a new one. If it were set instead, the
    browser could answer with a number of a moment ago, which would move the slider back.
    """
    boxes = f"{key}_boxes"
    count = st.session_state.setdefault(boxes, 0)
    if st.session_state.get(f"{key}_typed_{count}", value := st.session_state[key]) != value:
        count = st.session_state[boxes] = count + 1
    typed = f"{key}_typed_{count}"
    label, slider, number = st.columns([1.3, 4.2, 1.9], vertical_alignment="center", gap="small")
    label.html(f'<span class="wil-label" aria-hidden="true">{escape(words)}</span>')
    slider.select_slider(
        name,
        sorted({*_SIDES, value}),
        key=key,
        label_visibility="collapsed",
        on_change=_limit_stride,
        args=(prefix,),
    )
    number.number_input(
        f"{name}, as a number",
        1,
        kept.MAX_WINDOW,
        value,
        key=typed,
        label_visibility="collapsed",
        on_change=_take_typed,
        args=(key, typed, prefix),
    )


def _take_typed(key: str, typed: str, prefix: str) -> None:
    st.session_state[key] = st.session_state[typed]
    _limit_stride(prefix)


def _limit_stride(prefix: str) -> None:
    """From one window to the next, at most the size: pixels would stay uncovered."""
    window, stride = (st.session_state[f"{prefix}_{name}"] for name in ("window", "stride"))
    if stride > window:  # else the slider would be set to where it was, while somebody moves it on
        st.session_state[f"{prefix}_stride"] = window


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
