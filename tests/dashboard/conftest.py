"""The page, opened."""

import pytest

from tests.app import open_page


@pytest.fixture
def page():
    """The page with quick settings, run once."""
    return open_page()
