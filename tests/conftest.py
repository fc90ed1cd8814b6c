"""What all tests share: memories that one test leaves to no other."""

import pytest


@pytest.fixture(autouse=True)
def forget():
    """Surveys remember what they have seen; a test that counts forward passes begins at zero."""
    from core.memory import memory

    memory.forget()
    yield
    memory.forget()


@pytest.fixture
def one_thread():
    """On networks of a few dozen weights a second thread costs more than it does."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
