"""Labels in every form that people write; how a single one is found is in test_labels."""

import pytest

from core.errors import FolderError
from core.models.labelling import label_of, labels_of
from core.models.registry import records

IMAGENET = records()["resnet18"].class_names


@pytest.mark.parametrize(
    ("text", "index"),
    [("king_penguin", 145), ("145", 145), ("n02056570", 145), ("cardigan", 474)],
)
def test_a_label_is_a_name_a_wordnet_id_or_an_index(text, index):
    assert label_of(IMAGENET, text) == index


@pytest.mark.parametrize("text", ["1000", "-1", "007", "²", "swan"])
def test_what_is_no_class_is_said_with_the_nearest(text):
    with pytest.raises(FolderError, match=r"^This model has no class"):
        label_of(IMAGENET, text)


def test_a_label_that_fits_several_classes_is_said():
    words = r'^"CARDIGAN" names several classes: write Cardigan'
    with pytest.raises(FolderError, match=words):
        label_of(IMAGENET, "CARDIGAN")
    with pytest.raises(FolderError, match=words):
        labels_of(IMAGENET, ["goose", "CARDIGAN"])


def test_folders_named_by_index_count_only_together():
    assert labels_of(IMAGENET, ["145", "99"]) == {"145": 145, "99": 99}
    assert labels_of(IMAGENET, ["11", "2024"]) == {}
    assert labels_of(IMAGENET, ["01", "12"]) == {}
    assert labels_of(IMAGENET, ["145", "goose", "holiday"]) == {"goose": 99}
    assert labels_of(IMAGENET, []) == {}


def test_folders_named_as_classes_are_called_are_no_indices():
    assert labels_of(("1", "2", "3"), ["1", "2"]) == {"1": 0, "2": 1}
