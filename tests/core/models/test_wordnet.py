"""The WordNet ids, against what is known of them."""

from core.models.registry import records
from core.models.wordnet import class_of

NAMES = records()["resnet18"].class_names


def test_there_is_one_for_each_class_in_order():
    ids = class_of()
    assert list(ids.values()) == list(range(len(NAMES)))
    assert list(ids) == sorted(ids)


def test_some_are_known():
    known = {
        "n01440764": "tench",
        "n02056570": "king penguin",
        "n01855672": "goose",
        "n02012849": "crane bird",
        "n03126707": "crane",
        "n03710637": "maillot",
        "n03710721": "maillot tank suit",
        "n15075141": "toilet tissue",
    }
    assert {name: NAMES[class_of()[name]] for name in known} == known
