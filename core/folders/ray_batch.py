"""Runs a folder job on Ray, on this machine or on many.

Each worker is an actor that has loaded the model once, and is given parts; `_WAITING` of them at a
time, so that it need not wait, and no more, so that nothing piles up. A worker that is lost is
started again by Ray, and its parts are done again, here or elsewhere, to the same result. Workers
send what they made to the one process that writes.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from ..errors import ResourceError, UserError
from ..models import registry
from ..models.registry import Offer
from ..workers.loading import load_as
from ..workers.ray_cluster import connect, first_line
from .batch import Worker
from .job import Job, MadeMaps, MadeRow
from .listing import Entry

_WAITING = 2
_RETRIES = 4  # of a part: a picture on which every worker dies must come to an end


class _Actor:
    """A worker in a process of its own."""

    def __init__(self, job: Job, weights_sha256: str, offered: Offer) -> None:
        self._asked = (offered, job.model, job.device, weights_sha256)
        self._job = job
        self._worker: Worker | None = None

    def work(self, number: int, part: Sequence[Entry]) -> list[MadeMaps | MadeRow]:
        if self._worker is None:  # here, as Ray loses the sentence of an actor that cannot begin
            self._worker = Worker(self._job, load_as(*self._asked))
        return list(self._worker.work([(number, part)]))


def work(
    job: Job,
    weights_sha256: str,
    parts: Sequence[tuple[int, Sequence[Entry]]],
    address: str,
    workers: int | None,
) -> Iterator[MadeMaps | MadeRow]:
    """Do parts on Ray, yielding what is made as soon as a part is whole, in any order of parts.

    Args:
        job: what is asked; a worker takes as many CPUs as it has threads, and one GPU for cuda.
        weights_sha256: of the model here; a worker's must be the same.
        parts: their numbers and pictures, which every worker must be able to read.
        address: see `core.workers.ray_cluster.connect`.
        workers: how many; by default as many as there are CPUs for.

    Raises:
        ResourceError: the cluster cannot be reached, or a part was lost too often.
        UserError: whatever a worker raises.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    connect(address, (workers or max(1, cores // job.threads)) * job.threads)
    try:
        room = int(ray.cluster_resources().get("CPU", 1)) // job.threads
        actor = ray.remote(
            num_cpus=job.threads,
            num_gpus=int(job.device == "cuda"),
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )(_Actor)
        count = max(1, min(workers or room, len(parts)))
        given = (job, weights_sha256, registry.offer())
        hired = [actor.remote(*given) for _ in range(count)]
        yield from _shared_out(hired, parts)
    except RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise
    except RayActorError as error:
        raise ResourceError(
            f"A part was lost {_RETRIES + 1} times with its worker ({first_line(error)}): look "
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
