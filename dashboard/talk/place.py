"""The slot of the page in which a scene of a talk is drawn."""

from functools import cached_property
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


class _Parts(NamedTuple):
    words: DeltaGenerator
    over: DeltaGenerator
    corner: DeltaGenerator


class ScenePlace:
    """A scene's own place: its words and pictures, what is touched over them, and a corner.

    Streamlit keeps what the former run drew until this run draws at the same spot, or ends, and a
    scene may compute for long. So each scene has a spot of its own. The first that a run draws of
    it empties the spots of all others. Until then the scene before stays, as a whole: the stage is
    dark for a frame at most. In further runs of one scene its brush stays what it is.

    Streamlit also keeps a widget whose spot is taken by something else, but not one in a container
    whose spot is taken. So what comes and goes within a scene is drawn in containers too.
    """

    def __init__(self, number: int, count: int) -> None:
        """The place of scene ``number``, from 1, of ``count``."""
        self._number, self._count = number, count
        self._all = st.container()
        self._shown: DeltaGenerator | None = None

    def show(self, html: str) -> None:
        """Show words and pictures, instead of those before."""
        # Written over those of the scene's former run: nothing is emptied in between.
        self._shown = (self._shown or self._parts.words).html(html)

    def touched(self, key: str) -> DeltaGenerator:
        """A container over the words and pictures; ``key`` is its style's."""
        return self._parts.over.container(key=key)

    @property
    def corner(self) -> DeltaGenerator:
        """A quiet container in the corner."""
        return self._parts.corner

    @cached_property
    def _parts(self) -> _Parts:
        own = self._all
        for number in range(1, self._count + 1):
            if number == self._number:
                own = self._all.container()
            else:
                self._all.empty()
        return _Parts(own.container(), own.container(), own.container(key="talk_corner"))
