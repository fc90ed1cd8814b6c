"""Controls of the main page: model, target, contrast, score and display."""

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.drawing.rendering import COLOUR_MAPS, SIGNS, Display
from core.errors import ModelError
from core.methods.baselines import OF_CURVES
from core.methods.scores import Question
from core.models.catalogue import ModelRecord
from core.models.classifiers import Classifier, available_devices
from core.models.heads import HEAD_KINDS, SOFTMAX, Head
from core.models.labels import choice, display_names
from core.models.registry import DEFAULT_MODEL, records
from core.models.timm_models import timm_names
from core.text import markdown
from core.trust.settings import FaithfulnessSetting
from dashboard.browser.messages import read_number
from dashboard.drawing.view import Look
from dashboard.explain import methods
from dashboard.session import options, state

PREDICTED = SOFTMAX.first
_FIRST = sorted({Head(kind).first for kind in HEAD_KINDS})
NOTHING = "nothing"
_SCORES = (
    "logit: the network's raw output. probability: computed from the logits; if classes are "
    "mutually exclusive (softmax), it also falls when another class rises."
)

# The keys of the controls whose values are in the address.
BOUND = (
    *("model", "device", "target", "contrast", "score", *methods.BOUND),
    *("sign", "colour_map", "opacity", "outliers", "same_scale", "captum", "whole_photo", "summed"),
)


def titles() -> set[tuple[str, str]]:
    """Names with what the page calls them: models, samples, methods and baselines.

    A user's own model may have the name of a sample.
    """
    models = {(name, record.title) for name, record in records().items()}
    pictures = {(name, sample.title) for name, sample in state.gallery().items()}
    return models | pictures | {*methods.TITLES.items(), *methods.BASELINE_TITLES.items()}


def title_of(model: str) -> str:
    """A model's name for people; of one that is not on the list, as it was typed."""
    record = records().get(model)
    return model if record is None else record.title


def choose_model(not_usable: Sequence[str]) -> tuple[str, str]:
    """Name and device; below them, in one sentence each, why other models are not offered."""
    offered = records()
    _take_name(offered)
    others = options.may_download()
    name: str = (
        st.selectbox(
            "Model",
            list(offered),
            index=list(offered).index(DEFAULT_MODEL),
            format_func=title_of,
            key="model",
            bind="query-params",
            accept_new_options=others,
            required=True,
            help="Weights that are not here yet are downloaded once, into the usual cache."
            + (" Another model: type timm:NAME or hf:ORG/NAME." if others else ""),
        )
        or DEFAULT_MODEL
    )
    if others:
        _choose_another()
    for sentence in not_usable:
        st.warning(markdown(sentence))
    weights = offered[name].weights if name in offered else None
    if weights is not None and not weights.present:
        size = "" if weights.megabytes is None else f", {weights.megabytes:.0f} MB"
        st.caption(markdown(f"Downloading its weights{size}."))
    devices = available_devices()
    if len(devices) == 1:
        return name, "auto"
    device = st.selectbox(
        "Device",
        ["auto", *devices],
        key="device",
        bind="query-params",
        help="auto selects the fastest device of this machine.",
    )
    return name, device


def _take_name(offered: Mapping[str, ModelRecord]) -> None:
    """Let an address name a model as the command line does: it is given its title."""
    record = offered.get(st.query_params.get("model", ""))
    titles = {each.title for each in offered.values()}
    if record is not None and record.name not in titles and "model" not in st.session_state:
        st.query_params["model"] = record.title
        st.rerun()  # controls read the address once, as it was when the run began


def _choose_another() -> None:
    """Search timm's models, or give a name of the Hugging Face hub."""
    search = st.expander("Another model", key="another_model", on_change="rerun")
    if not search.open:
        return
    with search:
        try:
            names = timm_names()  # imports timm, so not before somebody asks
        except ModelError as error:
            st.caption(markdown(str(error)))
            return
        st.selectbox(
            "timm",
            names,
            index=None,
            placeholder=f"Search {len(names):,} models",
            key="timm_model",
            on_change=_take_model,
            args=("timm_model", ""),
            help="Architecture and weights by their names in timm.",
        )
        st.text_input(
            "Hugging Face",
            placeholder="ORG/NAME",
            key="hub_model",
            on_change=_take_model,
            args=("hub_model", "hf:"),
            help="An image classifier of the hub. Code that it brings along is never run.",
        )


def _take_model(key: str, prefix: str) -> None:
    """Choose a model that is not on the list."""
    if wanted := str(st.session_state[key] or "").strip():
        st.session_state["model"] = prefix + wanted.removeprefix(prefix)


def names_of(classifier: Classifier) -> tuple[str, ...]:
    """The names of the classes, as the lists of this page tell them apart."""
    return display_names(classifier.class_names, *_FIRST, NOTHING)


def choose_target(classifier: Classifier, order: list[int]) -> int:
    """The target class; ``order`` lists all classes, most probable first."""
    names, head = names_of(classifier), classifier.head
    if st.session_state.get("target") in _FIRST:  # as another model's outputs were called
        st.session_state["target"] = head.first
    label, place = st.columns([1.3, 6.2], vertical_alignment="center", gap="small")
    label.html('<span class="wil-label" aria-hidden="true">Explain</span>')
    asked = place.selectbox(
        "Explain",
        [head.first, *(names[index] for index in order)],
        key="target",
        bind="query-params",
        accept_new_options=True,
        label_visibility="collapsed",
        help=f"The {head.noun} whose score is explained (target). Type to search all.",
    )
    target = _resolve("target", asked, names, classifier.class_names)
    return order[0] if target is None else target


def choose_score(
    classifier: Classifier, order: list[int], target: int, tell: DeltaGenerator
) -> Question:
    """Contrast class and kind of score.

    ``tell`` is where a class that does not exist is reported: the controls may be folded away.
    """
    names = names_of(classifier)
    against = st.selectbox(
        "Contrast",
        [NOTHING, *(names[index] for index in order)],
        key="contrast",
        bind="query-params",
        accept_new_options=True,
        help=f"Explain the score of the target minus the score of this {classifier.head.noun}.",
    )
    with tell:
        contrast = (
            None
            if against == NOTHING
            else _resolve("contrast", against, names, classifier.class_names)
        )
        if contrast == target:
            noun = classifier.head.noun
            words = f"Target and contrast are the same {noun}; explained without a contrast."
            st.warning(markdown(words))
            contrast = None
    head = classifier.head
    if contrast is not None and head.kind == "binary":
        tell.warning("This model has one logit; explained without a contrast.")
        contrast = None
    kind = st.selectbox(
        "Score",
        head.scores,
        format_func=head.scale,
        key="score",
        bind="query-params",
        help=_SCORES if head.has_probabilities else "The value that the model gives is explained.",
    )
    return Question(target, contrast, kind, head)


def explain_class(classifier: Classifier, index: str) -> None:
    """Make a class the target, by its index, if it exists; for use in a callback."""
    names = names_of(classifier)
    number = read_number(index, len(names) - 1)
    if number is not None:
        _set("target", names[number])


def choose_judging() -> bool:
    """Whether the trust measures of each map are computed, and what covers the blocks."""
    judged = st.toggle(
        "Trust measures",
        value=True,
        key="judge",
        bind="query-params",
        help="Compute deletion, insertion, infidelity, weight randomisation and noise stability of "
        "each map, after the maps.",
    )
    st.selectbox(
        "Baseline of the blocks",
        OF_CURVES,
        index=OF_CURVES.index(FaithfulnessSetting().baseline),
        key="reveal",
        bind="query-params",
        disabled=not judged,
        help="What replaces a covered block in deletion and insertion. A black block adds a shape; "
        "a blur keeps colours; ROAD fills the block from its surroundings, which hides its shape "
        "and takes longer.",
    )
    return judged


def choose_look() -> Look:
    """Display settings, which need no forward pass."""
    default = Display()
    sign = st.selectbox(
        "Values", SIGNS, key="sign", bind="query-params", help="Which values are shown."
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
        help="Values above the end of the scale make up this share of the map's total "
        "(outlier_perc in Captum; the study used 2).",
    )
    same_scale = st.toggle(
        "One scale for all maps",
        key="same_scale",
        bind="query-params",
        help="All colour bars take the largest range, so that colours can be compared.",
    )
    held_scale = st.toggle(
        "Hold the scale",
        key="held_scale",
        help="Keep the current scales when picture, model or target change, for comparison.",
    )
    captum = st.toggle(
        "Captum's style",
        key="captum",
        bind="query-params",
        help="As in Captum's tutorials: positive values only, from 0 to 1, in blues. The numbers "
        "are then not in units of the score.",
    )
    whole_photo = st.toggle(
        "On the whole photo",
        key="whole_photo",
        bind="query-params",
        help="Draw the maps on the whole photo; the part outside the model's crop is greyed.",
    )
    summed = st.toggle(
        "Sum fine maps around each pixel",
        value=True,
        key="summed",
        bind="query-params",
        help="Smooth maps that have one value per pixel, so that shapes are visible. Read-outs and "
        "downloads keep the computed values.",
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
    if asked in _FIRST:
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
