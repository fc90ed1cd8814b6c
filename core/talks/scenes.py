"""Reads the scenes of a talk from a TOML file.

``read_talk`` opens the pictures and checks every name, class and number, so that mistakes are
reported before the talk: in one sentence, with the file and the line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files.toml import REQUIRED, Table, TomlFile
from ..methods.baselines import check_baseline
from ..methods.cover_methods import OcclusionSetting, RegionSetting
from ..methods.options import OPTIONS, options_of, with_options
from ..methods.registry import METHODS
from ..methods.settings import Setting, baseline_of
from ..methods.windows import WindowGrid
from ..models import registry
from ..models.labels import search
from ..pictures.picture import Picture, picture_from_file
from ..text import line, plain, quoted

_LONGEST = 120  # characters that can be read on a stage

DEFAULT_TALK = Path(__file__).resolve().parents[2] / "talks" / "swan.toml"


@dataclass(frozen=True)
class TalkPicture:
    """A picture of the talk.

    Attributes:
        name: in the file.
        picture: opened.
        label: what a person would call it; None if the speaker does not say.
        right: names of the classes that count as right answers; empty if no class does.
    """

    name: str
    picture: Picture
    label: str | None
    right: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """What all scenes have.

    Attributes:
        title: a few words, in large type.
        model: name in the registry.
        pictures: what it is about; none in a `PhotoScene`.
    """

    title: str
    model: str
    pictures: tuple[TalkPicture, ...]


@dataclass(frozen=True)
class AnswerScene(Scene):
    """A picture, and what the model says of it."""


@dataclass(frozen=True)
class MapsScene(Scene):
    """Where the model looked: maps of the predicted class on one scale, one per picture."""

    setting: Setting


@dataclass(frozen=True)
class BrushScene(Scene):
    """A picture to paint on; what is covered becomes the baseline."""

    baseline: str


@dataclass(frozen=True)
class RegionScene(Scene):
    """The picture with the smallest region found shown alone, or covered, and what it is then."""

    setting: RegionSetting


@dataclass(frozen=True)
class ContrastScene(Scene):
    """Why this class and not that: the map of the predicted class with a contrast class.

    Attributes:
        setting: of the map.
        against: index of the other class.
        absent: name of a class that the model does not have, to be shown; or None.
    """

    setting: Setting
    against: int
    absent: str | None


@dataclass(frozen=True)
class TrustScene(Scene):
    """The trust measures of the map of the predicted class."""

    setting: Setting


@dataclass(frozen=True)
class PhotoScene(Scene):
    """A photo from the audience, uploaded or taken."""

    setting: Setting


@dataclass(frozen=True)
class Talk:
    """The scenes in their order, at least one."""

    scenes: tuple[Scene, ...]


def read_talk(path: Path = DEFAULT_TALK) -> Talk:
    """Read and check a talk; paths of pictures are relative to its file.

    Raises:
        TalkError: the file cannot be read, or something in it is wrong: which line, and what.
    """
    file = TomlFile.read(path)
    top = Table(file, (), file.values)
    model = _model(top, registry.DEFAULT_MODEL)
    tables = top.tables("pictures")
    found = top.take("scenes", list, "tables that begin with a line [[scenes]]", [])
    top.finish()
    named = [str(scene.get("model", model)) for scene in found if isinstance(scene, dict)]
    asked = [model, *(name for name in dict.fromkeys(named) if name != model and _is_there(name))]
    pictures = {
        name: _picture(Table(file, ("pictures", name), table), name, asked)
        for name, table in tables.items()
    }
    if not found:
        top.refuse("scenes", "there are no scenes: begin each with a line [[scenes]].")
    scenes = []
    for number, values in enumerate(found):
        if not isinstance(values, dict):
            top.refuse("scenes", "a scene is a table: begin each with a line [[scenes]].")
        scenes.append(_scene(Table(file, ("scenes", number), values), pictures, model))
    return Talk(tuple(scenes))


def _is_there(name: str) -> bool:
    """Whether a scene's model is known; else its scene says so."""
    try:
        return bool(registry.record(name))
    except ModelError:
        return False


def _picture(table: Table, name: str, asked: Sequence[str]) -> TalkPicture:
    """A picture and its right answers, in the words of the models that are asked in the talk."""
    path = table.take("file", str, "the path of a picture, relative to this file")
    label = _words(table, "label", "what a person would call it, as text", None)
    given = table.texts("right", "a list of class names", [] if label is None else [label])
    right = []
    for each in given:
        classes = [registry.record(model).class_names for model in asked]
        searches = [search(names, each) for names in classes]
        for names, found in zip(classes, searches, strict=True):
            if found.choices:  # a label too is to be clear: it counts as right
                table.refuse("right" if "right" in table else "label", found.sentence(names))
            if found.index is not None:
                right.append(names[found.index])
        if "right" in table and all(found.index is None for found in searches):
            table.refuse("right", searches[0].sentence(classes[0]))
    table.finish()
    opened = table.checked("file", lambda: picture_from_file(table.file.path.parent / path))
    return TalkPicture(name, opened, label, tuple(dict.fromkeys(right)))


def _words(table: Table, key: str, words: str, default: Any = REQUIRED) -> Any:
    """Text that stands on the stage."""
    given = table.take(key, str, words, default)
    if given is not default and given != line(given, _LONGEST):
        table.refuse(
            key, f"{key} is {quoted(given)}: give one line of at most {_LONGEST} characters."
        )
    return given


def _scene(table: Table, pictures: Mapping[str, TalkPicture], default_model: str) -> Scene:
    kind = table.take("kind", str, f"one of {', '.join(_KINDS)}")
    if kind not in _KINDS:
        table.refuse(
            "kind", f'there is no scene "{plain(kind)}": choose one of {", ".join(_KINDS)}.'
        )
    title = _words(table, "title", "a few words")
    model = _model(table, default_model)

    def one() -> tuple[TalkPicture]:
        return (named("picture", table.take("picture", str, _one_of(pictures))),)

    def named(key: str, name: str) -> TalkPicture:
        if name not in pictures:
            table.refuse(key, f'there is no picture "{plain(name)}": give {_one_of(pictures)}.')
        return pictures[name]

    scene: Scene
    match kind:
        case "answer":
            scene = AnswerScene(title, model, one())
        case "maps":
            names = table.texts("pictures", "a list of one to three pictures")
            if not 1 <= len(names) <= 3:
                table.refuse("pictures", f"{len(names)} pictures: give one to three.")
            shown = tuple(named("pictures", name) for name in names)
            scene = MapsScene(title, model, shown, _setting(table, model))
        case "brush":
            baseline = table.take("baseline", str, "what covered pixels become, as text", "grey")
            table.checked("baseline", lambda: check_baseline(baseline))
            scene = BrushScene(title, model, one(), baseline)
        case "region":
            setting = _setting(table, model, _OF_REGIONS)
            assert isinstance(setting, RegionSetting)
            scene = RegionScene(title, model, one(), setting)
        case "contrast":
            against = table.take("against", str, "the name of a class")
            index = _class(table, "against", against, model)
            absent = _words(table, "absent", "a name that is no class of the model", None)
            found = search(registry.record(model).class_names, absent or "")
            if found.index is not None or found.choices:
                table.refuse(
                    "absent", f'the model has a class "{plain(absent)}": leave the line out.'
                )
            scene = ContrastScene(title, model, one(), _setting(table, model), index, absent)
        case "trust":
            scene = TrustScene(title, model, one(), _setting(table, model))
        case _:
            scene = PhotoScene(title, model, (), _setting(table, model))
    table.finish()
    return scene


_KINDS = ("answer", "maps", "brush", "region", "contrast", "trust", "photo")


_OF_REGIONS = tuple(name for name in METHODS if isinstance(METHODS[name].setting, RegionSetting))


def _setting(table: Table, model: str, methods: Sequence[str] = ("occlusion", *METHODS)) -> Setting:
    """The map's method and its settings, which stand beside the scene's other keys.

    Args:
        table: the scene.
        model: that is asked.
        methods: that fit the scene; the first where it names none.
    """
    allowed = ", ".join(dict.fromkeys(name for name in METHODS if name in methods))
    method = table.take("method", str, f"one of {allowed}", methods[0])
    if method not in methods:
        words = f'there is no method "{plain(method)}"'
        if method in METHODS:
            words = f"{method} does not fit this scene"
        table.refuse("method", f"{words}: choose one of {allowed}.")
    given: dict[str, Any] = {}
    setting = METHODS[method].setting
    for option, each in OPTIONS.items():
        if option in options_of(method):
            value = table.take(
                option, each.kinds, each.allowed, REQUIRED if option in table else None
            )
            if value is not None:
                given[option] = value
                setting = table.checked(option, lambda: with_options(method, dict(given)))
        elif option in table:
            takes = [name for name in OPTIONS if name in options_of(method)]
            fitting = f": it takes {', '.join(takes)}" if takes else ""
            table.refuse(option, f"{option} does not belong to {method}{fitting}.")
    table.checked("baseline", lambda: check_baseline(baseline_of(setting)))
    if isinstance(setting, OcclusionSetting):
        size = registry.record(model).preprocessing.size
        window, stride = (setting.window,) * 2, (setting.stride,) * 2
        table.checked(
            "window" if "window" in table else "stride",
            lambda: WindowGrid(size, window, stride),
        )
    return setting


def _model(table: Table, default: str) -> str:
    name = table.take("model", str, f"one of {', '.join(registry.records())}", default)
    table.checked("model", lambda: registry.record(name))
    return name


def _class(table: Table, key: str, name: str, model: str) -> int:
    names = registry.record(model).class_names
    found = search(names, name)
    if found.index is None:
        table.refuse(key, found.sentence(names))
    return found.index


def _one_of(pictures: Mapping[str, TalkPicture]) -> str:
    return (
        f"one of {', '.join(map(plain, pictures))}"
        if pictures
        else "one that a [pictures.NAME] names"
    )
