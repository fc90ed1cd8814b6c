"""The pixels of an AVIF, decoded by a process of its own that the system gives limits.

Its decoder makes room for the pixels that are there, 16,384 × 16,384 at most, however few the
container says: some 1,300 bytes can ask for gigabytes, and nothing outside the decoder knows it
beforehand. A decoder that crashes is not felt here either. Run as a script, this file is that
process; it imports nothing of ours.
"""

import io
import os
import subprocess
import sys
import threading
from contextlib import suppress

from PIL import AvifImagePlugin, Image

_BASE = 200 * 1000 * 1000  # bytes, for Python and Pillow
_EACH = 24  # bytes for a pixel: planes of 16 bits with alpha, and three copies as RGBA
_THREADS = 4
_ROWS = 256


def decoded(data: bytes, mode: str, size: tuple[int, int], seconds: int) -> Image.Image:
    """Decode the first frame of an AVIF with as much memory as its stated size is worth.

    Memory is limited on Linux, time everywhere.

    Args:
        data: the file.
        mode, size: RGB or RGBA, and (width, height), as its container says.
        seconds: of processor time; of the clock, ten times as many.

    Raises:
        OSError: it is damaged, or needs more than that.
    """
    width, height = size
    needs = str(_BASE + _EACH * width * height)
    # -P: the modules beside this file are not to be found in place of others.
    command = [sys.executable, "-P", __file__, needs, str(seconds)]
    # One arena: each thread's own would reserve addresses, which are what is limited.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    pipe, count = subprocess.PIPE, width * height * len(mode)
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        late = threading.Timer(10 * seconds, child.kill)
        late.start()
        try:
            with suppress(BrokenPipeError):  # it has ended already
                child.stdin.write(data)
                child.stdin.close()
            pixels = child.stdout.read(count)
        finally:
            late.cancel()
            child.kill()
    if len(pixels) < count:
        raise OSError("an AVIF was not decoded within its memory and time")
    return Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1)


def main(memory: int, seconds: int) -> None:
    """Read an AVIF from standard input, and write its pixels to standard output.

    Args:
        memory: bytes of address space.
        seconds: of processor time, of all threads.
    """
    with suppress(ImportError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    AvifImagePlugin.DEFAULT_MAX_THREADS = min(_THREADS, os.cpu_count() or 1)
    file = AvifImagePlugin.AvifImageFile(io.BytesIO(sys.stdin.buffer.read()))
    file.load()
    file.fp = None  # a copy of all pixels
    for top in range(0, file.height, _ROWS):
        rows = file.crop((0, top, file.width, min(top + _ROWS, file.height)))
        sys.stdout.buffer.write(rows.tobytes())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
