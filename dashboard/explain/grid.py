"""`Board`: a row of map panels that fills while maps and trust measures are computed."""

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods.attribution import Attribution
from core.methods.forecast import Forecast
from core.methods.identity import identity
from core.methods.scores import Question
from core.methods.settings import Setting
from core.trust.badges import Badge, badges
from core.trust.judgement import Case, Judgement
from core.trust.settings import FaithfulnessSetting
from dashboard.drawing.panels import Panel, panel_html
from dashboard.drawing.places import nothing_more
from dashboard.drawing.view import Look, Scene, map_panel, map_scales
from dashboard.session import state
from dashboard.session.live import Job

_log = logging.getLogger(__name__)


def known_maps(
    explainer: Explainer, scene: Scene, question: Question, settings: Mapping[str, Setting]
) -> dict[str, Attribution]:
    """The finished maps among those of some settings, by title; costs no pass."""
    found = {}
    for title, setting in settings.items():
        asked = (scene.classifier, scene.picture, setting, question)
        with suppress(UserError):  # the board that shows them says why
            if not explainer.forecast(*asked).passes:
                found[title] = explainer.attribution(*asked)
    return found


class Board:
    """Maps of one scene, side by side, each in an element of its own that is replaced as it forms.

    Attributes:
        maps: finished and partial maps, by title.
        judgements: their trust measures, by title.
        scene: the picture and the model.
        settings: of the maps, by title.
        how: how the maps are judged; None if they are not.
    """

    def __init__(
        self,
        name: str,
        explainer: Explainer,
        scene: Scene,
        question: Question,
        settings: Mapping[str, Setting],
        look: Look,
        front: Sequence[Panel] = (),
        columns: int | None = None,
        how: FaithfulnessSetting | None = None,
        beside: Mapping[str, Attribution] | None = None,
        watch: Callable[[Mapping[str, Panel]], None] = lambda _: None,
    ) -> None:
        """Draw what is known.

        Args:
            name: tells the boards of a page apart; letters, digits and underscores.
            explainer: computes and remembers.
            scene: the picture and the model.
            question: what is asked.
            settings: of the maps, by title.
            look: how maps are shown.
            front: panels that come before the maps.
            columns: how many panels make a row; as many as there is room for by default.
            how: the maps are judged; None if they are not.
            beside: maps that share the scale of those with the same title.
            watch: is given the panels of the maps, by title, each time they are drawn.
        """
        self.maps: dict[str, Attribution] = {}
        self.judgements: dict[str, Judgement] = {}
        self._memory = f"board_{name}"
        self._explainer = explainer
        self.scene = scene
        self._question = question
        self.settings = settings
        self._look = look
        self._front = front
        self.how = how
        self._beside = beside or {}
        self._watch = watch
        self._progress: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._forecasts: dict[str, Callable[[], Forecast]] = {}
        self._drawn: dict[str, object] = {}
        self._panels: dict[str, Panel] = {}
        for title, setting in settings.items():
            try:
                forecast = partial(
                    explainer.forecast, scene.classifier, scene.picture, setting, question
                )
                if forecast().passes:
                    self._forecasts[title] = forecast
                else:
                    self.maps[title] = explainer.attribution(
                        scene.classifier, scene.picture, setting, question
                    )
            except UserError as error:
                _log.info("%s: no map", title, exc_info=error)
                self._failed[title] = str(error)
        if not look.held_scale:
            st.session_state.pop(f"{self._memory}_scales", None)
        if how is not None:
            for title in self.maps:
                known = state.judge().known(self._case(title), how)
                if known is not None:
                    self.judgements[title] = known
        before = len(st.session_state.get(self._memory, ()))
        self._row = st.container(key=f"panels_{name}")
        if columns is not None:
            rule = f"grid-template-columns: repeat({columns}, 1fr) !important"
            st.html(f"<style>.st-key-panels_{name} {{ {rule} }}</style>")
        self._shown: dict[int, tuple[Panel, DeltaGenerator]] = {}
        self._draw()
        with self._row:
            nothing_more(before)

    def jobs(self) -> Iterator[Job[Attribution]]:
        """The maps that are still to be computed."""
        for title, forecast in self._forecasts.items():
            steps = self._explainer.steps(
                self.scene.classifier, self.scene.picture, self.settings[title], self._question
            )
            yield Job(
                title, steps, forecast, partial(self._show, title), partial(self._fail, title)
            )

    def judgement_jobs(self) -> Iterator[Job[Judgement]]:
        """The judgements of finished maps that are still to be made."""
        for title in self.maps:
            done = title in self.judgements or self.unjudged(title)
            if self.how is None or done or title in self._progress:
                continue
            case = self._case(title)
            yield Job(
                self.judging(title),
                state.judge().steps(case, self.how),
                partial(state.judge().forecast, case, self.how),
                partial(self._show_judgement, title),
                partial(self._fail_judgement, title),
            )

    @staticmethod
    def judging(title: str) -> str:
        """What the job is called that judges a map."""
        return f"How far to trust {title}"

    def unjudged(self, title: str) -> str | None:
        """Why there is no judgement of a map, if that was tried in this session."""
        return self._refusals().get(self._asked(title))

    def _fail_judgement(self, title: str, sentence: str) -> None:
        self._refusals()[self._asked(title)] = sentence
        st.rerun()  # the evidence says why, and it is not tried again

    def _refusals(self) -> dict[Hashable, str]:
        found: dict[Hashable, str] = st.session_state.setdefault("unjudged", {})
        return found

    def _asked(self, title: str) -> Hashable:
        scene = self.scene
        model = identity(scene.classifier)
        return model, scene.picture.key, self.settings[title], self._question, self.how

    def _show_judgement(self, title: str, judgement: Judgement, progress: str | None) -> None:
        self.judgements[title] = judgement
        self._draw()
        if progress is None:
            st.rerun()  # the page has evidence to show, and the next map is judged in that run

    @property
    def _no_badges(self) -> tuple[Badge, ...] | None:
        """Those of a map that is not judged yet."""
        return None if self.how is None else ()

    def _case(self, title: str) -> Case:
        scene = self.scene
        return Case(scene.classifier, scene.picture, self.settings[title], self.maps[title])

    def _show(self, title: str, attribution: Attribution, progress: str | None) -> None:
        self.maps[title] = attribution
        if progress is None:
            self._progress.pop(title, None)
        else:
            self._progress[title] = progress
        self._draw()

    def _fail(self, title: str, sentence: str) -> None:
        self.maps.pop(title, None)
        self._failed[title] = sentence
        self._draw()

    def _draw(self) -> None:
        scales = map_scales(self.maps, self._look, self._beside)
        if self._look.held_scale:
            scales = self._held(scales)
        for title, attribution in self.maps.items():
            judgement = self.judgements.get(title)
            now = (attribution, scales[title], judgement)
            if self._drawn.get(title) != now:
                progress = self._progress.get(title)
                panel = map_panel(
                    self.scene, title, attribution, scales[title], self._look, progress
                )
                if judgement is None:
                    reason = self.unjudged(title) or ""
                    panel = replace(panel, badges=self._no_badges, unjudged=reason)
                else:
                    panel = replace(panel, badges=tuple(badges(judgement)))
                self._panels[title] = panel
                self._drawn[title] = now
        before: list[tuple[object, Panel]] = st.session_state.get(self._memory, [])
        panels = []
        for slot, title in enumerate(self.settings):
            if title in self.maps:
                panel = self._panels[title]
            elif title in self._failed:
                sentence = self._failed[title]
                panel = Panel(title, sentence, caption=sentence, state="failed")
            elif slot < len(before) and before[slot][0] == self.scene.picture.key:
                # The map that was here, dimmed, until the new one begins to form.
                panel = replace(
                    before[slot][1],
                    title=title,
                    alt=f"{title}: not computed yet.",
                    caption="",
                    bar=None,
                    meter=None,
                    badges=self._no_badges,
                    state="old",
                )
            else:
                words = f"{title}: not computed yet."
                panel = Panel(title, words, badges=self._no_badges)
            panels.append(panel)
        for place, panel in enumerate([*self._front, *panels]):
            shown, element = self._shown.get(place, (None, self._row))
            if panel != shown:  # a frame costs the browser what is new in it
                self._shown[place] = panel, element.html(panel_html(panel))
        self._watch(dict(zip(self.settings, panels, strict=True)))
        st.session_state[self._memory] = [(self.scene.picture.key, p) for p in panels]

    def _held(self, scales: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        """The scales that were in force when they were first held, slot by slot."""
        held: dict[object, tuple[float, float]] = st.session_state.setdefault(
            f"{self._memory}_scales", {}
        )
        values = (self._look.display.sign, self._look.summed)
        kind = (self._question.kind, self._question.contrast is None, values)
        slots = {title: (slot, kind) for slot, title in enumerate(self.settings)}
        for title, ends in scales.items():
            if title not in self._progress:  # a map that still forms has no scale to hold
                held.setdefault(slots[title], ends)
        return {title: held.get(slots[title], ends) for title, ends in scales.items()}
