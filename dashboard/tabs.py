"""What lies under the panels: things to try, each in a tab that is drawn only while it is open."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from core import baselines
from core.attribution import Attribution
from core.baselines import BASELINES
from core.errors import UserError
from core.explainer import Explainer
from core.flipmap import flip_map
from core.masks import mask_from_bits
from core.preprocessing import Box
from core.rendering import data_uri, indexed, scale
from core.scores import Question
from core.story import percent
from core.text import escape, markdown
from dashboard import components, rows, state
from dashboard.board import Board
from dashboard.evidence import draw_evidence
from dashboard.export import draw_export
from dashboard.methods import Methods
from dashboard.pairs import draw_pair
from dashboard.panels import Panel, panels_html
from dashboard.places import replacing
from dashboard.skeleton import CLASSES
from dashboard.view import Look, Scene, bars_html, drawn, input_uri, photo_uri

SIDE_BY_SIDE, TRY, COMPARE, TRUST, EXPORT = TABS = (
    "Side by side",
    "Try it",
    "Compare",
    "Trust",
    "Export",
)
COVER, FLIPS, CROP, SIZES = TRIALS = (
    "Cover it yourself",
    "What flips it",
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


def open_part(part: str) -> None:
    """Open a tab, or a part of one, if there is such a one; for use in a callback."""
    if part in TABS:
        st.session_state["tab"] = part
    for key, tab, parts in (("trial", TRY, TRIALS), ("comparison", COMPARE, COMPARISONS)):
        if part in parts:
            st.session_state.update({"tab": tab, key: part})


def _part(key: str, parts: Sequence[str]) -> str:
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
    part = _part("trial", TRIALS)
    if part == SIZES:
        return rows.window_sizes(explainer, scene, question, methods, look)
    if part == COVER:
        _cover(explainer, scene, question)
    elif part == FLIPS:
        _flips(explainer, scene, methods)
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
        return rows.compare_baselines(explainer, scene, question, methods, look)
    if part == STUDY:
        return rows.reproduce_study(explainer, scene)
    _divider(scene, board.maps, look)
    return []


def _flips(explainer: Explainer, scene: Scene, methods: Methods) -> None:
    """The windows whose covering changes the answer, and to what."""
    setting = methods.small
    try:
        survey = explainer.survey(scene.classifier, scene.picture, setting)
    except UserError as error:
        st.caption(markdown(str(error)))
        return
    if not survey.known.all():
        chosen = setting in dict(methods.maps).values()
        st.caption(
            "Waiting for the survey with the small window."
            if chosen
            else "Choose the map Occlusion small: its survey says it."
        )
        return
    found = flip_map(survey)
    names = scene.classifier.class_names
    side = scene.side
    count = len(found.flips)
    picture, text = st.columns([1, 3], gap="large")
    panel = Panel(
        title="Windows that flip it",
        alt=f"{count} window{'' if count == 1 else 's'} of {setting.window} pixels, coloured by "
        "the class that the model says instead.",
        picture=input_uri(scene),
        size=(side, side),
        overlay=data_uri(found.rgba),
    )
    picture.html(panels_html([panel]))
    with text:
        answer = escape(names[int(survey.clean.argmax())])
        if not found.flips:
            st.html(
                f'<p class="wil-evidence">No window of {setting.window} × {setting.window} pixels '
                f"makes the model say anything but {answer}.</p>"
            )
            return
        legend = "".join(
            f'<span><i style="background:{colour}"></i>{escape(names[index])}, '
            f"{count} window{'s' if count > 1 else ''}</span>"
            for index, colour, count in found.legend
        )
        lines = "".join(
            f"<li>Covering row {flip.top}, column {flip.left}: {answer} is at "
            f"{percent(flip.before)}, the answer becomes {escape(names[flip.index])}, "
            f"{percent(flip.probability)}.</li>"
            for flip in found.flips[:_LISTED]
        )
        st.html(f'<div class="wil-legend">{legend}</div><ul class="wil-list">{lines}</ul>')


def _cover(explainer: Explainer, scene: Scene, question: Question) -> None:
    """A brush: what does the model say with this covered?"""
    canvas, answer = st.columns([1, 2], gap="large")
    with canvas:
        bits = components.brush(
            input_uri(scene),
            scene.side,
            key="brush",
            alt="The model's input; paint over what is to be covered.",
        )
    classifier = scene.classifier
    with answer:
        baseline = st.segmented_control(
            "Covered with",
            BASELINES,
            default=BASELINES[0],
            format_func=baselines.title,
            key="brush_baseline",
            required=True,
        )
        before = classifier.ranking(explainer.logits(classifier, scene.picture))
        columns = st.columns(2, gap="large")
        columns[0].markdown("**As it is**")
        columns[0].html(bars_html(before, question.target))
        columns[1].markdown("**Covered**")
        if bits is None:
            columns[1].caption("Paint over a part of the picture.")
            return
        mask = mask_from_bits(bits, scene.side)
        try:
            logits = explainer.covered(classifier, scene.picture, mask, baseline)
        except UserError as error:
            columns[1].error(markdown(str(error)))
            return
        after = classifier.ranking(logits, len(classifier.class_names))
        columns[1].html(bars_html(after[:CLASSES], question.target))
        shares = {entry.index: entry.probability for entry in after}
        asked = [question.target] + ([] if question.contrast is None else [question.contrast])
        for index in asked:
            words = f"{classifier.class_names[index]}: {percent(shares[index])}"
            columns[1].caption(markdown(words))


def _crop(scene: Scene) -> None:
    """A square on the photo: what would the model say, had it seen this part?"""
    box = components.crop_box(
        photo_uri(scene),
        scene.picture.image.size,
        scene.region,
        key="crop",
        alt="The photo; drag the square to choose what the model sees.",
    )
    st.button(
        "The model's own crop",
        on_click=state.choose_region,
        args=(None,),
        disabled=scene.picture.region is None,
    )
    if box is not None and Box(*box) != scene.region:
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
