"""The page: what the model says, and where it looked.

A run draws the page from what is known. What is not known is then computed, its panels forming as
it goes, and the page is drawn once more. So a control only has to change a setting.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.attribution import Attribution
from core.errors import UserError
from core.explainer import Explainer
from core.models import DEFAULT_MODEL, Classifier, ClassScore, registry
from core.readout import readout
from core.scores import Question
from core.settings import OcclusionSetting, Setting
from core.story import expectation, percent, strongest_window
from core.text import escape, markdown
from dashboard import (
    components,
    controls,
    evidence,
    frame,
    live,
    loading,
    login,
    options,
    state,
    view,
)
from dashboard.board import Board
from dashboard.live import Job
from dashboard.methods import Methods, choose_methods, say_what_is_missing
from dashboard.notices import draw_notices
from dashboard.places import replacing
from dashboard.tabs import TRUST, draw_tabs
from dashboard.view import Scene

_log = logging.getLogger(__name__)


def draw() -> None:
    """Draw the page, then fill in what has to be computed."""
    not_usable = options.offer_models()
    try:
        explainer = state.explainer()
    except UserError as error:
        _log.error("nothing can be computed: %s", error)
        st.error(markdown(str(error)))
        return
    asked_for = st.query_params.get("view")
    if asked_for == "talk":
        from dashboard import talk  # a page of its own

        loading.wait_for_all()
        talk.draw_talk(explainer)
        return
    frame.draw_style()
    state.begin()
    if asked_for == "folder":
        from dashboard import folder  # with Arrow, which the first page does not wait for

        folder.draw_folder()
        return
    notices = st.container()
    with st.sidebar:
        if st.session_state["source"] == state.FOLDER:
            st.button(
                "Back to the folder",
                on_click=_enter_folder,
                width="stretch",
            )
            st.caption(markdown(st.session_state["folder_card"].path))
        gallery = st.container()  # filled after the maps, which are what a person waits for
        model, device = controls.choose_model(not_usable)
    picture, expected = state.current_picture()
    try:
        with notices:
            classifier = _classifier(explainer, model, device)
        scene = Scene(picture, classifier)
        logits = explainer.logits(classifier, picture)
        ranking = classifier.ranking(logits, len(classifier.class_names))
    except UserError as error:
        _log.info("no prediction", exc_info=error)
        st.error(markdown(str(error)))
        with gallery:
            controls.choose_picture()
        return
    with st.sidebar:
        question = controls.choose_question(classifier, [entry.index for entry in ranking])
    answer = _headline(ranking, question, scene, expected)
    with replacing(st.sidebar, 12):
        methods, missing = choose_methods(explainer, scene, question)
        look = controls.choose_look()
        with st.container(horizontal=True):
            st.link_button("Talk mode", "?view=talk", help="The scenes of a talk, full screen.")
            st.button(
                "Folder",
                on_click=_enter_folder,
                help="The results of a folder of pictures, and where the model is wrong.",
            )
        login.offer_logout()
    settings = dict(methods.maps)
    windows = (methods.small, methods.large)
    front = [view.photo_panel(scene, windows), view.input_panel(scene, windows)]
    how = evidence.how() if methods.judged else None
    board = Board("main", explainer, scene, question, settings, look, front, how=how)

    def give_evidence() -> None:
        sentence = escape(_evidence(explainer, scene, methods)).replace(" %", "&nbsp;%")
        answer.html(f'<p class="wil-evidence">{sentence}</p>')

    give_evidence()
    with replacing(gallery):
        controls.choose_picture()
    loading.wait_for_all()
    more = draw_tabs(explainer, scene, question, board, methods, look)
    state.check_address((*controls.BOUND, "tab"), controls.titles())
    with replacing(notices):
        draw_notices()
    _inspect(explainer, [board, *more], look.whole_photo)
    components.links(key="links", on_click=partial(_follow, classifier, board.settings))
    jobs = [job for each in (board, *more) for job in each.jobs()]
    jobs = [_followed(job, give_evidence) for job in jobs]
    request = (picture.key, model, device, methods, question)
    say_what_is_missing(missing, explainer, scene)
    # The sentence of evidence waits for a map of occlusion.
    first = {title for title, each in methods.maps if isinstance(each, OcclusionSetting)}
    if live.run_jobs(jobs, request, "maps", first):
        st.rerun()  # from what is known now: the tabs
    judgements = list(board.judgement_jobs())
    if judgements and not (jobs and live.stopped(request)):
        live.wait_until_still()  # nobody asked for them, and they keep all cores busy
        live.run_jobs(judgements, request, "judgements")


def _enter_folder() -> None:
    from dashboard import folder  # as in `draw`

    folder.enter(controls.BOUND)


def _followed(job: Job[Attribution], then: Callable[[], None]) -> Job[Attribution]:
    """A job that does something more once its map is finished and drawn."""

    def show(result: Attribution, progress: str | None) -> None:
        job.show(result, progress)
        if progress is None:
            then()

    return replace(job, show=show)


def _follow(classifier: Classifier, settings: Mapping[str, Setting], words: list[str]) -> None:
    """Do what a button in the page's own HTML is for."""
    match words:
        case ["class", index]:
            controls.explain_class(classifier, index)
        case [title, measure]:
            evidence.open_evidence(settings, TRUST, title, measure)


def _classifier(explainer: Explainer, model: str, device: str) -> Classifier:
    """The chosen model, or, if it cannot be had, the one before, with a sentence that says so."""
    failed: dict[tuple[str, str], str] = st.session_state.setdefault("failed_models", {})
    wanted = (model, device)
    if wanted not in failed:
        try:
            live.run_download(model, registry()[model].title)
            classifier = explainer.classifier(model, device)
        except UserError as error:
            _log.info("model %s: not loaded", model, exc_info=error)
            failed.clear()
            failed[wanted] = str(error)
        else:
            failed.clear()
            st.session_state["last_model"] = wanted
            return classifier
    # Not tried again at every move of a slider: a network that is not there takes its time.
    classifier = explainer.classifier(*st.session_state.get("last_model", (DEFAULT_MODEL, "auto")))
    st.error(markdown(f"{failed[wanted]} The page shows {classifier.record.title}."))
    st.button("Try again", on_click=failed.clear)
    return classifier


def _headline(
    ranking: tuple[ClassScore, ...], question: Question, scene: Scene, expected: str | None
) -> DeltaGenerator:
    """The answer in large type and the top 5; returns the place for the sentence of evidence."""
    top = ranking[0]
    record = scene.classifier.record
    left, right = st.columns([3, 2], gap="large")
    with replacing(left.container(gap="xsmall")):
        st.html(
            f'<h1 class="wil-headline">The model says {escape(top.name)}, '
            f"{percent(top.probability)}.</h1>"
        )
        evidence = st.empty()
        if expected is not None:
            doubt = expectation(expected, top, record.class_names)
            if doubt is not None:
                st.html(f'<span class="wil-wrong">{escape(doubt)}</span>')
        for note in scene.picture.notes:
            st.caption(markdown(note))
        facts = (f"{record.title} on {scene.classifier.device}", record.top1, record.licence)
        st.html(f'<p class="wil-facts">{escape(" · ".join(filter(None, facts)))}</p>')
    with right:
        st.html(view.bars_html(ranking[:5], question.target))
    return evidence


def _evidence(explainer: Explainer, scene: Scene, methods: Methods) -> str:
    """What the small windows say once all are there; until then, what the large ones say."""
    awaited = False
    for setting in (methods.small, methods.large):
        try:
            survey = explainer.survey(scene.classifier, scene.picture, setting)
        except UserError:
            continue  # its panel says why there is no such survey
        if survey.known.all():
            return strongest_window(survey, scene.classifier.class_names)
        awaited |= setting in dict(methods.maps).values()
    return "Looking for the window that matters most …" if awaited else ""


def _inspect(explainer: Explainer, boards: Sequence[Board], whole_photo: bool) -> None:
    """Let the pointer read the maps."""
    panels = {}
    for board in boards:
        scene = board.scene
        for title, attribution in board.maps.items():
            setting = board.settings[title]
            survey = None
            if isinstance(setting, OcclusionSetting):
                survey = explainer.survey(scene.classifier, scene.picture, setting)
            read = readout(attribution, survey, scene.classifier.class_names)
            panels[title] = view.inspection(
                scene, read, attribution, whole_photo and board is boards[0]
            )
    components.inspect(panels, key="inspect")
