"""The large pair of model input and map, the thumbnails of the other maps, and the trust line."""

from collections.abc import Mapping
from dataclasses import replace

from core.drawing.sentences import Finding
from core.text import escape, json_attribute
from dashboard.drawing.panels import Panel, large_html, picture_html, trust_html
from dashboard.drawing.view import Scene, marked
from dashboard.explain.skeleton import Skeleton


class Lead:
    """Draws the pair, the thumbnails and the trust line anew when a map or the finding changes."""

    def __init__(
        self,
        places: Skeleton,
        scene: Scene,
        photo: Panel,
        maps: Mapping[str, str],
        chosen: str,
    ) -> None:
        """Draw nothing yet.

        Args:
            places: where to draw.
            scene: the picture and the model.
            photo: the left one of the pair.
            maps: names of the maps on the page, each with its title.
            chosen: the name of the map that is shown large.
        """
        self._places = places
        self._scene = scene
        self._photo = photo
        self._maps = maps
        self._chosen = chosen
        self._finding: Finding | None = None
        self._panels: Mapping[str, Panel] = {}
        self._drawn: dict[str, str] = {}

    def mark(self, finding: Finding | None) -> None:
        """Mark the window of which the sentence of evidence speaks."""
        self._finding = finding
        self._draw("photo", large_html(self._outlined(self._photo)))
        if self._panels:
            self.show(self._panels)

    def show(self, panels: Mapping[str, Panel]) -> None:
        """Draw these panels of maps, by title; what stands there already is left alone."""
        self._panels = panels
        panel = panels.get(self._maps.get(self._chosen, ""))
        heat, trust = "", ""
        if panel is not None:
            heat = large_html(self._outlined(panel))
            trust = trust_html(panel)
        self._draw("map", heat)
        self._draw("trust", trust)
        buttons = "".join(
            _thumbnail(name, panels[title], name == self._chosen)
            for name, title in self._maps.items()
            if title in panels
        )
        self._draw("thumbnails", f'<div class="wil-thumbs">{buttons}</div>')

    def _outlined(self, panel: Panel) -> Panel:
        """With the marked window in place of the windows to scale, once there is one."""
        if self._finding is None or panel.picture is None:
            return panel
        crop = [each for each in panel.outlines if each.kind == "crop"]  # on the whole photo
        mark = marked(self._scene, self._finding, whole=bool(crop))
        words = f"{panel.alt} Marked: {self._finding.placed}"
        return replace(panel, outlines=(*crop, mark), alt=words)

    def _draw(self, place: str, html: str) -> None:
        if self._drawn.get(place) != html:
            getattr(self._places, place).html(html)
            self._drawn[place] = html


def _thumbnail(name: str, panel: Panel, chosen: bool) -> str:
    """A map that is shown large when it is pressed."""
    small = replace(panel, outlines=(), alt="")
    pressed = "true" if chosen else "false"
    picture = picture_html(small, "span")
    return (
        f'<button type="button" class="wil-thumb {panel.state}" aria-pressed="{pressed}" '
        f'data-link="{json_attribute(["map", name])}">'
        f'<span class="wil-box">{picture}</span><span>{escape(panel.title)}</span></button>'
    )
