"""Searching for classes: exact names, what is absent, what is near."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.labels import _ABSENT, Search, display_names, search
from core.models import registry

IMAGENET = registry()["resnet18"].class_names


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


@pytest.mark.parametrize("absent", sorted(_ABSENT))
def test_every_listed_name_is_absent_and_every_neighbour_exists(absent):
    assert absent == absent.lower()
    assert absent not in [name.lower() for name in IMAGENET]
    assert set(_ABSENT[absent]) <= set(IMAGENET)
    assert names(search(IMAGENET, absent, limit=50))[: len(_ABSENT[absent])] == list(
        _ABSENT[absent]
    )


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
    assert found.index not in found.nearest
    assert found.sentence(IMAGENET).endswith(".")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999))
def test_every_class_is_found_by_its_displayed_index_and_by_its_name(index):
    assert search(IMAGENET, str(index)).index == index
    assert IMAGENET[search(IMAGENET, IMAGENET[index]).index] == IMAGENET[index]


def test_display_names_are_unique_and_change_nothing_else():
    assert display_names(("a", "b", "a")) == ("a (0)", "b", "a (2)")
    assert len(set(display_names(IMAGENET))) == 1000


def test_of_two_classes_of_one_name_the_first_is_found():
    assert search(("a", "b", "a"), "a").index == 0


def test_a_search_is_a_value():
    assert search(("a", "b"), "a") == Search("a", 0, ())
