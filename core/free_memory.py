"""How much memory a computation may take without hurting others."""

from pathlib import Path

import psutil
import torch

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
