"""Small folders of pictures, and what a run makes of them."""

import functools
import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.__main__ import main
from core.folders import job
from core.folders.batch import Worker
from core.models import classifiers

COARSE = ("--methods", "occlusion", "--window", "112", "--stride", "112")  # 4 windows


def png(seed, side=64):
    """A picture of coloured squares, drawn from a seed."""
    squares = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(squares).resize((side, side), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def fill(folder, names):
    """Write a picture under each name, each of its own seed."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed))
    return folder


def run(folder, out, *options):
    """The command in this process, on one thread of the CPU."""
    given = (str(folder), "--out", str(out), "--device", "cpu", "--threads", "1", *options)
    return main(["batch", *given])


def table(out):
    return pq.read_table(out / "results.parquet")


def rows(out):
    return {row["path"]: row for row in table(out).to_pylist()}


def all_but_seconds(out):
    """Everything that two equal runs have in common: the table, and every byte of every map."""
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.glob("maps/*/*")}
    return table(out).drop_columns(["seconds"]).to_pylist(), files


def stopped_and_finished(folder, place, given, monkeypatch, maps=1):
    """What a run wrote that was stopped behind so many maps, and begun again.

    It is the same as of a run that was not stopped, and no map is made a second time.
    """
    monkeypatch.setattr(job, "PART", 2)
    assert run(folder, place / "whole", *given) == 0
    out, work = place / "out", Worker.work

    def stopped(self, parts, known):
        written = 0
        for made in work(self, parts, known):
            yield made
            written += isinstance(made, job.MadeMaps)
            if written == maps:
                raise KeyboardInterrupt  # the last map is there, and its row is not

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "work", stopped)
        assert run(folder, out, *given) == 130
    before = {path: path.stat().st_mtime_ns for path in out.glob("maps/*/*")}
    assert len(before) == maps
    assert run(folder, out, *given) == 0
    after = {path: path.stat().st_mtime_ns for path in out.glob("maps/*/*")}
    assert before.items() <= after.items()
    assert all_but_seconds(out) == all_but_seconds(place / "whole")
    return out


@pytest.fixture(autouse=True, scope="module")
def load_once():
    """Each run loads its model; the tests share it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "load", functools.cache(classifiers.load))
        yield


@pytest.fixture(autouse=True)
def threads_as_before(one_thread):
    return one_thread
