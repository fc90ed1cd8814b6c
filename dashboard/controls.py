"""What a person chooses once, in the sidebar, and the class that is explained."""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.labels import choice, display_names
from core.models import DEFAULT_MODEL, Classifier, available_devices, registry
from core.rendering import COLOUR_MAPS, SIGNS, Display
from core.scores import SCORE_KINDS, Question
from core.text import markdown
from dashboard import methods, state
from dashboard.messages import read_number
from dashboard.view import Look

PREDICTED = "predicted class"
NOTHING = "nothing"

# The keys of the controls whose values are in the address.
BOUND = (
    *("model", "device", "target", "contrast", "score", *methods.BOUND),
    *("sign", "colour_map", "opacity", "outliers", "same_scale", "captum", "whole_photo", "summed"),
)


def titles() -> set[tuple[str, str]]:
    """Names with what the page calls them: models, samples, methods and baselines.

    A model of somebody's own may have the name of a sample.
    """
    models = {(name, record.title) for name, record in registry().items()}
    pictures = {(name, sample.title) for name, sample in state.gallery().items()}
    return models | pictures | {*methods.TITLES.items(), *methods.BASELINE_TITLES.items()}


def choose_model(not_usable: Sequence[str]) -> tuple[str, str]:
    """Name and device; below them, in one sentence each, why other models are not offered."""
    records = registry()

    name = st.selectbox(
        "Model",
        list(records),
        index=list(records).index(DEFAULT_MODEL),
        format_func=lambda name: records[name].title,
        key="model",
        bind="query-params",
        help="Weights that are not here yet are downloaded once, into torch's usual cache.",
    )
    for sentence in not_usable:
        st.warning(markdown(sentence))
    weights = records[name].weights
    if not weights.present:
        st.caption(markdown(f"Its weights, {weights.megabytes:.0f} MB, are downloaded now."))
    devices = available_devices()
    if len(devices) == 1:
        return name, "auto"
    device = st.selectbox(
        "Device",
        ["auto", *devices],
        key="device",
        bind="query-params",
        help="auto takes the fastest that this machine has.",
    )
    return name, device


def names_of(classifier: Classifier) -> tuple[str, ...]:
    """The names of the classes, as the lists of this page tell them apart."""
    return display_names(classifier.class_names, PREDICTED, NOTHING)


def choose_target(classifier: Classifier, order: list[int]) -> int:
    """The class that is explained; ``order`` lists all, most probable first."""
    names = names_of(classifier)
    label, place = st.columns([1.3, 6.2], vertical_alignment="center", gap="small")
    label.html('<span class="wil-label" aria-hidden="true">Explain</span>')
    asked = place.selectbox(
        "Explain",
        [PREDICTED, *(names[index] for index in order)],
        key="target",
        bind="query-params",
        accept_new_options=True,
        label_visibility="collapsed",
        help="The class whose score is explained (target). Type to search all classes.",
    )
    target = _resolve("target", asked, names, classifier.class_names)
    return order[0] if target is None else target


def choose_score(
    classifier: Classifier, order: list[int], target: int, tell: DeltaGenerator
) -> Question:
    """The question about a class: against which other, and on which scale.

    ``tell`` is where it is said why another class cannot be had: the controls may be folded away.
    """
    names = names_of(classifier)
    against = st.selectbox(
        "against",
        [NOTHING, *(names[index] for index in order)],
        key="contrast",
        bind="query-params",
        accept_new_options=True,
        help="Explain the score of the one minus the score of the other (contrast).",
    )
    with tell:
        contrast = (
            None
            if against == NOTHING
            else _resolve("contrast", against, names, classifier.class_names)
        )
        if contrast == target:
            st.warning("Both are the same class; explained against nothing.")
            contrast = None
    kind = st.selectbox(
        "measured in",
        SCORE_KINDS,
        format_func=lambda kind: kind.replace("_", " "),
        key="score",
        bind="query-params",
        help="logit: the network's raw output. probability: after softmax, so that a class also "
        "falls when another rises.",
    )
    return Question(target, contrast, kind)


def explain_class(classifier: Classifier, index: str) -> None:
    """Make a class the target, by its index, if there is such a one; for use in a callback."""
    names = names_of(classifier)
    number = read_number(index, len(names) - 1)
    if number is not None:
        _set("target", names[number])


def choose_judging() -> bool:
    """Whether each map is judged."""
    return st.toggle(
        "Judge each map",
        value=True,
        key="judge",
        bind="query-params",
        help="Measure how far to trust it, once the maps are there: what it costs is said while it "
        "runs.",
    )


def choose_look() -> Look:
    """How the maps are drawn; costs no computation."""
    default = Display()
    sign = st.selectbox(
        "Values", SIGNS, key="sign", bind="query-params", help="Which evidence is shown."
    )
    colour_map = st.selectbox("Colours", list(COLOUR_MAPS), key="colour_map", bind="query-params")
    opacity = st.slider(
        "Opacity", 0.0, 1.0, default.opacity, 0.05, key="opacity", bind="query-params"
    )
    outliers = st.slider(
        "Outlier percentile",
        0.0,
        20.0,
        default.outlier_percent,
        0.5,
        key="outliers",
        bind="query-params",
        help="The scale ends where this share of the map's total is left above it "
        "(outlier_perc in Captum; the study used 2).",
    )
    same_scale = st.toggle(
        "One scale for all maps",
        key="same_scale",
        bind="query-params",
        help="Lock the colour bars to the largest of them, so that colours can be compared.",
    )
    held_scale = st.toggle(
        "Hold the scale",
        key="held_scale",
        help="Keep the present scales while picture, model or class change, so that two "
        "pictures can be compared.",
    )
    captum = st.toggle(
        "Captum's look",
        key="captum",
        bind="query-params",
        help="As in Captum's tutorials: positive values only, from 0 to 1, in blues. Then the "
        "numbers say nothing of the model's score.",
    )
    whole_photo = st.toggle(
        "On the whole photo",
        key="whole_photo",
        bind="query-params",
        help="Put the maps back on the photo; what the model did not see is greyed.",
    )
    summed = st.toggle(
        "Sum fine maps around each pixel",
        value=True,
        key="summed",
        bind="query-params",
        help="For the drawing alone: a map with a value for each pixel is a cloud of dots in which "
        "no shape is seen. Read-outs and downloads stay as computed.",
    )
    if captum:
        sign, colour_map = "positive", "blues"
    display = Display(sign, colour_map, opacity, outliers)
    return Look(display, same_scale, held_scale, whole_photo, captum, summed and not captum)


def _resolve(
    key: str, asked: str, names: tuple[str, ...], class_names: tuple[str, ...]
) -> int | None:
    """The class that was asked for; None, and a sentence with offers, if it is absent or not clear.

    ``names`` are those that the list shows.
    """
    if asked == PREDICTED:
        return None
    if asked in names:
        return names.index(asked)
    found = choice(class_names, asked)
    if found.index is not None:
        return found.index
    st.warning(markdown(found.sentence(class_names)))
    for index in found.offers[:3]:
        st.button(
            markdown(names[index]),
            key=f"{key}_offer_{index}",
            on_click=_set,
            args=(key, names[index]),
        )
    return None


def _set(key: str, value: str) -> None:
    st.session_state[key] = value
