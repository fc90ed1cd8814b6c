"""The same work on Ray, on this machine or many: the one module that imports it.

Each worker is an actor that has loaded the model once, and is given parts; `_WAITING` of them at a
time, so that it need not wait, and no more, so that nothing piles up. A worker that is lost is
started again by Ray, and its parts are done again, here or elsewhere, to the same result. Workers
send what they made to the one process that writes.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from core.batch import Worker
from core.errors import ResourceError, UserError
from core.folder import Entry
from core.job import Job, MadeMaps, MadeRow

LOCAL = "local"
_WAITING = 2
_RETRIES = 4  # of a part: a picture on which every worker dies must come to an end
_STORE_BYTES = 256 << 20  # what waits to be written: a part takes some 10 MB
_PACKAGE = Path(__file__).resolve().parent


class _Actor:
    """A worker in a process of its own."""

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)

    def work(self, number: int, part: Sequence[Entry]) -> list[MadeMaps | MadeRow]:
        return list(self._worker.work([(number, part)]))


def work(
    job: Job, parts: Sequence[tuple[int, Sequence[Entry]]], address: str, workers: int | None
) -> Iterator[MadeMaps | MadeRow]:
    """Do parts on Ray, yielding what is made as soon as a part is whole, in any order of parts.

    Args:
        job: what is asked; a worker takes as many CPUs as it has threads, and one GPU for cuda.
        parts: their numbers and pictures, which every worker must be able to read.
        address: of a cluster, or "local" for this machine alone.
        workers: how many; by default as many as there are CPUs for.

    Raises:
        ResourceError: the cluster cannot be reached, or a part was lost too often.
        UserError: whatever a worker raises.
    """
    _connect(job, address, workers)
    try:
        room = int(ray.cluster_resources().get("CPU", 1)) // job.threads
        actor = ray.remote(
            num_cpus=job.threads,
            num_gpus=int(job.device == "cuda"),
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )(_Actor)
        count = max(1, min(workers or room, len(parts)))
        yield from _shared_out([actor.remote(job) for _ in range(count)], parts)
    except RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise
    except RayActorError as error:
        raise ResourceError(
            f"A part was lost {_RETRIES + 1} times with its worker ({_first_line(error)}): look "
            "into Ray's log, then run the same command again to go on."
        ) from error
    finally:
        ray.shutdown()


def _shared_out(
    actors: list[Any], parts: Sequence[tuple[int, Sequence[Entry]]]
) -> Iterator[MadeMaps | MadeRow]:
    """Give each worker a few parts, and another for each that comes back."""
    left = iter(parts)
    doing: dict[ray.ObjectRef, Any] = {}

    def give(actor: Any) -> None:
        part = next(left, None)
        if part is not None:
            doing[actor.work.remote(*part)] = actor

    for _ in range(_WAITING):
        for actor in actors:
            give(actor)
    while doing:
        (done,), _ = ray.wait(list(doing), num_returns=1)
        actor = doing.pop(done)
        made = ray.get(done)
        del done  # lets the store forget it
        give(actor)
        yield from made


def _connect(job: Job, address: str, workers: int | None) -> None:
    """Start Ray on this machine alone, or join a cluster; nothing is reported to anybody."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address == LOCAL:
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
            ray.init(
                address="local",  # its own, also where a cluster runs on this machine
                num_cpus=(workers or max(1, (cores or 1) // job.threads)) * job.threads,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": {"PYTHONPATH": str(_PACKAGE.parent)}},
                _node_ip_address="127.0.0.1",
            )
        else:
            _knock(address)
            # This package travels to the workers; what it needs must be there.
            environment = {"py_modules": [str(_PACKAGE)]}
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env=environment,
            )
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise ResourceError(
            f"Ray cannot be reached at {address} ({_first_line(error)}): check the address, or "
            f"give {LOCAL}."
        ) from error


def _knock(address: str) -> None:
    """Fail at once where nobody answers; Ray by itself tries for minutes.

    Raises:
        OSError: nobody answers.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=10).close()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
