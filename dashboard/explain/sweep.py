"""Window sizes, baselines and the study: tabs that vary one setting or picture along a row."""

from dataclasses import replace

import streamlit as st

from core.drawing.rendering import data_uri
from core.drawing.sentences import said
from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods import baselines
from core.methods.baselines import BASELINES
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import IntegratedGradientsSetting
from core.methods.scores import Question
from core.methods.settings import Setting
from core.methods.windows import sizes_around
from core.talks import study
from core.text import markdown
from dashboard.drawing.panels import Panel, panels_html
from dashboard.drawing.view import Look, Scene, input_panel
from dashboard.explain import controls
from dashboard.explain.grid import Board
from dashboard.explain.methods import Methods
from dashboard.session import state

_STUDY_LOOK = Look(
    study.LOOK, same_scale=False, held_scale=False, whole_photo=False, unit_scale=True
)


def window_sizes(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, look: Look
) -> list[Board]:
    """The small window among three others, each moved by half its size or more."""
    small = methods.small
    settings: dict[str, Setting] = {}
    for size in sizes_around(small.window, min(scene.size)):
        stride = min(size, max(small.stride, size // 2))
        each = small if size == small.window else OcclusionSetting(size, stride, small.baseline)
        settings[f"Window {each.window}/{each.stride}"] = each
    return [Board("sizes", explainer, scene, question, settings, look)]


def compare_baselines(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, look: Look
) -> list[Board]:
    """Each baseline as a picture, and below it the maps that it gives, on one scale per method."""
    st.caption(
        "The same picture and question, against different baselines. A map says what the picture "
        "has and the baseline has not: where two columns differ, the story depends on the choice."
    )
    chosen, pictures = [], []
    for name in dict.fromkeys([*BASELINES, methods.large.baseline]):
        try:
            tensor = explainer.baseline(scene.classifier, scene.picture, name)
        except UserError as error:
            st.caption(markdown(str(error)))
            continue
        chosen.append(name)
        image = scene.classifier.record.preprocessing.image(tensor)
        words = baselines.title(name)
        pictures.append(
            Panel(
                name.partition(":")[0].capitalize(),
                f"The baseline: {words}.",
                data_uri(image),
                scene.size[::-1],
                caption=words[0].upper() + words[1:],
            )
        )
    st.html(panels_html(pictures, len(chosen)))
    look = replace(look, same_scale=True)
    boards = []
    rows: tuple[tuple[str, IntegratedGradientsSetting | OcclusionSetting], ...] = (
        ("Integrated Gradients", methods.gradients),
        (f"Occlusion {methods.large.window}/{methods.large.stride}", methods.large),
    )
    for title, setting in rows:
        settings: dict[str, Setting] = {
            f"{title}, {name.partition(':')[0]}": replace(setting, baseline=name) for name in chosen
        }
        boards.append(
            Board(
                f"baselines_{title.split()[0]}",
                *(explainer, scene, question, settings, look),
                columns=len(chosen),
            )
        )
    return boards


def reproduce_study(explainer: Explainer, scene: Scene) -> list[Board]:
    """The study's six maps, for the chosen model."""
    head = scene.classifier.head
    score = f"{head.first}'s logit" if head.has_probabilities else head.first
    words = (
        "The study that this page grew from, with the model chosen here: smoothed Integrated "
        "Gradients (200 steps, 10 noisy copies, squared) and Occlusion with two windows, of the "
        f"{score}, shown as it showed them: positive values only, from 0 to 1."
    )
    st.caption(markdown(words))
    boards = []
    for name in study.WINDOWS:
        if name not in state.gallery():
            continue
        each = Scene(state.sample_picture(name), scene.classifier)
        try:
            top = scene.classifier.ranking(explainer.logits(scene.classifier, each.picture), 1)[0]
        except UserError as error:
            st.error(markdown(str(error)))
            continue
        title = state.gallery()[name].title
        words = f"{title}: {said(top, scene.classifier.head)}"
        maps = study.maps(name)
        windows = [setting for setting in maps.values() if isinstance(setting, OcclusionSetting)]
        front = [replace(input_panel(each, windows), title=words)]
        # Titles tell the maps of a page apart, those of two pictures too.
        titled = {f"{title} · {name}": setting for title, setting in maps.items()}
        question = Question(top.index, head=scene.classifier.head)
        boards.append(
            Board(
                f"study_{name}",
                *(explainer, each, question, titled, _STUDY_LOOK, front),
                columns=4,
            )
        )
        st.button(
            markdown(f"Open {title} with these windows"),
            key=f"preset_{name}",
            on_click=_open_preset,
            args=(name,),
        )
    return boards


def _open_preset(name: str) -> None:
    """Show a picture of the study with its two windows."""
    state.choose_sample(name)
    small, large = study.WINDOWS[name]
    values = small.window, small.stride, large.window, large.stride
    keys = ("small_window", "small_stride", "large_window", "large_stride")
    st.session_state.update(zip(keys, values, strict=True))
    st.session_state.update(
        target=controls.PREDICTED, contrast=controls.NOTHING, tab="Side by side"
    )
