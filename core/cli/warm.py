"""The command ``warm``: precomputes the scenes of a talk and keeps them on disk."""

import argparse
import time

from ..errors import SettingError
from ..explaining.explainer import Explainer
from ..explaining.judging import Judge
from ..files.disk_cache import FOLDER_VARIABLE, DiskCache, default_folder
from ..files.io import check_writable
from ..talks.scenes import read_talk
from ..talks.warming import warm, words_of
from .console import print_table, progress_line, say


def run(arguments: argparse.Namespace) -> int:
    """Compute what the scenes of a talk show, and keep it on disk; tell what each took."""
    talk = read_talk(arguments.talk)
    disk = DiskCache(default_folder())
    check_writable(disk.folder, way_out=f"name another cache folder by {FOLDER_VARIABLE}")
    seconds = [0.0] * len(talk.scenes)
    before = time.perf_counter()
    with progress_line() as show:
        explainer = Explainer(disk=disk)
        for step in warm(explainer, Judge(explainer), talk):
            show(words_of(step))
            seconds[step.scene - 1] += time.perf_counter() - before
            before = time.perf_counter()
    rows = [
        (str(number), scene.title, f"{taken:.1f}")
        for number, (scene, taken) in enumerate(zip(talk.scenes, seconds, strict=True), 1)
    ]
    print_table(("scene", "title", "seconds"), rows, words=("title",))
    if disk.problem:
        raise SettingError(
            f"Not everything could be kept in {disk.folder} ({disk.problem}): make room there, or "
            f"name another folder by {FOLDER_VARIABLE}."
        )
    say(f"Kept in {disk.folder}, until newer results need the room.")
    return 0
