"""Where It Looked: the page. Start it with ``streamlit run dashboard/app.py``."""

import logging
import sys
from html import escape
from pathlib import Path

# `streamlit run` puts this file's folder on the path, not the project's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import streamlit as st

from core.attribution import Attribution
from core.errors import UserError
from core.explainer import Explainer, OcclusionSetting
from core.models import DEFAULT_MODEL, Classifier, ClassScore, registry
from core.picture import Picture
from core.scores import Question
from core.story import expectation, percent, strongest_window
from dashboard import controls, live, state, view
from dashboard.panels import Panel, panels_html

_log = logging.getLogger(__name__)


def main() -> None:
    """Draw the page, then fill in what has to be computed."""
    st.set_page_config(page_title="Where It Looked", page_icon=":material/visibility:", layout="wide")
    st.html(Path(__file__).with_name("style.css"))
    explainer = state.explainer()
    notices = st.container()
    with st.sidebar:
        controls.choose_picture()
        model, device = controls.choose_model()
    picture, sample = state.current_picture()
    with notices:
        classifier = _classifier(explainer, model, device)
    logits = explainer.logits(classifier, picture)
    ranking = classifier.ranking(logits, len(classifier.class_names))
    with st.sidebar:
        question = controls.choose_question(classifier, [entry.index for entry in ranking])
        methods = controls.choose_methods()
        display = controls.choose_display()

    evidence = _headline(ranking, question, classifier, picture, sample and sample.expected)
    jobs = {
        view.map_title(methods.gradients, ""): methods.gradients,
        view.map_title(methods.small, "small"): methods.small,
        view.map_title(methods.large, "large"): methods.large,
    }
    panels: dict[str, Panel] = {
        "photo": view.photo_panel(picture, classifier),
        "input": view.input_panel(picture, classifier, (methods.small, methods.large)),
        **{title: Panel(title=title, alt=f"{title}: not computed yet.", state="waiting") for title in jobs},
    }
    frame = st.empty()

    def draw() -> None:
        frame.html(panels_html(list(panels.values())))

    def show(title: str, attribution: Attribution, progress: str | None) -> None:
        panels[title] = view.map_panel(
            title, attribution, picture, classifier, display, progress
        )
        draw()

    def fail(title: str, sentence: str) -> None:
        panels[title] = Panel(title=title, alt=sentence, caption=sentence, state="waiting")
        draw()

    draw()
    live.run_jobs(
        {
            title: explainer.steps(classifier, picture, setting, question)
            for title, setting in jobs.items()
        },
        show,
        fail,
    )
    _tell(evidence, explainer, classifier, picture, methods.small)


def _classifier(explainer: Explainer, model: str, device: str) -> Classifier:
    """The chosen model, or, if it cannot be had, the one before, with a sentence that says so."""
    title = registry()[model].title
    try:
        live.run_download(model, title)
        classifier = explainer.classifier(model, device)
    except UserError as error:
        _log.info("model %s: not loaded", model, exc_info=error)
        before = st.session_state.get("last_model", (DEFAULT_MODEL, "auto"))
        classifier = explainer.classifier(*before)
        st.error(f"{error} The page shows {classifier.record.title}.")
        return classifier
    st.session_state["last_model"] = (model, device)
    return classifier


def _headline(
    ranking: tuple[ClassScore, ...],
    question: Question,
    classifier: Classifier,
    picture: Picture,
    expected: str | None,
) -> st.delta_generator.DeltaGenerator:
    """The answer in large type, and its top 5; returns the place for the sentence of evidence."""
    top = ranking[0]
    record = classifier.record
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.html(
            f'<h1 class="wil-headline">The model says {escape(top.name)}, '
            f"{percent(top.probability)}.</h1>"
        )
        evidence = st.empty()
        if expected is not None:
            disagreement = expectation(expected, top, classifier.class_names)
            if disagreement is not None:
                st.html(f'<span class="wil-wrong">{escape(disagreement)}</span>')
        for note in picture.notes:
            st.caption(note)
        st.html(
            f'<p class="wil-facts">{escape(record.title)} on {classifier.device} · '
            f"{record.accuracy:.1f} % top-1 on ImageNet-1k · {escape(record.licence)}</p>"
        )
    with right:
        rows = "".join(
            f"<span>{escape(entry.name)}</span>"
            f'<span class="bar{" asked" if entry.index == question.target else ""}" '
            f'style="width:{100 * entry.probability:.1f}%"></span>'
            f'<span class="share">{percent(entry.probability)}</span>'
            for entry in ranking[:5]
        )
        st.html(f'<div class="wil-top">{rows}</div>')
    return evidence


def _tell(
    place: st.delta_generator.DeltaGenerator,
    explainer: Explainer,
    classifier: Classifier,
    picture: Picture,
    setting: OcclusionSetting,
) -> None:
    """The sentence that the survey with the small window gives."""
    try:
        survey = explainer.survey(classifier, picture, setting)
    except UserError:
        return  # its panel says why there is no such survey
    sentence = strongest_window(survey, classifier.class_names)
    if sentence is not None:
        place.html(f'<p class="wil-evidence">{escape(sentence)}</p>')


main()
