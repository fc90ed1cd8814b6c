"""Tabs that compute maps of their own: one setting or picture varied along a row."""

from dataclasses import replace

import streamlit as st

from core import baselines, study
from core.baselines import BASELINES
from core.errors import UserError
from core.explainer import Explainer
from core.rendering import data_uri
from core.scores import Question
from core.settings import IntegratedGradientsSetting, OcclusionSetting, Setting
from core.story import percent
from core.text import markdown
from core.windows import sizes_around
from dashboard import controls, state
from dashboard.board import Board
from dashboard.methods import Methods
from dashboard.panels import Panel, panels_html
from dashboard.view import Look, Scene, input_panel

_STUDY_LOOK = Look(
    study.LOOK, same_scale=False, held_scale=False, whole_photo=False, unit_scale=True
)


def window_sizes(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, look: Look
) -> list[Board]:
    """The small window among three others, each moved by half its size or more."""
    small = methods.small
    settings: dict[str, Setting] = {}
    for size in sizes_around(small.window, scene.side):
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
    chosen = list(dict.fromkeys([*BASELINES, methods.large.baseline]))
    pictures = []
    for name in chosen:
        tensor = explainer.baseline(scene.classifier, scene.picture, name)
        image = scene.classifier.record.preprocessing.image(tensor)
        words = baselines.title(name)
        pictures.append(
            Panel(
                name.partition(":")[0].capitalize(),
                f"The baseline: {words}.",
                data_uri(image),
                (scene.side, scene.side),
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
    st.caption(
        "The study that this page grew from, with the model chosen here: smoothed Integrated "
        "Gradients (200 steps, 10 noisy copies, squared) and Occlusion with two windows, of the "
        "predicted class's logit, shown as it showed them: positive values only, from 0 to 1."
    )
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
        words = f"{title}: {top.name}, {percent(top.probability)}"
        maps = study.maps(name)
        windows = [setting for setting in maps.values() if isinstance(setting, OcclusionSetting)]
        front = [replace(input_panel(each, windows), title=words)]
        # Titles tell the maps of a page apart, those of two pictures too.
        titled = {f"{title} · {name}": setting for title, setting in maps.items()}
        boards.append(
            Board(
                f"study_{name}",
                *(explainer, each, Question(top.index), titled, _STUDY_LOOK, front),
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
