"""Searching for classes: exact names, what is absent, what is near."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import FolderError
from core.models.labelling import label_of
from core.models.labels import (
    _ABSENT,
    _NAMED_AFTER,
    Search,
    choice,
    counterpart,
    display_names,
    only_of_kind,
    search,
)
from core.models.registry import records
from core.models.wordnet import class_of

IMAGENET = records()["resnet18"].class_names


def names(found):
    return [IMAGENET[i] for i in found.nearest]


def test_imagenet_has_no_swan_but_a_black_one():
    assert "mute swan" not in IMAGENET
    found = search(IMAGENET, "mute swan")
    assert found.index is None
    assert names(found)[:2] == ["black swan", "goose"]
    assert found.sentence(IMAGENET) == (
        'This model has no class "mute swan" among its 1,000. It can only answer with the names it '
        f"has; nearest: {', '.join(names(found))}."
    )


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("king penguin", 145),
        ("  King   PENGUIN ", 145),
        ("145", 145),
        ("0", 0),
        ("999", 999),
        ("goose", 99),
        ("crane", 517),  # the machine; the bird is called "crane bird"
        ("crane_bird", 134),
        ("King-Penguin ", 145),
        ("Cardigan", 264),  # the dog
        ("cardigan", 474),  # the jacket
        (" cardigan ", 474),
        ("n02056570", 145),
        ("n00000000", None),
        ("0145", None),
        ("1000", None),
        ("-1", None),
        ("²", None),
        ("145.0", None),
        ("99999999999999999999", None),
        ("", None),
        ("   ", None),
    ],
)
def test_exact_names_and_indices(query, index):
    found = search(IMAGENET, query)
    assert found.index == index
    assert found.query == query.strip()


def test_a_name_that_fits_several_classes_is_told_with_the_choices():
    found = search(IMAGENET, "CARDIGAN")
    assert (found.index, found.choices, found.nearest) == (None, (264, 474), ())
    assert found.offers == (264, 474)
    assert found.sentence(IMAGENET) == (
        '"CARDIGAN" names several classes: write Cardigan (class 264) or cardigan (class 474) '
        "exactly so."
    )


def test_of_two_classes_of_one_name_each_is_found_by_the_name_that_is_shown():
    names = ("a", "b", "a")
    found = search(names, "a")
    assert (found.index, found.choices) == (None, (0, 2))
    assert found.sentence(names).endswith("write a (0) (class 0) or a (2) (class 2) exactly so.")
    assert [search(names, name).index for name in display_names(names)] == [0, 1, 2]


def test_a_class_that_is_called_as_another_s_index_is_found_by_its_name():
    assert search(("1", "2", "3"), "1").index == 0
    assert search(("1", "2", "3"), "0").index == 0


def test_wordnet_ids_belong_to_imagenet_only():
    assert search(("goose", "swan"), "n01855672").index is None


@pytest.mark.parametrize("index", [264, 474])
def test_another_model_s_class_of_the_same_name_has_the_same_spelling(index):
    name = IMAGENET[index]
    assert counterpart(0, (name, "goose"), IMAGENET) == index
    assert counterpart(index, IMAGENET, ("goose", "Cardigan", "cardigan")) == 1 + (index == 474)


def test_another_model_s_class_is_found_in_any_case_but_not_by_its_index():
    assert counterpart(0, ("Goose",), IMAGENET) == 99
    assert counterpart(0, ("CARDIGAN",), IMAGENET) is None
    assert counterpart(0, ("99",), IMAGENET) is None
    assert counterpart(517, IMAGENET, IMAGENET) == 517


def test_names_that_share_words_come_before_those_spelled_alike():
    assert "black swan" in names(search(IMAGENET, "white swan"))
    assert all("fox" in name for name in names(search(IMAGENET, "fox")))
    assert "goldfish" in names(search(IMAGENET, "goldfihs"))
    assert names(search(IMAGENET, "white great bear"))[0] == "great white shark"


def test_nothing_near():
    found = search(IMAGENET, "zzzzqqqq")
    assert found.nearest == ()
    assert found.sentence(IMAGENET) == (
        'This model has no class "zzzzqqqq" among its 1,000. Try another word, or its index from '
        "0 to 999."
    )


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("swan", "black swan"),
        (" Swan ", "black swan"),
        ("penguin", "king penguin"),
        ("owl", "great grey owl"),
        ("rabbit", "wood rabbit"),
        ("goose", "goose"),
        ("GOOSE", "goose"),
        ("145", "king penguin"),
    ],
)
def test_of_a_kind_with_one_member_that_one_is_chosen(query, name):
    found = choice(IMAGENET, query)
    assert found == Search(query.strip(), IMAGENET.index(name), (), ())


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("mute swan", "black swan"),  # says more than the kind
        ("swan lake", "black swan"),
        ("shark", "great white shark"),  # several
        ("squirrel", "fox squirrel"),  # and the squirrel monkey
        ("horse", "sorrel"),  # a horse cart is none
        ("maltese", "Maltese dog"),  # no kind
        ("apple", "Granny Smith"),  # nearer than the custard apple
        ("slipper", "clog"),  # the yellow lady's slipper is a flower
        ("pig", "hog"),
    ],
)
def test_other_words_offer_as_in_a_search(query, first):
    found = choice(IMAGENET, query)
    assert found == search(IMAGENET, query)
    assert found.index is None
    assert IMAGENET[found.offers[0]] == first


def test_a_name_that_fits_several_classes_chooses_none():
    assert choice(IMAGENET, "CARDIGAN") == search(IMAGENET, "CARDIGAN")
    assert choice(("black_swan", "white goose"), "swan").index == 0


def test_a_kind_is_no_label():
    assert search(IMAGENET, "swan").index is None
    with pytest.raises(FolderError, match='no class "swan"'):
        label_of(IMAGENET, "swan")


@pytest.mark.parametrize("absent", sorted(_ABSENT))
def test_every_listed_name_is_absent_and_every_neighbour_exists(absent):
    assert absent == absent.lower()
    assert absent not in [name.lower() for name in IMAGENET]
    assert set(_ABSENT[absent]) <= set(IMAGENET)
    assert names(search(IMAGENET, absent, limit=50))[: len(_ABSENT[absent])] == list(
        _ABSENT[absent]
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("chinstrap penguin", ("penguin", "king penguin")),
        ("Penguin", ("penguin", "king penguin")),
        ("emperor-penguin", ("penguin", "king penguin")),
        ("mute swan", ("swan", "black swan")),
        ("snowy owl", ("owl", "great grey owl")),
        ("golden eagle", ("eagle", "bald eagle")),
        ("Bactrian camel", ("camel", "Arabian camel")),
        ("fennec fox", None),  # there are several
        ("crested newt", None),  # the eft is a newt too
        ("toy train", None),
        ("kingfisher", None),
        ("penguin suit", None),
        ("", None),
    ],
)
def test_the_only_class_of_a_kind(text, found):
    expected = found and (found[0], IMAGENET.index(found[1]))
    assert only_of_kind(IMAGENET, text) == expected


def test_every_kind_has_one_class_and_no_other_has_it_in_its_name():
    for kind in _NAMED_AFTER:
        assert only_of_kind(IMAGENET, kind) is not None
        assert len([name for name in IMAGENET if kind in name.lower().split()]) == 1


def test_of_other_classes_than_imagenet_s_nobody_knows_what_kinds_they_are():
    assert only_of_kind(("king penguin", "gentoo"), "penguin") is None


@settings(max_examples=30, deadline=None)
@given(
    query=st.one_of(
        st.text(max_size=12), st.sampled_from(IMAGENET), st.sampled_from(list(_ABSENT))
    ),
    limit=st.integers(1, 8),
)
def test_every_search_gives_different_classes_that_exist(query, limit):
    found = search(IMAGENET, query, limit)
    assert len(found.nearest) == len(set(found.nearest)) <= limit
    assert all(0 <= i < 1000 for i in found.nearest)
    assert found.index is None or not found.offers
    assert found.sentence(IMAGENET).endswith(".")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999))
def test_every_class_is_found_by_index_name_and_wordnet_id(index):
    assert search(IMAGENET, str(index)).index == index
    assert search(IMAGENET, IMAGENET[index]).index == index
    assert search(IMAGENET, list(class_of())[index]).index == index


def test_display_names_are_unique_and_change_nothing_else():
    assert display_names(("a", "b", "a")) == ("a (0)", "b", "a (2)")
    assert len(set(display_names(IMAGENET))) == 1000


def test_a_search_is_a_value():
    assert search(("a", "b"), "a") == Search("a", 0, (), ())
