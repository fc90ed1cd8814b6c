"""Searching a model's class names, and saying so when the class that a person means is not there.

ImageNet-1k has black swan and goose but no mute swan, jacamar but no kingfisher: a model can only
answer with the names it has, which is why a swan can come out as a king penguin.
"""

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache

from core.text import plain

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
}


@dataclass(frozen=True)
class Search:
    """What a search for a class found.

    Attributes:
        query: what was asked for.
        index: the class of exactly that name (case ignored), or None.
        nearest: indices of other classes worth offering, best first; may be empty.
    """

    query: str
    index: int | None
    nearest: tuple[int, ...]

    def sentence(self, class_names: tuple[str, ...]) -> str:
        """What to tell the person who searched for a class that is not there."""
        begin = f'This model has no class "{plain(self.query)}" among its {len(class_names):,}.'
        if not self.nearest:
            return f"{begin} Try another word, or its index from 0 to {len(class_names) - 1}."
        offered = ", ".join(class_names[i] for i in self.nearest)
        return f"{begin} It can only answer with the names it has; nearest: {offered}."


def display_names(class_names: tuple[str, ...], *taken: str) -> tuple[str, ...]:
    """The class names made unique: ImageNet has two classes called crane and two called maillot.

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
    lower = [name.lower() for name in others]
    wanted = names[index].lower()
    return lower.index(wanted) if wanted in lower else None


@lru_cache(64)  # the page asks the same at each run
def search(class_names: tuple[str, ...], query: str, limit: int = 5) -> Search:
    """Find a class by name or index; if there is none, the nearest ones.

    Nearest are, in this order: neighbours known by kind (a mute swan's: the black swan), names that
    share a word with the query, and names spelled alike.
    """
    wanted = " ".join(query.lower().split())
    by_name: dict[str, int] = {}
    for place, name in enumerate(class_names):
        by_name.setdefault(name.lower(), place)  # two names occur twice: crane, maillot
    index = by_name.get(wanted)
    if index is None and wanted.isascii() and wanted.isdecimal() and len(wanted) < 10:
        number = int(wanted)
        index = number if number < len(class_names) else None
    found = [by_name[name.lower()] for name in _ABSENT.get(wanted, ()) if name.lower() in by_name]
    words = set(_words(wanted))
    sharing = [
        (-len(words & set(_words(name))), i)
        for i, name in enumerate(class_names)
        if words & set(_words(name))
    ]
    found += [i for _, i in sorted(sharing)]
    if not found:
        alike = difflib.get_close_matches(wanted, by_name, n=limit, cutoff=0.7)
        found += [by_name[name] for name in alike]
    nearest = tuple(dict.fromkeys(i for i in found if i != index))[:limit]
    return Search(query.strip(), index, nearest)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())
