"""The pictures of the gallery."""

import pytest

from dashboard.explain.gallery import _class


@pytest.mark.parametrize(
    ("name", "written"),
    [("swan_family", "swan_family"), ("my photo.jpg", "my-photo-jpg"), ("größe", "gr--e")],
)
def test_a_picture_of_any_name_has_a_rule_that_finds_its_button(name, written):
    assert _class(name) == written
