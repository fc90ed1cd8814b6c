"""What all tests share: memories that one test leaves to no other."""

import pytest


@pytest.fixture(autouse=True)
def forget():
    """Surveys remember what they have seen; a test that counts forward passes begins at zero."""
    from core.memory import memory

    memory.forget()
    yield
    memory.forget()
