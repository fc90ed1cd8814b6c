"""How much memory a computation may take."""

import psutil
import pytest
import torch

from core.engine.free_memory import free_bytes, memory_for
from core.errors import ResourceError

CPU = torch.device("cpu")


def container(folder, limit, used="700000", stat="anon 500000\ninactive_file 200000\n"):
    (folder / "memory.max").write_text(limit)
    (folder / "memory.current").write_text(used)
    (folder / "memory.stat").write_text(stat)
    return folder


def test_a_containers_limit_counts_and_its_page_cache_is_free(tmp_path):
    assert free_bytes(CPU, container(tmp_path, "1000000\n")) == 500_000


def test_a_container_over_its_limit_has_nothing_left(tmp_path):
    assert free_bytes(CPU, container(tmp_path, "100000\n")) == 0


@pytest.mark.parametrize(
    "files", [{"limit": "max\n"}, {"limit": "9" * 18}, {"limit": "1000000", "stat": "anon 1\n"}]
)
def test_without_a_container_the_machine_is_the_limit(tmp_path, files):
    free = free_bytes(CPU, container(tmp_path, **files))
    assert 0 < free <= psutil.virtual_memory().total
    assert free > 1_000_000


def test_a_system_without_containers(tmp_path):
    assert free_bytes(CPU, tmp_path / "missing") > 1_000_000


FULL = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
]


@pytest.mark.parametrize("error", FULL)
def test_no_memory_is_one_sentence(error):
    said = r"^VGG-16 does not fit into memory: [^\n]*\.$"
    with pytest.raises(ResourceError, match=said), memory_for("VGG-16"):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("allocate")])
def test_other_errors_stay_as_they_are(error):
    with pytest.raises(type(error)) as raised, memory_for("VGG-16"):
        raise error
    assert raised.value is error
