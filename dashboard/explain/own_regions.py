"""Regions of a visitor's own in place of superpixels: their upload, and what each is worth.

They stay in the memory of the session, each for the photo that it was given for, and are no part of
an address.
"""

import logging
from dataclasses import dataclass, replace

import streamlit as st

from core.drawing.sentences import number, percent
from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods.cover_methods import MOST_REGIONS, PatchSetting
from core.methods.settings import Setting
from core.methods.superpixels import Worth
from core.pictures.label_image import LabelImage, open_label_image
from core.pictures.picture import Picture
from core.text import counted, escape, markdown
from dashboard.drawing.places import replacing
from dashboard.drawing.view import Scene
from dashboard.explain.grid import Board

_KEPT, _ERROR = "own_regions", "own_regions_error"  # in the state of the session
_MOST_KEPT = 4  # photos of a session whose regions are kept

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Own:
    """The regions of a photo.

    Attributes:
        name: of the file.
        unnamed: as the file has them.
        labels: the same, with the names that were given.
    """

    name: str
    unnamed: LabelImage
    labels: LabelImage


def has_own(picture: Picture) -> bool:
    """Whether a photo has regions of the visitor's own."""
    return picture.sha256 in _kept()


def with_own(explainer: Explainer, picture: Picture, setting: Setting) -> Setting:
    """A setting with the regions that a photo has, or with superpixels if it has none.

    Unchanged for methods that cover no patches.
    """
    if not isinstance(setting, PatchSetting):
        return setting
    own = _kept().get(picture.sha256)
    return replace(setting, regions="" if own is None else explainer.as_regions(own.labels))


def draw_own(scene: Scene) -> None:
    """The upload of regions for a photo; once they are there, of their names, and the way back."""
    sha256 = scene.picture.sha256
    with replacing(st.expander("Your own regions"), 3):
        own = _kept().get(sha256)
        if own is None:
            st.file_uploader(
                "Label image, a PNG of the photo's size",
                type="png",
                key=(key := f"own_regions_{sha256[:16]}"),
                on_change=_accept,
                args=(scene, key),
                help=f"Up to {MOST_REGIONS} regions, each a grey, an index of a palette or a "
                "colour; black (value 0) and transparent pixels are background. It stays in this "
                "browser session's memory, for this photo.",
            )
        else:
            count = len(own.labels.keys)
            regions = counted(count, "region")
            st.caption(markdown(f"{regions} of {own.name}, in place of superpixels"))
            st.file_uploader(
                "Their names, a CSV",
                type="csv",
                key=(key := f"own_names_{sha256[:16]}"),
                on_change=_accept_names,
                args=(scene.picture, key),
                help=markdown(f"Lines of value or colour and name: {own.labels.keys[0]},beak"),
            )
        failed, sentence = st.session_state.get(_ERROR, ("", ""))
        if failed == sha256:
            st.error(markdown(sentence))
        if own is not None:
            st.button("Back to superpixels", key="own_regions_back", on_click=_drop, args=(sha256,))


def worths_html(explainer: Explainer, board: Board, title: str | None) -> str:
    """A table of what each region is worth in a finished map; nothing for other maps."""
    made = board.maps.get(title or "")
    if title is None or made is None:
        return ""
    scene = board.scene
    try:
        table = explainer.worths(
            scene.classifier, scene.picture, board.settings[title], made.values
        )
    except UserError as error:
        _log.info("no table of regions", exc_info=error)
        return f'<p class="wil-note">{escape(str(error))}</p>'
    if not table:
        return ""
    rows = "".join(
        f"<tr><td>{_called(each)}</td><td>{escape(percent(each.share))}</td>"
        f"<td>{escape(number(each.worth))}</td></tr>"
        for each in table
    )
    return (
        '<div class="wil-worths" role="region" tabindex="0" aria-label="What each region is worth">'
        '<table><thead><tr><th scope="col">Region</th><th scope="col">Share of the picture</th>'
        f'<th scope="col">Worth, {escape(made.units)}</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _called(region: Worth) -> str:
    """Colour or value of a region, and its name if it has one."""
    name = escape(region.name)
    if region.key.startswith("#"):
        return f'<i style="background:{escape(region.key)}"></i>{name}'
    return name if region.name == region.key else f"<b>{escape(region.key)}</b> {name}"


def _kept() -> dict[str, _Own]:
    """The regions of this session, by digest of the photo."""
    found: dict[str, _Own] = st.session_state.setdefault(_KEPT, {})
    return found


def _accept(scene: Scene, key: str) -> None:
    """Take an upload as the regions of a photo, or say what is wrong with it."""
    st.session_state.pop(_ERROR, None)
    file, picture = st.session_state.get(key), scene.picture
    if file is None:
        return
    try:
        labels = open_label_image(file.getvalue(), MOST_REGIONS)
        labels.seen(scene.classifier.record.preprocessing, picture.image.size, picture.region)
    except UserError as error:
        _refuse(picture, error)
        return
    kept = {**_kept(), picture.sha256: _Own(file.name, labels, labels)}
    st.session_state[_KEPT] = dict(list(kept.items())[-_MOST_KEPT:])


def _accept_names(picture: Picture, key: str) -> None:
    """Give the regions of a photo their names; none, if the file is taken off the list."""
    st.session_state.pop(_ERROR, None)
    file, own = st.session_state.get(key), _kept()[picture.sha256]
    try:
        labels = own.unnamed if file is None else own.unnamed.named(file.getvalue())
    except UserError as error:
        _refuse(picture, error)
        return
    _kept()[picture.sha256] = replace(own, labels=labels)


def _refuse(picture: Picture, error: UserError) -> None:
    _log.info("regions refused", exc_info=error)
    st.session_state[_ERROR] = picture.sha256, str(error)


def _drop(sha256: str) -> None:
    st.session_state.pop(_ERROR, None)
    _kept().pop(sha256, None)
