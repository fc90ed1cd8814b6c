"""The tabs below the maps: Side by side, Try it, Compare, Trust and Export."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from core.drawing.rendering import data_uri, indexed, scale
from core.drawing.sentences import amount_of, percent
from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods import baselines
from core.methods.attribution import Attribution
from core.methods.baselines import BASELINES
from core.methods.flipmap import flip_map
from core.methods.occlusion import Flip
from core.methods.scores import Question
from core.models.heads import Head
from core.pictures.masks import mask_from_bits
from core.pictures.preprocessing import Box
from core.text import escape, markdown
from dashboard.browser import components
from dashboard.drawing.panels import Panel, panels_html
from dashboard.drawing.places import replacing
from dashboard.drawing.view import Look, Scene, bars_html, drawn, input_uri, photo_uri
from dashboard.explain import sweep
from dashboard.explain.evidence import draw_evidence
from dashboard.explain.export import draw_export
from dashboard.explain.grid import Board
from dashboard.explain.methods import Methods
from dashboard.explain.regions import draw_regions
from dashboard.explain.side_by_side import draw_pair
from dashboard.explain.skeleton import CLASSES
from dashboard.session import state

SIDE_BY_SIDE, TRY, COMPARE, TRUST, EXPORT = TABS = (
    "Side by side",
    "Try it",
    "Compare",
    "Trust",
    "Export",
)
COVER, FLIPS, REGIONS, CROP, SIZES = TRIALS = (
    "Cover it yourself",
    "What flips it",
    "What is enough",
    "Choose the crop",
    "Window sizes",
)
PAIR, BASELINES_ROWS, DIVIDER, STUDY = COMPARISONS = (
    "Two side by side",
    "Baselines",
    "Picture and map",
    "The study",
)
_LISTED = 6  # windows named in the flip map's list


def draw_tabs(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    methods: Methods,
    look: Look,
    side_by_side: Callable[[], Board],
) -> list[Board]:
    """Draw the row of all maps, and what is in the open tab from what is known.

    Args:
        explainer, scene, question, methods, look: what the page shows.
        side_by_side: draws that row, in the first tab, and returns it.

    Returns:
        The boards of the row and of the open tab, whose maps may be missing.
    """
    tabs = dict(zip(TABS, st.tabs(TABS, key="tab", bind="query-params"), strict=True))
    with tabs[SIDE_BY_SIDE]:
        board = side_by_side()
    opened = next((name for name, tab in tabs.items() if tab.open), SIDE_BY_SIDE)
    with replacing(tabs[opened]):
        if opened == TRY:
            return [board, *_try(explainer, scene, question, methods, look)]
        if opened == COMPARE:
            return [board, *_compare(explainer, scene, question, board, methods, look)]
        if opened == TRUST:
            return [board, *draw_evidence(explainer, scene, question, board, methods, look)]
        if opened == EXPORT:
            draw_export(explainer, scene, question, methods, look, board.judgements)
    return [board]


def _trials(head: Head) -> tuple[str, ...]:
    """What can be tried: a value has no answer that could flip, or for which a part is enough."""
    of_answers = () if head.has_probabilities else (FLIPS, REGIONS)
    return tuple(part for part in TRIALS if part not in of_answers)


def open_part(part: str) -> None:
    """Open a tab, or a part of one, if there is such a one; for use in a callback."""
    if part in TABS:
        st.session_state["tab"] = part
    for key, tab, parts in (("trial", TRY, TRIALS), ("comparison", COMPARE, COMPARISONS)):
        if part in parts:
            st.session_state.update({"tab": tab, key: part})


def _part(key: str, parts: Sequence[str]) -> str:
    if st.session_state.get(key, parts[0]) not in parts:  # of another model
        st.session_state[key] = parts[0]
    chosen: str = st.segmented_control(
        "Part",
        parts,
        default=parts[0],
        key=key,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    return chosen


def _try(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, look: Look
) -> list[Board]:
    part = _part("trial", _trials(question.head))
    if part == SIZES:
        return sweep.window_sizes(explainer, scene, question, methods, look)
    if part == REGIONS:
        return draw_regions(explainer, scene, question, methods, look)
    if part == COVER:
        _cover(explainer, scene, question)
    elif part == FLIPS:
        _flips(explainer, scene, question, methods)
    else:
        _crop(scene)
    return []


def _compare(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    board: Board,
    methods: Methods,
    look: Look,
) -> list[Board]:
    part = _part("comparison", COMPARISONS)
    if part == PAIR:
        return draw_pair(explainer, scene, question, methods, look)
    if part == BASELINES_ROWS:
        return sweep.compare_baselines(explainer, scene, question, methods, look)
    if part == STUDY:
        return sweep.reproduce_study(explainer, scene)
    _divider(scene, board.maps, look)
    return []


def _flips(explainer: Explainer, scene: Scene, question: Question, methods: Methods) -> None:
    """The windows that change the prediction when covered, and the class predicted then."""
    head, target = question.head, question.target
    setting = methods.small
    try:
        survey = explainer.survey(scene.classifier, scene.picture, setting)
    except UserError as error:
        st.caption(markdown(str(error)))
        return
    if not survey.known.all():
        chosen = setting in dict(methods.maps).values()
        st.caption(
            "Waiting for Occlusion small."
            if chosen
            else "Add the map Occlusion small, whose windows are used here."
        )
        return
    found = flip_map(survey, head, target)
    names = scene.classifier.class_names
    count = len(found.flips)
    picture, text = st.columns([1, 3], gap="large")
    panel = Panel(
        title="Windows that flip it",
        alt=f"{count} window{'' if count == 1 else 's'} of {setting.window} pixels, coloured by "
        "the class that the model says instead.",
        picture=input_uri(scene),
        size=scene.size[::-1],
        overlay=data_uri(found.rgba),
    )
    picture.html(panels_html([panel]))
    with text:
        answer = escape(names[int(survey.clean.argmax()) if head.exclusive else target])
        if not found.flips:
            st.html(
                f'<p class="wil-evidence">No window of {setting.window} × {setting.window} pixels '
                f"{_unflipped(answer, head)}.</p>"
            )
            return
        legend = "".join(
            f'<span><i style="background:{colour}"></i>{escape(names[index])}, '
            f"{count} window{'s' if count > 1 else ''}</span>"
            for index, colour, count in found.legend
        )
        lines = "".join(
            f"<li>Covering row {flip.top}, column {flip.left}: "
            f"{_flipped(flip, names, answer, head)}.</li>"
            for flip in found.flips[:_LISTED]
        )
        st.html(f'<div class="wil-legend">{legend}</div><ul class="wil-list">{lines}</ul>')


def _unflipped(answer: str, head: Head) -> str:
    """What no window does."""
    if head.exclusive:
        return f"makes the model say anything but {answer}"
    return f"takes {answer} across its threshold"


def _flipped(flip: Flip, names: Sequence[str], answer: str, head: Head) -> str:
    """What a window does, as HTML."""
    before, after = percent(flip.before), percent(flip.probability)
    if not head.exclusive:
        return f"{answer} goes from {before} to {after}"
    return f"{answer} is at {before}, the answer becomes {escape(names[flip.index])}, {after}"


def _cover(explainer: Explainer, scene: Scene, question: Question) -> None:
    """A brush, and the prediction with the painted part covered."""
    canvas, answer = st.columns([1, 2], gap="large")
    with canvas:
        bits = components.brush(
            input_uri(scene),
            scene.size,
            key="brush",
            alt="The model's input; paint over what is to be covered.",
        )
    classifier = scene.classifier
    with answer:
        baseline = st.segmented_control(
            "Baseline",
            BASELINES,
            default=BASELINES[0],
            format_func=baselines.title,
            key="brush_baseline",
            required=True,
        )
        before = classifier.ranking(explainer.logits(classifier, scene.picture))
        columns = st.columns(2, gap="large")
        columns[0].markdown("**Original**")
        columns[0].html(bars_html(before, question.target, classifier.head))
        columns[1].markdown("**Covered**")
        if bits is None:
            columns[1].caption("Paint over a part of the picture.")
            return
        mask = mask_from_bits(bits, scene.size)
        try:
            logits = explainer.covered(classifier, scene.picture, mask, baseline)
        except UserError as error:
            columns[1].error(markdown(str(error)))
            return
        after = classifier.ranking(logits, len(classifier.class_names))
        columns[1].html(bars_html(after[:CLASSES], question.target, classifier.head))
        entries = {entry.index: entry for entry in after}
        asked = [question.target] + ([] if question.contrast is None else [question.contrast])
        for index in asked:
            words = f"{classifier.class_names[index]}: {amount_of(entries[index], classifier.head)}"
            columns[1].caption(markdown(words))


def _crop(scene: Scene) -> None:
    """A box on the photo, to choose the part that the model sees."""
    preprocessing, size = scene.classifier.record.preprocessing, scene.picture.image.size
    left, top, right, bottom = scene.region  # of a letterbox beyond the photo
    shown = preprocessing.fitted(
        Box(max(left, 0.0), max(top, 0.0), *map(min, (right, bottom), size))
    )
    box = components.crop_box(
        photo_uri(scene),
        size,
        shown,
        key="crop",
        alt="The photo; drag the box to choose what the model sees.",
        aspect=preprocessing.aspect,
    )
    st.button(
        "The model's own crop",
        on_click=state.choose_region,
        args=(None,),
        disabled=scene.picture.region is None,
    )
    if box is not None and Box(*box) != shown:
        state.choose_region(Box(*box))
        st.rerun()


def _divider(scene: Scene, maps: Mapping[str, Attribution], look: Look) -> None:
    """A divider between the photo and a map."""
    if not maps:
        st.caption("Waiting for the first map.")
        return
    titles = {title.split("/")[0].rstrip("0123456789 "): title for title in maps}
    chosen = st.segmented_control(  # without the settings, so that the choice outlives them
        "Map", list(titles), default=next(iter(titles)), key="compared", required=True
    )
    title = titles[chosen]
    values = drawn(maps[title], look)
    overlay = data_uri(indexed(values, look.display, scale([values], look.display)))
    place, _ = st.columns([1, 1])
    with place:
        components.compare(
            input_uri(scene), overlay, key="compare", alt=f"The picture and {title}.", label=title
        )
