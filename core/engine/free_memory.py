"""Free memory of a device, and errors for allocations that fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from ..errors import ResourceError

_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device, cgroup: Path = _CGROUP) -> int:
    """Bytes that can still be allocated on a device.

    On the CPU what the machine has left, or what is left of a container's limit: going beyond that
    limit raises no error, it ends the process. The container's page cache counts as free.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    free = psutil.virtual_memory().available
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        held = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        cached = int(held["inactive_file"])
    except (OSError, ValueError, KeyError):  # no such limit, or not on Linux
        return free
    return min(free, max(0, limit - used + cached))


def out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed; on the CPU, torch says so in a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate" in str(error)


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Around work that cannot be done in smaller parts.

    Args:
        what: begins the sentence: "The model does not fit into memory ...".

    Raises:
        ResourceError: an allocation failed inside.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise ResourceError(
            f"{what} does not fit into memory: choose a smaller model or another device, or close "
            "other programs."
        ) from error
