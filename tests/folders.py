"""Small folders of pictures, and what a run makes of them."""

import io

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from core.__main__ import main

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
