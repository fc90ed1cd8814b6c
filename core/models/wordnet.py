"""The WordNet ids of ImageNet-1k's classes, such as n02056570 for the king penguin.

Many copies of ImageNet name their folders so. The ids of ILSVRC 2012, sorted, are in the order of
the classes; the list is that of timm 1.0.31 (Apache-2.0), ``timm/data/_info/imagenet_synsets.txt``.
"""

from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("imagenet_wordnet.txt")


@cache
def class_of() -> dict[str, int]:
    """The index of a class, 0 to 999, by WordNet id."""
    return {name: index for index, name in enumerate(_LIST.read_text("ascii").split())}
