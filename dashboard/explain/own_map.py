"""A map made elsewhere, beside the maps of the page: its upload, and what has to be said of it.

It stays in the memory of the session, for the photo that it was given for, and is no part of an
address. What it explains is what the page explained when it was given: for another class or model
its panel says so.
"""

import logging
from dataclasses import dataclass, replace

import streamlit as st

from core.drawing.sentences import span
from core.errors import ChannelsError, UserError
from core.explaining.explainer import Explainer
from core.methods.given_setting import (
    GIVEN,
    GIVEN_SIGNS,
    NO_UNIT,
    SCORE_UNIT,
    SIGN_WORDS,
    GivenFor,
    GivenSetting,
    check_said,
)
from core.methods.scores import Question
from core.pictures.given_file import open_given_map
from core.pictures.given_map import CHANNELS, GivenMap
from core.pictures.picture import Picture
from core.text import line, markdown
from dashboard.drawing.places import replacing
from dashboard.drawing.view import Scene

# In the state of the session.
_KEPT, _ERROR, _COUNT = "own_maps", "own_map_error", "own_map_count"
_MOST_KEPT = 4  # photos of a session whose map is kept
_LONGEST_TITLE = 60
_COVERS = {
    "": "by its size",
    "input": "the model's input",
    "photo": "the photo",
    "grid": "the input, as a coarse grid",
}
_UNITS = {SCORE_UNIT: "units of the score", NO_UNIT: "no unit"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Own:
    """A map that was given for a photo.

    Attributes:
        number: of the upload in this session; what was said of one map is not said of another.
        name: of its file.
        data: the file.
        channels: what has to be asked before its channels become one; empty without channels.
        given: the map; None while the file cannot be used as it is.
        setting: the map as the page shows it; None until what it needs has been said.
    """

    number: int
    name: str
    data: bytes
    channels: str = ""
    given: GivenMap | None = None
    setting: GivenSetting | None = None

    def key(self, what: str) -> str:
        """The key of a control that asks something of this map."""
        return f"own_map_{what}_{self.number}"


def own_map(
    explainer: Explainer, picture: Picture, baseline: str
) -> tuple[str, GivenSetting] | None:
    """Title and setting of a photo's map, if there is one to be shown.

    Args:
        explainer: has the map at hand from then on.
        picture: the photo.
        baseline: of the page, with which infidelity is measured as for the other maps.
    """
    own = _kept().get(picture.sha256)
    if own is None or own.setting is None or own.given is None:
        return None
    setting = replace(own.setting, values=explainer.as_given(own.given))
    if not setting.adds_up:  # else it is the one from which the sum of the values counts
        setting = replace(setting, baseline=baseline)
    return setting.title, setting


def draw_own_map(explainer: Explainer, scene: Scene, question: Question, baseline: str) -> None:
    """The upload of a map; once it is there, what has to be said of it, and the way back."""
    sha256 = scene.picture.sha256
    with replacing(st.expander("A map made elsewhere", key="own_map"), 9):
        own = _kept().get(sha256)
        if own is not None and own.setting is not None:
            st.caption(markdown(f"{own.name} is on the page, as {own.setting.title}."))
        else:
            _draw_upload(scene, own)
        asked = own is not None and own.setting is None and own.given is not None
        if own is not None and own.given is None and own.channels:
            _draw_channels(scene.picture, own)
        if own is not None and own.given is not None and asked:
            _draw_questions(own, own.given)
        failed, sentence = st.session_state.get(_ERROR, ("", ""))
        if failed == sha256:
            st.error(markdown(sentence))
        if own is not None:
            with st.container(horizontal=True):
                if asked:
                    st.button(
                        "Show this map",
                        key="own_map_take",
                        type="primary",
                        on_click=_take,
                        args=(explainer, scene, question, baseline),
                    )
                st.button("Remove this map", key="own_map_drop", on_click=_drop, args=(sha256,))


def draw_said(scene: Scene) -> None:
    """What was said of the map that is shown large, in place of a method's settings."""
    record, picture = scene.classifier.record, scene.picture
    own = _kept().get(picture.sha256)
    if own is None or own.setting is None or own.setting.given_for is None:
        return
    asked = own.setting.given_for
    sign = SIGN_WORDS[own.setting.sign]
    model = record.title if asked.model == record.name else asked.model
    names = scene.classifier.class_names if asked.model == record.name else ()
    what = f"a map of {names[asked.target]}" if asked.target < len(names) else "a map"
    st.caption(
        markdown(
            f"{own.name}, made elsewhere; {own.setting.sign}: {sign}. Given as {what} by {model}."
        )
    )
    for note in own.given.notes if own.given is not None else ():
        st.caption(markdown(note))
    st.button(
        "Remove this map",
        key="own_map_away",
        type="tertiary",
        on_click=_drop,
        args=(picture.sha256,),
    )


def _draw_upload(scene: Scene, own: _Own | None) -> None:
    tall, wide = scene.size
    width, height = scene.picture.image.size
    st.file_uploader(
        "A map, as .npy, .npz or a PNG of greys",
        type=["npy", "npz", "png"],
        key=(key := f"own_map_{scene.picture.sha256[:16]}_{_turn()}"),
        on_change=_accept,
        args=(scene.picture, key),
        help=f"Of the model's input, {wide} × {tall}, or of the photo, {width} × {height} pixels. "
        "It stays in this browser session's memory, for this photo.",
    )
    if own is None or own.given is None:
        return
    values = own.given.values
    low, high = span(float(values.min()), float(values.max()))
    st.caption(
        markdown(f"{own.name}: {values.shape[1]} × {values.shape[0]} values, {low} to {high}.")
    )
    for note in own.given.notes:
        st.caption(markdown(note))


def _draw_channels(picture: Picture, own: _Own) -> None:
    st.caption(markdown(own.channels))
    st.selectbox(
        "Channels become one as",
        list(CHANNELS),
        index=None,
        format_func=CHANNELS.__getitem__,
        key=own.key("channels"),
        on_change=_join,
        args=(picture,),
        placeholder="Choose",
    )


def _draw_questions(own: _Own, given: GivenMap) -> None:
    """What the numbers do not say of themselves; nothing is chosen beforehand."""
    signs = [each for each in GIVEN_SIGNS if not (given.order_only and each == "signed")]
    st.radio(
        "What its sign means",
        signs,
        index=None,
        format_func=lambda sign: f"{sign}: {SIGN_WORDS[sign]}",
        key=own.key("sign"),
    )
    if not given.order_only:
        st.selectbox(
            "What its values count",
            list(_UNITS),
            index=None,
            format_func=lambda unit: _UNITS.get(unit, unit),
            key=own.key("unit"),
            accept_new_options=True,
            placeholder="Choose, or type a unit",
        )
    st.selectbox(
        "What it covers", list(_COVERS), format_func=_COVERS.__getitem__, key=own.key("covers")
    )
    if not given.order_only:
        st.checkbox(
            "Its values sum to the change of the score",
            key=own.key("sum"),
            help="From the page's baseline to the picture, as those of Integrated Gradients do. "
            "Then the trust line says whether they really do (completeness).",
        )


def _kept() -> dict[str, _Own]:
    """The maps of this session, by digest of the photo."""
    found: dict[str, _Own] = st.session_state.setdefault(_KEPT, {})
    return found


def _turn() -> int:
    """How often a map was removed: an uploader of its own begins empty."""
    turn: int = st.session_state.setdefault("own_map_turn", 0)
    return turn


def _accept(picture: Picture, key: str) -> None:
    """Take an upload as the map of a photo, or say what is wrong with it."""
    st.session_state.pop(_ERROR, None)
    file = st.session_state.get(key)
    if file is None:
        _drop(picture.sha256)
        return
    number = st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1
    own = _Own(number, file.name, file.getvalue())
    _keep(picture, own)
    try:
        _keep(picture, replace(own, given=open_given_map(own.data)))
    except ChannelsError as question:
        _keep(picture, replace(own, channels=str(question)))
    except UserError as error:
        _refuse(picture, error)


def _join(picture: Picture) -> None:
    """Read the file again, its channels made one as it was said."""
    st.session_state.pop(_ERROR, None)
    own = _kept()[picture.sha256]
    try:
        given = open_given_map(own.data, st.session_state[own.key("channels")])
    except UserError as error:
        _refuse(picture, error)
    else:
        _keep(picture, replace(own, given=given))


def _take(explainer: Explainer, scene: Scene, question: Question, baseline: str) -> None:
    """Show the map, if what was said of it fits it; else say what does not."""
    st.session_state.pop(_ERROR, None)
    picture, said = scene.picture, st.session_state
    own = _kept()[picture.sha256]
    assert own.given is not None
    record = scene.classifier.record
    seen, size = record.preprocessing, picture.image.size
    try:
        unit = NO_UNIT if own.given.order_only else said.get(own.key("unit"))
        setting = GivenSetting(
            values=explainer.as_given(own.given),
            sign=check_said(said.get(own.key("sign")), unit, ""),
            unit=unit or "",
            title=line(own.name.rpartition(".")[0] or own.name, _LONGEST_TITLE),
            map_of=said.get(own.key("covers")) or own.given.covers(seen, size, picture.region),
            adds_up=bool(said.get(own.key("sum"))) and not own.given.order_only,
            order_only=own.given.order_only,
            baseline=baseline,
            given_for=GivenFor(
                record.name, question.target, question.contrast, question.kind, picture.region
            ),
        )
        explainer.attribution(scene.classifier, picture, setting, question)
    except UserError as error:
        _refuse(picture, error)
        return
    _keep(picture, replace(own, setting=setting))
    st.session_state["map"] = GIVEN


def _keep(picture: Picture, own: _Own) -> None:
    kept = {**_kept(), picture.sha256: own}
    st.session_state[_KEPT] = dict(list(kept.items())[-_MOST_KEPT:])


def _refuse(picture: Picture, error: UserError) -> None:
    _log.info("a map refused", exc_info=error)
    st.session_state[_ERROR] = picture.sha256, str(error)


def _drop(sha256: str) -> None:
    st.session_state.pop(_ERROR, None)
    _kept().pop(sha256, None)
    st.session_state["own_map_turn"] = _turn() + 1
