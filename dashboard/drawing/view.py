"""Maps and pictures as panels, with their captions, colour bars and units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from core.drawing.captions import (
    EVERY_CLASS,
    baseline_words,
    checked,
    completeness,
    question_words,
    remark,
    settings_words,
    uncertainty,
)
from core.drawing.readout import Readout, packed
from core.drawing.rendering import (
    SIGMA,
    Display,
    backdrop,
    colour_bar,
    data_uri,
    indexed,
    neighbourhood_sums,
    scale,
)
from core.drawing.sentences import Finding, amount_of, share_of, span, unit_words
from core.files.cache import BoundedCache
from core.methods.attribution import Attribution
from core.methods.cover_methods import OcclusionSetting
from core.methods.given_setting import GIVEN
from core.models.classifiers import Classifier, ClassScore
from core.models.heads import Head
from core.pictures.picture import Picture
from core.pictures.preprocessing import Box
from core.text import counted, escape, json_attribute
from dashboard.drawing.panels import PHOTO_SIDE, Meter, Outline, Panel, ScaleBar, photo_address

_STAGE_SIDE = 960  # the same for a talk
_addresses: BoundedCache[str] = BoundedCache(96)  # pictures as data URIs, shared by all sessions

_NOTHING: Mapping[str, Attribution] = MappingProxyType({})


PHOTO_TITLE, INPUT_TITLE = "Photo", "What the model sees"


@dataclass(frozen=True)
class Look:
    """How maps are laid out on the page.

    Attributes:
        display: colours, sign, opacity and outliers.
        same_scale: whether all maps share one scale.
        held_scale: whether scales stay as they are when the maps change.
        whole_photo: whether maps are put back on the whole photo.
        unit_scale: whether the colour bars go from 0 to 1, as Captum's do, in place of the units.
        summed: whether maps with a value for each pixel are shown as sums over a small square.
    """

    display: Display
    same_scale: bool
    held_scale: bool
    whole_photo: bool
    unit_scale: bool
    summed: bool = False


@dataclass(frozen=True)
class Scene:
    """What the page is about at the moment: a picture, and a model looking at it."""

    picture: Picture
    classifier: Classifier

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the model's input in pixels."""
        return self.classifier.record.preprocessing.size

    @property
    def region(self) -> Box:
        """The part of the photo that the model sees, in the photo's pixels."""
        preprocessing = self.classifier.record.preprocessing
        return preprocessing.seen(self.picture.image.size, self.picture.region)


def photo_panel(scene: Scene, settings: Sequence[OcclusionSetting]) -> Panel:
    """The whole photo, what lies outside the model's crop greyed, the windows to scale in it."""
    crop = crop_outline(scene)
    width, height = scene.picture.image.size
    inside = ", and in it the occlusion windows to scale" if settings else ""
    return Panel(
        title=PHOTO_TITLE,
        alt=f"The photo, {width} by {height} pixels; the part the model sees is outlined{inside}.",
        picture=photo_uri(scene),
        size=(width, height),
        outlines=(crop, *_windows(scene, settings, crop)),
        caption=f"{width} × {height} pixels. Bright: what the model sees.",
    )


def input_panel(scene: Scene, settings: Sequence[OcclusionSetting]) -> Panel:
    """The model's input, with the occlusion windows drawn to scale."""
    height, width = scene.size
    inside = ", with the occlusion windows drawn to scale" if settings else ""
    outlined = " Outlined: the windows, to scale." if settings else ""
    return Panel(
        title=INPUT_TITLE,
        alt=f"The part that the model sees, {width} by {height} pixels{inside}.",
        picture=input_uri(scene),
        size=(width, height),
        outlines=_windows(scene, settings, Outline(0, 0, 100, 100, "crop")),
        caption=f"{width} × {height} pixels.{outlined}",
    )


def map_scales(
    maps: Mapping[str, Attribution], look: Look, beside: Mapping[str, Attribution] = _NOTHING
) -> dict[str, tuple[float, float]]:
    """The ends of each map's colour bar, by title; all the same where one scale is asked for.

    Maps share their scale with those of the same title ``beside`` them.
    """
    every = [drawn(attribution, look) for attribution in (*maps.values(), *beside.values())]
    scales = {}
    for title, attribution in maps.items():
        pair = [drawn(each, look) for each in (attribution, beside.get(title)) if each]
        scales[title] = scale(every if look.same_scale else pair, look.display)
    return scales


def drawn(attribution: Attribution, look: Look) -> Any:
    """The values of a map as they are drawn, float32 (H, W)."""
    if look.summed and not attribution.about.coarse:
        return neighbourhood_sums(attribution.values)
    return attribution.values


def map_panel(
    scene: Scene,
    title: str,
    attribution: Attribution,
    ends: tuple[float, float],
    look: Look,
    progress: str | None,
) -> Panel:
    """A map over the picture; ``progress`` says how far it is while it is not finished."""
    low, high = ends
    names = scene.classifier.class_names
    unit, factor = unit_and_factor(attribution)
    ticks = list(span(factor * low, factor * high))
    if low < 0 < high:
        ticks.insert(1, "0")
    if look.unit_scale:
        ticks, unit = ["0", "1"], "of the scale's end"
    whole = look.whole_photo
    low_words, high_words = _ends_in_words(attribution, look, ends)
    head = attribution.question.head
    what = "evidence for" if head.has_probabilities else "what raises"
    about = f"{what} {names[attribution.target]}"
    if not attribution.about.asks:
        about = EVERY_CLASS.format(head.noun)
    return Panel(
        title=title,
        alt=f"{title}: {about}, from {ticks[0]} to {ticks[-1]} {unit}.",
        picture=backdrop_uri(scene, whole),
        size=scene.picture.image.size if whole else scene.size[::-1],
        overlay=data_uri(indexed(drawn(attribution, look), look.display, ends)),
        overlay_place=crop_outline(scene) if whole else None,
        outlines=(crop_outline(scene),) if whole else (),
        bar=ScaleBar(
            tuple(colour_bar(look.display, ends)), tuple(ticks), unit, low_words, high_words
        ),
        caption=progress or caption(attribution, names, look),
        note=progress or _note(attribution, names, look),
        meter=None if progress else meter(attribution),
    )


def _ends_in_words(
    attribution: Attribution, look: Look, ends: tuple[float, float]
) -> tuple[str, str]:
    """What the colours at both ends of a scale say."""
    below, above = attribution.question.head.signs
    sign = attribution.about.sign
    low, high = ends
    if not attribution.about.asks:
        return "" if low < 0 else "weak", "strong"  # the middle of the bar is the weakest
    if sign == "unsigned" or look.display.sign == "absolute":
        below, above = "", "strong influence"
    elif sign == "positive" and not attribution.parameters.get("signed"):
        below = ""
    return below if low < 0 else "no influence", above if high > 0 else "no influence"


def _note(attribution: Attribution, class_names: tuple[str, ...], look: Look) -> str:
    """The part of the caption without which a map would be misread."""
    question = attribution.question
    asks = attribution.about.asks
    plainly = question.contrast is None and (question.kind == "logit" or "score" not in asks)
    asked = question_words(attribution, class_names)
    parts = [
        "" if plainly and asks else asked,
        remark(attribution, class_names),
        drawing_words(attribution, look),
    ]
    return " · ".join(filter(None, parts))


def caption(attribution: Attribution, class_names: tuple[str, ...], look: Look) -> str:
    """Score explained, settings, forward passes used and time taken, in one line."""
    passes = attribution.forward_passes
    cost = f"{counted(passes, 'pass', 'passes')}, {attribution.seconds:.1f} s"
    if attribution.method == GIVEN:
        cost = ""
    elif not passes:
        cost = "known before"
    parts = [
        question_words(attribution, class_names),
        settings_words(attribution),
        baseline_words(attribution),
        uncertainty(attribution, *unit_and_factor(attribution)),
        remark(attribution, class_names),
        drawing_words(attribution, look),
        cost,
        checked(attribution),
    ]
    return " · ".join(filter(None, parts))


def drawing_words(attribution: Attribution, look: Look) -> str:
    """How the drawing differs from the values; empty where it does not."""
    if not look.summed or attribution.about.coarse:
        return ""
    return f"drawn as sums around each pixel (Gaussian, sigma {SIGMA:g}), values as computed"


def meter(attribution: Attribution) -> Meter | None:
    """Completeness: the sum of the values relative to the change of the score, if it applies."""
    words = completeness(attribution, *unit_and_factor(attribution))
    if not words or attribution.change is None or attribution.gap is None:
        return None
    share = 1 + attribution.gap / attribution.change if attribution.change else 0.0
    return Meter(min(max(share, 0.0), 1.0), words[0].upper() + words[1:])


def inspection(
    scene: Scene, read: Readout, attribution: Attribution, whole_photo: bool
) -> dict[str, Any]:
    """A map as the pointer's read-out wants it; see `dashboard.browser.components.inspect`."""
    unit, factor = unit_and_factor(attribution)
    message = {
        "values": packed(read.values, factor),
        "rows": read.rows.tolist(),
        "columns": read.columns.tolist(),
        "units": unit,
    }
    if whole_photo:
        crop = crop_outline(scene)
        shares = (crop.left, crop.top, crop.width, crop.height)
        message["place"] = [share / 100 for share in shares]
    if read.notes is not None:
        message["notes"] = packed(read.notes)
        message["words"] = list(read.words)
    return message


def bars_html(entries: Sequence[ClassScore], asked: int, head: Head) -> str:
    """Classes with their probabilities, as bars and as text; the asked one in the accent colour.

    A name is a button, for `controls.explain_class`.
    """
    rows = "".join(
        f'<button type="button" data-link="{json_attribute(["class", str(entry.index)])}" '
        f'title="Explain this {head.noun}">{escape(entry.name)}</button>'
        f'<span class="bar{" asked" if entry.index == asked else ""}" '
        f'style="width:{100 * share_of(entry, entries):.1f}%"></span>'
        f'<span class="share">{amount_of(entry, head)}</span>'
        for entry in entries
    )
    return f'<div class="wil-top">{rows}</div>'


def classes_html(
    entries: Sequence[ClassScore], target: int, names: Sequence[str], head: Head
) -> str:
    """The most probable classes, to be pressed; ``names`` tell all classes apart."""
    first, words = entries[0], ""
    if target != first.index:
        link = json_attribute(["class", str(first.index)])
        words = (
            f'<div class="wil-hint"><b>The maps explain {escape(names[target])}</b>, not the '
            f"{head.first} {escape(names[first.index])}. "
            f'<button type="button" class="wil-way" data-link="{link}">Explain the {head.first}'
            "</button></div>"
        )
    hint = f'<div class="wil-hint">Press a {head.noun} to explain it</div>'
    return f"{hint}{bars_html(entries, target, head)}{words}"


def photo_uri(scene: Scene) -> str:
    """The photo's address, at a size that panels can show."""
    picture = scene.picture
    return _addresses.get_or_make(("photo", picture.sha256), lambda: photo_address(picture.image))


def input_uri(scene: Scene) -> str:
    """The address of the model's input."""
    preprocessing = scene.classifier.record.preprocessing
    return _addresses.get_or_make(
        ("input", scene.picture.key, preprocessing),
        lambda: data_uri(preprocessing.picture(scene.picture.image, scene.picture.region), "JPEG"),
    )


def stage_uri(scene: Scene, pale: bool = False) -> str:
    """The part of the photo that the model sees, in the photo's own detail, for a large screen.

    ``pale`` makes it the ground for a map.
    """

    preprocessing = scene.classifier.record.preprocessing

    def make() -> str:
        picture = scene.picture
        part = preprocessing.part(picture.image, picture.region, most=_STAGE_SIDE)
        return data_uri(backdrop(part) if pale else part, "JPEG")

    return _addresses.get_or_make(("stage", pale, scene.picture.key, preprocessing), make)


def backdrop_uri(scene: Scene, whole: bool = False) -> str:
    """The address of the pale ground for maps: the model's input, or the whole photo."""
    preprocessing = scene.classifier.record.preprocessing

    def make() -> str:
        picture = scene.picture.image.copy()
        if whole:
            picture.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
        else:
            picture = preprocessing.picture(picture, scene.picture.region)
        return data_uri(backdrop(picture), "JPEG")

    return _addresses.get_or_make(("backdrop", whole, scene.picture.key, preprocessing), make)


def unit_and_factor(attribution: Attribution) -> tuple[str, float]:
    """The unit people read, and what to multiply by: probabilities are read in points."""
    return unit_words(attribution.units)


def _windows(
    scene: Scene, settings: Sequence[OcclusionSetting], crop: Outline
) -> tuple[Outline, ...]:
    """The windows in the middle of the model's input, which is the ``crop`` of a picture."""
    outlines = []
    for setting in settings:
        down, across = (setting.window / side for side in scene.size)
        if max(down, across) <= 1:
            left = crop.left + crop.width * (1 - across) / 2
            top = crop.top + crop.height * (1 - down) / 2
            outlines.append(Outline(left, top, crop.width * across, crop.height * down, "window"))
    return tuple(outlines)


def marked(scene: Scene, finding: Finding, whole: bool) -> Outline:
    """The window of a finding on the model's input, or on the whole photo."""
    crop = crop_outline(scene) if whole else Outline(0, 0, 100, 100, "crop")
    height, width = scene.size  # at its edges a window reaches beyond the input
    return Outline(
        crop.left + crop.width * finding.left / width,
        crop.top + crop.height * finding.top / height,
        crop.width * min(finding.width, width - finding.left) / width,
        crop.height * min(finding.height, height - finding.top) / height,
        "mark",
    )


def seen_share(scene: Scene) -> float:
    """How much of the photo's area the model sees, 0..1."""
    left, top, right, bottom = scene.region
    width, height = scene.picture.image.size
    across = min(right, width) - max(left, 0.0)  # where it is padded it reaches beyond the photo
    down = min(bottom, height) - max(top, 0.0)
    return across * down / (width * height)


def crop_outline(scene: Scene) -> Outline:
    """The part of the photo that the model sees."""
    left, top, right, bottom = scene.region
    width, height = scene.picture.image.size
    return Outline(
        100 * left / width,
        100 * top / height,
        100 * (right - left) / width,
        100 * (bottom - top) / height,
        "crop",
    )
