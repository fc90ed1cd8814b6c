"""Talk mode: the scenes of a talk, one to a page, by key, click or address (?view=talk&scene=3)."""

import logging
from contextlib import closing
from pathlib import Path

import streamlit as st

from core.errors import UserError
from core.explaining.explainer import Explainer
from core.models import registry
from core.talks.scenes import Scene, Talk, read_talk
from core.talks.warming import ready, warm, words_of
from core.text import markdown
from dashboard.browser import components
from dashboard.browser.messages import read_number
from dashboard.session import live, options, state
from dashboard.talk import stage
from dashboard.talk.place import ScenePlace
from dashboard.talk.slides import frame, told

_STYLE = Path(__file__).resolve().parent / "talk.css"
_log = logging.getLogger(__name__)


def draw_talk(explainer: Explainer) -> None:
    """Draw the scene that the address names."""
    st.html(_STYLE)
    try:
        path = options.given().talk
        talk = _read(path, path.stat().st_mtime_ns if path.is_file() else 0)
    except UserError as error:
        _log.info("no talk", exc_info=error)
        st.html(frame("This talk cannot be shown", told(str(error))))
        return
    number = _number(len(talk.scenes))
    components.pages(number, len(talk.scenes), key="talk_pages", turn=_turn)
    scene = talk.scenes[number - 1]
    place = ScenePlace(number, len(talk.scenes))
    try:
        _fetch(place, scene)
        stage.draw(place, explainer, scene, explainer.classifier(scene.model))
        _offer(place, explainer, talk)
    except UserError as error:
        _log.info("scene %d cannot be made", number, exc_info=error)
        place.show(frame(scene.title, told(str(error))))
    except Exception:  # noqa: BLE001 - no traceback reaches the stage
        _log.exception("scene %d cannot be made", number)
        sentence = "Something went wrong with this scene; the log has the details."
        place.show(frame(scene.title, told(sentence)))


@st.cache_resource(show_spinner=False, max_entries=4)
def _read(path: Path, changed: int) -> Talk:
    """The talk, read again when its file has changed."""
    del changed  # only tells one state of the file from another
    return read_talk(path)


def _number(count: int) -> int:
    """The scene in the address, from 1; the first if it is not one of this talk."""
    wanted = st.query_params.get("scene", "1")
    number = read_number(wanted, 999) or 1
    return number if 1 <= number <= count else 1


def _turn(number: int) -> None:
    st.query_params["scene"] = str(number)
    st.session_state["talk_turns"] = st.session_state.get("talk_turns", 0) + 1


def _fetch(place: ScenePlace, scene: Scene) -> None:
    """Download the scene's model, if it is not here."""
    record = registry.record(scene.model)
    if record.weights.present:
        return
    place.show(frame(scene.title))
    with place.corner:
        live.run_download(record.name, record.title)


def _offer(place: ScenePlace, explainer: Explainer, talk: Talk) -> None:
    """A quiet button in the corner that makes all scenes ready, while some are not."""
    missing = sum(not ready(explainer, state.judge(), scene) for scene in talk.scenes)
    with place.corner:
        spot = st.empty()
    if not missing:
        return
    if not st.session_state.pop("talk_warm", False):
        words = f"Make ready: {missing} of {len(talk.scenes)} scenes are not"
        spot.container().button(markdown(words), key="talk_make", on_click=_ask, type="tertiary")
        return

    def say(words: str) -> None:
        live.tick()
        spot.caption(markdown(words))

    with (
        state.line().admitted(lambda before: say(live.people(before))),
        closing(warm(explainer, state.judge(), talk)) as steps,
    ):
        for step in steps:
            say(words_of(step))
    st.rerun()


def _ask() -> None:
    st.session_state["talk_warm"] = True
