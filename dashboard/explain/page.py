"""The main page: prediction, maps, controls and tabs.

A run draws the page from what is known. What is not known is then computed, its panels forming as
it goes, and the page is drawn once more. So a control only has to change a setting.
"""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from core.drawing.readout import readout
from core.drawing.sentences import MARKED, Finding, answer, expectation, percent, strongest_window
from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods.attribution import Attribution
from core.methods.cover_methods import OcclusionSetting
from core.methods.given_setting import GIVEN
from core.methods.scores import Question
from core.methods.settings import Setting
from core.models.classifiers import Classifier, ClassScore
from core.models.registry import DEFAULT_MODEL
from core.text import escape, json_attribute, markdown
from dashboard.browser import components
from dashboard.drawing import view
from dashboard.drawing.panels import Panel
from dashboard.drawing.places import replacing
from dashboard.drawing.view import Look, Scene
from dashboard.explain import controls, evidence, kept
from dashboard.explain.gallery import draw_gallery
from dashboard.explain.grid import Board
from dashboard.explain.lead import Lead
from dashboard.explain.methods import (
    TITLES,
    Methods,
    choose_baseline,
    choose_maps,
    methods_of,
    offer_methods,
)
from dashboard.explain.own_map import draw_own_map
from dashboard.explain.own_regions import worths_html
from dashboard.explain.skeleton import CLASSES, Skeleton, draw_skeleton
from dashboard.explain.tabs import COVER, CROP, EXPORT, TRUST, draw_tabs, open_part
from dashboard.explain.tuning import draw_tuning
from dashboard.session import live, loading, login, options, state
from dashboard.session.live import Job
from dashboard.session.notices import draw_notices

_MOST_OF_IT = 0.6  # of the photo's area; less is worth a word

_log = logging.getLogger(__name__)


def draw_page(explainer: Explainer, not_usable: Sequence[str]) -> None:
    """Draw the page, then fill in what has to be computed.

    Args:
        explainer: makes predictions and maps.
        not_usable: why some models cannot be offered, a sentence each.
    """
    kept.begin()
    places = draw_skeleton()
    draw_gallery(places)
    with st.sidebar:
        model, device = controls.choose_model(not_usable)
    picture, expected = state.current_picture()
    try:
        classifier = _classifier(explainer, model, device, places)
        scene = Scene(picture, classifier)
        logits = explainer.logits(classifier, picture)
        ranking = classifier.ranking(logits, len(classifier.class_names))
    except UserError as error:
        _log.info("no prediction", exc_info=error)
        places.notices.error(markdown(str(error)))
        _draw_links(places, controls.title_of(model))
        components.links(key="links", on_click=lambda _: None)
        return
    _draw_links(places, classifier.record.title)
    _draw_answer(places, ranking, scene, expected)
    order = [entry.index for entry in ranking]
    with replacing(places.question):
        target = controls.choose_target(classifier, order)
        with st.sidebar:
            _draw_facts(classifier)
            with st.expander("Contrast and score"):
                question = controls.choose_score(classifier, order, target, places.question)
    names = controls.names_of(classifier)
    places.classes.html(view.classes_html(ranking[:CLASSES], target, names, classifier.head))
    with replacing(st.sidebar, 24):  # the folder's is longer
        with st.expander("Baseline"):
            baseline = choose_baseline(explainer)
        with st.expander("Display"):
            look = controls.choose_look()
        judged = controls.choose_judging()
    with places.more, st.popover("+ more", help="Choose which maps are on the page."):
        chosen, own, others = choose_maps()
        with own:
            draw_own_map(explainer, scene, question, baseline)
    methods = methods_of(explainer, scene, chosen, baseline, judged)
    request = (picture.key, model, device, methods, question)
    offer = partial(offer_methods, others, explainer, scene)
    _draw_maps(explainer, scene, question, methods, look, places, request, offer)


def _draw_maps(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    methods: Methods,
    look: Look,
    places: Skeleton,
    request: Hashable,
    offer: Callable[[], None],
) -> None:
    """Draw the maps and what lies below them from what is known, then compute the rest.

    ``offer`` draws what depends on the methods that the model can have: for a new model after its
    maps, since finding out takes seconds.
    """
    large = _large(methods)
    with replacing(places.tuning):
        draw_tuning(explainer, scene, question, methods, large)
    kept.write_address()
    windows = [each for _, each in methods.maps if isinstance(each, OcclusionSetting)]
    photo = view.photo_panel(scene, windows)
    lead = Lead(places, scene, photo, methods.titled, large)

    def give_evidence(looking: bool = True) -> None:
        finding = _finding(explainer, scene, methods, question)
        places.evidence.html(_evidence_html(finding, methods, looking))
        lead.mark(finding)

    give_evidence()
    if not loading.all_is_there():  # frames in the places of the maps: nothing moves when they come
        badges = () if methods.judged else None
        titles = methods.titled.values()
        lead.show({t: Panel(t, f"{t}: not computed yet.", badges=badges) for t in titles})
        loading.wait_for_why()
        give_evidence()
    loading.wait_for_all()

    def side_by_side() -> Board:
        front = [photo, view.input_panel(scene, windows)]
        how = evidence.how() if methods.judged else None
        settings = dict(methods.maps)
        return Board(
            "main",
            *(explainer, scene, question, settings, look, front),
            how=how,
            watch=lead.show,
        )

    with places.below:
        board, *more = draw_tabs(explainer, scene, question, methods, look, side_by_side)
    places.worths.html(worths_html(explainer, board, methods.titled.get(large)))
    state.check_address((*controls.BOUND, "tab", "trial", "comparison"), controls.titles())
    with replacing(places.notices):
        draw_notices()
    _inspect(explainer, [board, *more], look.whole_photo)
    components.links(key="links", on_click=partial(_follow, scene.classifier, board.settings))
    jobs = [job for each in (board, *more) for job in each.jobs()]
    jobs = [_followed(job, give_evidence) for job in jobs]
    methods_known = explainer.knows_possibilities(scene.classifier)
    if methods_known:
        offer()
    # The sentence of evidence waits for a map of occlusion.
    first = {title for title, each in methods.maps if isinstance(each, OcclusionSetting)}
    if live.run_jobs(jobs, request, "maps", first):
        st.rerun()  # from what is known now: the tabs
    give_evidence(looking=False)
    if not methods_known:
        offer()
    judgements = list(board.judgement_jobs())
    if judgements and not (jobs and live.stopped(request)):
        live.wait_until_still()  # nobody asked for them, and they keep all cores busy
        shown = {board.judging(methods.titled[large])} if methods.names else set()
        live.run_jobs(judgements, request, "judgements", shown)


def _draw_facts(classifier: Classifier) -> None:
    """What is known of the model, in small type."""
    record = classifier.record
    facts = (f"{record.title} on {classifier.device}", record.top1, record.licence)
    st.html(f'<p class="wil-facts">{escape(" · ".join(filter(None, facts)))}</p>')
    for note in record.notes:
        st.caption(markdown(note))


def _draw_links(places: Skeleton, title: str) -> None:
    """The model's name, and the ways to the other pages."""
    with replacing(places.links, 2):
        st.html(f'<span class="wil-model">{escape(title)}</span>', width="content")
        if st.session_state["source"] == state.FOLDER:
            st.button("Back to the folder", on_click=_enter_folder, type="tertiary")
            st.caption(markdown(st.session_state["folder_card"].path), width="content")
        st.link_button(
            "Talk", "?view=talk", help="The scenes of a talk, full screen.", type="tertiary"
        )
        st.button(
            "Folder",
            on_click=_enter_folder,
            type="tertiary",
            help="The results of a folder of pictures, and where the model is wrong.",
        )
        st.button(
            "Share",
            on_click=open_part,
            args=(EXPORT,),
            type="tertiary",
            help="A bundle to download, and a link to this view.",
        )
        st.html(
            '<button type="button" class="wil-link" data-settings>Settings</button>',
            width="content",
        )
        login.offer_logout()


def _large(methods: Methods) -> str:
    """The name of the map that is shown large: the first, if the one asked for is not there."""
    if methods.names and st.session_state["map"] not in methods.names:
        st.session_state["map"] = methods.names[0]
    return str(st.session_state["map"])


def _enter_folder() -> None:
    """To the Folder page; the controls here are kept for the way back."""
    held = {key: st.session_state[key] for key in controls.BOUND if key in st.session_state}
    st.session_state["kept_main"] = held
    st.query_params["view"] = "folder"  # first: this is the step in the browser's history
    st.session_state["arriving"] = st.query_params.pop("back", "")
    state.leave_out_picture()
    st.session_state["notices"] = []
    kept.leave_address()


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
        case ["map", name] if name in TITLES or name == GIVEN:
            st.session_state["map"] = name
        case ["open", part]:
            open_part(part)
        case [title, measure]:
            evidence.open_evidence(settings, TRUST, title, measure)


def _classifier(explainer: Explainer, model: str, device: str, places: Skeleton) -> Classifier:
    """The chosen model, or, without it, the one before, with a sentence that says so."""
    failed: dict[tuple[str, str], str] = st.session_state.setdefault("failed_models", {})
    wanted = (model, device)
    if wanted not in failed:
        title = controls.title_of(model)
        if st.session_state.get("last_model", wanted) != wanted:
            places.headline.html(f'<h1 class="wil-headline">Loading {escape(title)} …</h1>')
            places.evidence.html("")
        try:
            options.check_model(model)
            with places.notices:
                live.run_download(model, title)
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
    with places.notices:
        st.error(markdown(f"{failed[wanted]} The page shows {classifier.record.title}."))
        st.button("Try again", on_click=failed.clear)
    return classifier


def _draw_answer(
    places: Skeleton, ranking: tuple[ClassScore, ...], scene: Scene, expected: str | None
) -> None:
    """The answer in large type, and what is to be doubted about it."""
    doubt = ""
    if expected is not None and scene.classifier.head.exclusive:
        words = expectation(expected, ranking[0], scene.classifier.class_names)
        doubt = f'<span class="wil-wrong">{escape(words)}</span>' if words else ""
    says = f'<h1 class="wil-headline">{escape(answer(ranking, scene.classifier.head))}</h1>'
    places.headline.html(f'<div class="wil-says">{says}{doubt}</div>')
    with replacing(places.notes):
        share = view.seen_share(scene)
        if share < _MOST_OF_IT:
            st.html(
                f'<p class="wil-note">The model sees {percent(share)} of this photo.'
                f" {_way_to(CROP, 'Choose which part')}</p>"
            )
        for note in scene.picture.notes:
            st.caption(markdown(note))


def _way_to(part: str, words: str) -> str:
    """A button that opens a part of the tabs."""
    link = json_attribute(["open", part])
    return f'<button type="button" class="wil-way" data-link="{link}">{escape(words)}</button>'


def _finding(
    explainer: Explainer, scene: Scene, methods: Methods, question: Question
) -> Finding | None:
    """What the small windows say once all are there; until then, what the large ones say."""
    for setting in (methods.small, methods.large):
        try:
            survey = explainer.survey(scene.classifier, scene.picture, setting)
        except UserError:
            continue  # its panel says why there is no such survey
        if survey.known.all():
            return strongest_window(
                survey, scene.classifier.class_names, question.head, question.target
            )
    return None


def _evidence_html(finding: Finding | None, methods: Methods, looking: bool) -> str:
    """The sentence that says why; until it is known, whether it is being looked for."""
    if finding is None:
        asked = {methods.small, methods.large}.intersection(dict(methods.maps).values())
        words = "Looking for the window that matters most …"
        if not looking:
            words = "Which window matters most is not known yet."
        return f'<p class="wil-evidence">{words if asked else ""}</p>'
    words = escape(finding.marked).replace(" %", "&nbsp;%")
    words = words.replace(MARKED, f"<mark>{MARKED}</mark>", 1)
    return (
        f'<p class="wil-evidence" role="status">{words} {_way_to(COVER, "Cover it yourself")}</p>'
    )


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
