"""Labels in every form that people write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FolderError
from core.labelling import ClassNames
from core.models import registry
from core.wordnet import class_of

NAMES = registry()["resnet18"].class_names
IMAGENET = ClassNames(NAMES)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("king penguin", 145),
        ("king_penguin", 145),
        ("King-Penguin ", 145),
        ("n02056570", 145),
        ("crane", 517),  # the machine: the bird is "crane bird"
        ("crane_bird", 134),
        ("Cardigan", 264),  # a dog
        ("cardigan", 474),  # a jacket
        ("swan", None),
        ("n00000000", None),
        ("", None),
    ],
)
def test_a_folder_is_named_by_name_or_wordnet_id(text, index):
    assert IMAGENET.find(text) == index


@given(st.integers(0, 999))
def test_every_class_is_found_under_all_its_names(index):
    assert IMAGENET.must_find(str(index)) == index
    assert IMAGENET.must_find(list(class_of())[index]) == index
    assert IMAGENET.must_find(NAMES[index]) == index


def test_two_classes_of_one_name_are_told():
    with pytest.raises(FolderError, match=r'^"CARDIGAN" names several classes: write Cardigan'):
        IMAGENET.find("CARDIGAN")
    same = ClassNames(("crane", "crane", "goose"))
    with pytest.raises(FolderError, match=r"crane \(0\) \(class 0\) or crane \(1\) \(class 1\)"):
        same.find("crane")
    assert same.find("crane (1)") == 1


def test_wordnet_ids_belong_to_imagenet_only():
    assert ClassNames(("goose", "swan")).find("n01855672") is None


@pytest.mark.parametrize("text", ["1000", "-1", "007", "²", "swan"])
def test_what_is_no_class_is_said_with_the_nearest(text):
    with pytest.raises(FolderError, match=r"^This model has no class"):
        IMAGENET.must_find(text)


def test_folders_named_by_index_count_only_together():
    assert IMAGENET.by_folder(["145", "99"]) == {"145": 145, "99": 99}
    assert IMAGENET.by_folder(["11", "2024"]) == {}
    assert IMAGENET.by_folder(["01", "12"]) == {}
    assert IMAGENET.by_folder(["145", "goose", "holiday"]) == {"goose": 99}
    assert IMAGENET.by_folder([]) == {}
