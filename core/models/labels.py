"""Search in a model's class names, with suggestions if no class fits.

ImageNet-1k has black swan and goose but no mute swan, jacamar but no kingfisher: a model can only
answer with the names it has, which is why a swan can come out as a king penguin.
"""

import difflib
import re
from dataclasses import dataclass, replace
from functools import lru_cache

from ..errors import SettingError
from ..text import plain
from .wordnet import class_of

# Names that people look for, that ImageNet-1k lacks, and the classes nearest in kind or in looks.
_ABSENT: dict[str, tuple[str, ...]] = {
    "mute swan": ("black swan", "goose", "American egret", "white stork"),
    "swan": ("black swan", "goose"),
    "cygnet": ("black swan", "goose", "drake"),
    "gosling": ("goose", "drake", "black swan"),
    "greylag goose": ("goose", "drake", "black swan"),
    "chinstrap penguin": ("king penguin", "albatross"),
    "penguin": ("king penguin",),
    "kingfisher": ("jacamar", "bee eater", "hummingbird", "coucal"),
    "red panda": ("lesser panda", "giant panda"),
    "duck": ("drake", "red-breasted merganser", "goose"),
    "seagull": ("albatross", "oystercatcher", "redshank"),
    "pigeon": ("partridge", "jay"),
    "owl": ("great grey owl",),
    "parrot": ("African grey", "macaw", "lorikeet", "sulphur-crested cockatoo"),
    "deer": ("impala", "gazelle", "hartebeest"),
    "horse": ("sorrel", "zebra"),
    "cow": ("ox", "water buffalo", "bison"),
    "giraffe": ("gazelle", "llama", "impala"),
    "dolphin": ("killer whale", "grey whale", "dugong"),
    "person": ("groom", "scuba diver", "ballplayer"),
    "cat": ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"),
    "dog": ("golden retriever", "Labrador retriever", "beagle", "pug"),
    "car": ("sports car", "convertible", "cab", "minivan"),
    "rose": ("daisy", "rapeseed"),
    "bird": ("robin", "jay", "magpie", "goldfinch"),
    "chicken": ("hen", "cock", "prairie chicken"),
    "bull": ("ox", "water buffalo", "bison"),
    "pig": ("hog", "wild boar", "guinea pig"),
    "fish": ("goldfish", "tench", "coho", "anemone fish"),
    "apple": ("Granny Smith", "custard apple"),
    "phone": ("cellular telephone", "dial telephone", "pay-phone"),
    "slipper": ("clog", "sandal", "Loafer"),
}

# Kinds of which ImageNet-1k has classes, and none of them under a name that does not say so.
_NAMED_AFTER = frozenset({"camel", "crocodile", "eagle", "owl", "penguin", "swan"})

_WORDNET = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class Search:
    """What a search for a class found.

    Attributes:
        query: what was asked for.
        index: the class that it names, or None.
        choices: indices of the classes that it fits equally well, if there are several.
        nearest: indices of other classes worth offering where it fits none, best first.
    """

    query: str
    index: int | None
    choices: tuple[int, ...]
    nearest: tuple[int, ...]

    @property
    def offers(self) -> tuple[int, ...]:
        """Indices of the classes that may have been meant."""
        return self.choices or self.nearest

    def sentence(self, class_names: tuple[str, ...]) -> str:
        """What to tell the person who searched, if no class was found."""
        query = plain(self.query)
        if self.choices:
            shown = display_names(class_names)
            written = " or ".join(f"{shown[index]} (class {index})" for index in self.choices)
            return f'"{query}" names several classes: write {written} exactly so.'
        begin = f'This model has no class "{query}" among its {len(class_names):,}.'
        if not self.nearest:
            return f"{begin} Try another word, or its index from 0 to {len(class_names) - 1}."
        offered = ", ".join(class_names[i] for i in self.nearest)
        return f"{begin} It can only answer with the names it has; nearest: {offered}."


def display_names(class_names: tuple[str, ...], *taken: str) -> tuple[str, ...]:
    """The class names made unique: a model may have two classes called crane.

    No class keeps a name that is ``taken`` for something else.
    """
    seen = dict.fromkeys(taken, 1)
    for name in class_names:
        seen[name] = seen.get(name, 0) + 1
    return tuple(
        f"{name} ({index})" if seen[name] > 1 else name for index, name in enumerate(class_names)
    )


def counterpart(index: int, names: tuple[str, ...], others: tuple[str, ...]) -> int | None:
    """Another model's class of the same name as class ``index`` of ``names``, or None."""
    if names == others:
        return index  # one and the same of two cranes
    found = named(others, names[index])
    return found[0] if len(found) == 1 else None


@lru_cache(64)  # the page asks the same at each run
def search(class_names: tuple[str, ...], query: str, limit: int = 5) -> Search:
    """Find a class by name, WordNet id or index, in this order; if there is none, the nearest ones.

    Nearest are, in this order: neighbours known by kind (a mute swan's: the black swan), names that
    share a word with the query, and names spelled alike.
    """
    query = query.strip()
    found = named(class_names, query)
    if len(found) > 1:
        return Search(query, None, found, ())
    index = found[0] if found else index_of(class_names, query)
    nearest = () if index is not None else _nearest(class_names, query, limit)
    return Search(query, index, (), nearest)


@lru_cache(64)
def choice(class_names: tuple[str, ...], query: str) -> Search:
    """As `search`, for somebody who chooses a class: a kind also stands for its only member.

    Swan is black swan: no other class has the word, it is the last one of the name, as a horse cart
    is no horse, and no other class is known to be nearer, as the Granny Smith is to an apple than
    the custard apple. What a picture shows is another question: a swan in it need not be black.
    """
    found = search(class_names, query)
    if found.index is not None or not found.nearest:
        return found
    word, nearest = _loose(query), found.nearest[0]
    having = [index for index, name in enumerate(class_names) if word in _words(name)]
    if having == [nearest] and re.split(r"[\s_]+", class_names[nearest].lower())[-1] == word:
        return replace(found, index=nearest, nearest=())
    return found


def class_named(class_names: tuple[str, ...], wanted: str) -> int:
    """The class that somebody chooses by what people call it, as `choice` finds it.

    Raises:
        SettingError: it is absent or not clear; the sentence offers others.
    """
    found = choice(class_names, wanted)
    if found.index is None:
        raise SettingError(found.sentence(class_names))
    return found.index


def only_of_kind(class_names: tuple[str, ...], text: str) -> tuple[str, int] | None:
    """The kind that a name ends with, and the only class of that kind; None if there are several.

    A chinstrap penguin is a penguin, and of ImageNet-1k's classes only the king penguin is. Names
    alone do not tell: the common newt is the only class called a newt, but the eft is one too. So
    this counts for a few kinds only.
    """
    kind = _words(text)[-1:]
    if len(class_names) != len(class_of()) or not _NAMED_AFTER.intersection(kind):
        return None
    found = [i for i, name in enumerate(class_names) if _words(name)[-1:] == kind]
    return (kind[0], found[0]) if len(found) == 1 else None


def named(class_names: tuple[str, ...], text: str) -> tuple[int, ...]:
    """The classes that a name or a WordNet id stands for, in order; none or one, or several.

    A name counts in any case, with ``_`` or ``-`` for a space. Where that fits several classes, as
    Cardigan (a dog) and cardigan (a jacket), its exact spelling decides. What tells classes of one
    name apart in `display_names` is part of their names.
    """
    exactly, loosely = _by_name(class_names)
    found = exactly.get(text.strip(), ())
    if len(found) != 1:
        found = loosely.get(_loose(text), ())
    if not found and _WORDNET.fullmatch(text.strip()) and len(class_names) == len(class_of()):
        index = class_of().get(text.strip())
        found = () if index is None else (index,)
    return found


def index_of(class_names: tuple[str, ...], text: str) -> int | None:
    """The class of an index in digits, as Python writes it, or None."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        return None
    number = int(text)
    return number if str(number) == text and number < len(class_names) else None


@lru_cache(8)
def _by_name(
    class_names: tuple[str, ...],
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The classes of each name: as it is spelled, and loosely."""
    exactly: dict[str, tuple[int, ...]] = {}
    loosely: dict[str, tuple[int, ...]] = {}
    for index, names in enumerate(zip(class_names, display_names(class_names), strict=True)):
        for name in dict.fromkeys(names):
            exactly[name] = (*exactly.get(name, ()), index)
        for name in dict.fromkeys(map(_loose, names)):
            loosely[name] = (*loosely.get(name, ()), index)
    return exactly, loosely


def _nearest(class_names: tuple[str, ...], query: str, limit: int) -> tuple[int, ...]:
    """Classes worth offering, best first, where there is none of this name."""
    _, loosely = _by_name(class_names)
    wanted = _loose(query)
    found = [index for name in _ABSENT.get(wanted, ()) for index in named(class_names, name)]
    words = set(_words(wanted))
    sharing = [
        (-len(words & set(_words(name))), i)
        for i, name in enumerate(class_names)
        if words & set(_words(name))
    ]
    found += [i for _, i in sorted(sharing)]
    if not found:
        alike = difflib.get_close_matches(wanted, loosely, n=limit, cutoff=0.7)
        found += [index for name in alike for index in loosely[name]]
    return tuple(dict.fromkeys(found))[:limit]


def _loose(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.lower().strip()))


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())
