"""What is enough for the answer, and what must go for another: regions in words and pictures."""

import streamlit as st

from core.drawing.captions import finding
from core.drawing.rendering import data_uri
from core.explaining.explainer import Explainer
from core.methods.attribution import Attribution
from core.methods.cover_methods import RegionSetting
from core.methods.regions import covered_by
from core.methods.scores import Question
from core.methods.settings import Setting
from core.text import escape
from dashboard.drawing.panels import Panel, panels_html
from dashboard.drawing.view import Look, Scene
from dashboard.explain.grid import Board
from dashboard.explain.methods import Methods

_MOST = 3  # regions that are searched for
_WORDS = {
    "What is enough": "Shown alone",
    "What must go": "Covered",
}


def draw_regions(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, look: Look
) -> list[Board]:
    """The two searches, each with the picture that the model was shown at its end."""
    answers = st.segmented_control(
        "Separate regions to look for",
        range(1, _MOST + 1),
        default=1,
        key="region_answers",
        required=True,
        help="A region is the smallest found, not the smallest there is. Each further one is "
        "searched for without those before.",
    )
    baseline = methods.large.baseline
    settings: dict[str, Setting] = {
        "What is enough": RegionSetting("enough", answers=answers, baseline=baseline),
        "What must go": RegionSetting("counterfactual", answers=answers, baseline=baseline),
    }
    words = st.empty()
    maps, pictures = st.columns(2, gap="small")
    with maps:
        board = Board("regions", explainer, scene, question, settings, look, columns=2)
    known = {
        title: made
        for title, made in board.maps.items()
        if not explainer.forecast(scene.classifier, scene.picture, settings[title], question).passes
    }
    if known:
        sentences = (
            escape(finding(made, None, scene.classifier.class_names)) for made in known.values()
        )
        words.html("".join(f'<p class="wil-evidence">{sentence}</p>' for sentence in sentences))
        panels = [_shown(explainer, scene, title, made, baseline) for title, made in known.items()]
        pictures.html(panels_html(panels, len(settings)))
    return [board]


def _shown(
    explainer: Explainer, scene: Scene, title: str, made: Attribution, baseline: str
) -> Panel:
    """The picture of which the model said so."""
    covered = covered_by(made)
    image = explainer.covered_image(scene.classifier, scene.picture, covered, baseline)
    logits = explainer.covered(scene.classifier, scene.picture, covered, baseline)
    top = scene.classifier.ranking(logits, 1)[0]
    words = f"{_WORDS[title]}: {top.name}"
    return Panel(words, f"{words}.", data_uri(image), scene.size[::-1])
