"""What all tests share: memories that one test leaves to no other."""

import math
import threading

import pytest
from hypothesis import settings

from tests.browser import chromium  # noqa: F401 - the fixture "browser", one for all files

# The same examples everywhere: what fails on one machine can be repeated on another.
# No deadline: a busy machine is no fault of the code.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="session")
def own_disk_cache(tmp_path_factory):
    """What a person has computed before must not help a test, nor a test a person."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def no_lines_of_progress():
    """What a command says does not depend on how slow the machine is."""
    from core.cli import console

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "EVERY", math.inf)
        yield


@pytest.fixture(autouse=True)
def forget():
    """Surveys remember what they have seen; a test that counts forward passes begins at zero."""
    from core.engine.remembered import memory

    memory.forget()
    yield
    memory.forget()


@pytest.fixture(autouse=True, scope="module")
def own_models():
    """The folder and the files of models that a file of tests offers are offered to no other."""
    from core.models import registry

    before = registry.offer()
    yield
    registry.take_over(before)


@pytest.fixture
def one_thread():
    """On networks of a few dozen weights a second thread costs more than it does."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


_preparing = threading.Lock()


@pytest.fixture(autouse=True)
def uncounted_preparation(monkeypatch):
    """A network that counts does not count what it is prepared with, or compared on."""
    from core.engine.incremental import IncrementalNetwork
    from tests.toys import Counted

    def uncounted(work):
        def quietly(*arguments):
            # Counted, since several threads prepare at once: a flag that each of them puts back
            # as it found it may stay set.
            with _preparing:
                Counted.preparing += 1
            try:
                return work(*arguments)
            finally:
                with _preparing:
                    Counted.preparing -= 1

        return quietly

    monkeypatch.setattr(IncrementalNetwork, "_begin", uncounted(IncrementalNetwork._begin))
    monkeypatch.setattr(IncrementalNetwork, "own_scores", uncounted(IncrementalNetwork.own_scores))


@pytest.fixture
def rescored(monkeypatch):
    """Sizes of the batches of windows that incremental networks compute, once prepared.

    A function in ``rescored.before`` is called with each size before the windows are computed.
    """
    from core.engine.incremental import IncrementalNetwork, KeptActivations

    sizes, rescore, apart = Sizes(), KeptActivations.rescore, IncrementalNetwork._apart
    preparing = threading.local()

    def counting(self, patches, *places):
        if not getattr(preparing, "now", False):
            sizes.append(len(patches))
            sizes.before(len(patches))
        return rescore(self, patches, *places)

    def uncounted(self, *arguments):
        preparing.now = True
        try:
            return apart(self, *arguments)
        finally:
            preparing.now = False

    monkeypatch.setattr(KeptActivations, "rescore", counting)
    monkeypatch.setattr(IncrementalNetwork, "_apart", uncounted)
    return sizes


@pytest.fixture
def one_by_one(monkeypatch):
    """Batches of one, where a test looks at what lies between two batches."""
    from core.methods.masked import WHOLE_PICTURES

    monkeypatch.setitem(WHOLE_PICTURES, "cpu", 1)
    for name in ("request", "occlusion"):
        monkeypatch.setattr(f"core.methods.{name}._LARGEST_BATCH", {"cpu": 1})
    monkeypatch.setattr("core.methods.superpixels._BATCH", 1)


@pytest.fixture(params=[1, 3], ids=["one team", "three teams"])
def teams(request):
    """So many batches side by side."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


class Sizes(list):
    """Of batches."""

    def before(self, size):
        """Nothing, unless a test sets it."""
