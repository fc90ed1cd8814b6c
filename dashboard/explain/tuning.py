"""The settings of the map that is shown large: window, stride, steps, samples, masks, layer."""

import streamlit as st

from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods.attention_methods import FUSIONS
from core.methods.cam_methods import ALL_LAYERS
from core.methods.cover_methods import OcclusionSetting
from core.methods.given_setting import GIVEN
from core.methods.lrp_method import LRP_RULES
from core.methods.options import options_of
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.text import counted, escape, markdown
from dashboard.drawing.places import replacing
from dashboard.drawing.view import Scene
from dashboard.explain import kept
from dashboard.explain.methods import LARGE, OF_COALITIONS, SMALL, TITLES, Methods, layer_choice
from dashboard.explain.own_map import draw_said
from dashboard.explain.own_regions import draw_own, has_own
from dashboard.session.live import about

_SMOOTHED = ("smoothgrad", "smoothgrad_sq", "vargrad", "gradient_shap")
# Fine where a pixel makes a difference, coarse where it makes none.
_SIDES = (*range(1, 32), *range(32, 64, 2), *range(64, 128, 4), *range(128, kept.MAX_WINDOW + 1, 8))


def draw_tuning(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, chosen: str
) -> None:
    """Draw the controls of a map, by its name; nothing for a method without settings."""
    if chosen in (SMALL, LARGE):
        _windows(explainer, scene, question, methods, chosen)
    if chosen == GIVEN:
        draw_said(scene)
    if chosen == "integrated_gradients":
        st.selectbox(
            "Steps",
            kept.STEPS,
            key="steps",
            help="Points on the path from baseline to picture, one forward and backward pass each. "
            "enough: placed adaptively, until the values are complete within 1 %.",
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
    if chosen == "rise":
        st.slider("Masks", *kept.MASKS, step=100, key="masks", help="One pass each.")
        st.slider("Cells", *kept.CELLS, key="cells", help="Of a mask, along each side.")
    if chosen in ("superpixels", *OF_COALITIONS):
        # In any case, or what follows would be another element, and close; and cleared of the
        # slider and its box that were here.
        with replacing(st.container(), 3):
            if not has_own(scene.picture):
                st.slider("Superpixels", *kept.SEGMENTS, step=10, key="segments")
        draw_own(scene)
    if chosen in OF_COALITIONS:
        st.slider(
            "Coalitions",
            *kept.COALITIONS,
            step=100,
            key="coalitions",
            help="Random choices of patches that are kept, one pass each.",
        )
    if chosen in (*_SMOOTHED, "rise", *OF_COALITIONS):
        st.number_input("Seed", 0, kept.MAX_SEED, key="seed")
    own = options_of(chosen) if chosen in METHODS else set()
    if "layer" in own and methods.layers:
        key, choices = layer_choice(chosen, methods.layers)
        if st.session_state[key] not in choices:
            st.session_state[key] = methods.layers[-1]  # it was another model's
        fused = f" {ALL_LAYERS}: all of these, scaled alike, and the largest of them at each place."
        st.selectbox(
            "Layer",
            choices,
            key=key,
            help="The last layer of each size of map; the last of all is what most papers use."
            + (fused if ALL_LAYERS in choices else ""),
        )
    if "signed" in own:
        st.toggle(
            "Evidence against, too",
            key="signed",
            help="Below zero: what speaks for the negative score. The papers leave it out.",
        )
    if chosen == "attention_rollout":
        st.selectbox(
            "Heads",
            FUSIONS,
            key="fusion",
            help="How the heads of a layer become one; the mean is what the paper uses.",
        )
    if chosen == "legrad":
        st.number_input(
            "First layer",
            *kept.START,
            key="start",
            help="Layers from this one to the last count; the paper uses all, from 1 on.",
        )
    if chosen == "lrp":
        _relevance()


def _relevance() -> None:
    """The rules of LRP, and their numbers."""
    rule = st.selectbox(
        "Rule",
        LRP_RULES,
        key="rule",
        help="auto: attn for a network with attention, epsilon_plus_flat for any other. epsilon: "
        "each input's share of the output, in all layers. epsilon_plus_flat: only positive shares "
        "in convolutions, even ones in the first layer. epsilon_gamma_box: positive shares "
        "favoured in convolutions, the range of the picture's values taken for the first layer. "
        "attn: the side of the output favoured in all layers but attention's projections, which "
        "have epsilon. Attention has AttnLRP's rules in all of these.",
    )
    if "epsilon" in LRP_RULES[rule]:
        st.select_slider(
            "Epsilon",
            kept.EPSILONS,
            key="epsilon",
            help="Added to the size of each output of the epsilon rule: more keeps only strong "
            "contributions, and less of the score.",
        )
    if "gamma" in LRP_RULES[rule]:
        st.slider(
            "Gamma",
            *kept.GAMMA,
            step=0.05,
            key="gamma",
            help="How much more contributions of an output's own sign count in the gamma rule.",
        )


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
    windows = counted(survey.grid.count, "window")
    if not cost.passes:
        return f"{windows}, all known"
    if cost.known:
        windows += f", {cost.known:,} known"
    return f"{windows}, {'one pass each' if cost.seconds is None else about(cost.seconds)}"
