"""The most expensive picture files that are accepted, and bombs that are not: time and memory.

    python -m benchmarks.uploads            # all of them, about three minutes
    python -m benchmarks.uploads JPEG BMP   # those whose name begins so

Each file is opened by a fresh process as an upload is, whose peak memory is read beside what it
held before (Linux: VmHWM in /proc/self/status), and by the process that this one starts to decode
it, whose peak is told apart. The processor's time is that of both.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.costly_files import COSTLY

_OPEN = """
import json, re, resource, sys, time
from pathlib import Path
from core.errors import ImageError
from core.pictures.images import open_image

def held():
    status = Path("/proc/self/status").read_text()
    return [int(re.search(n + r":\\s+(\\d+) kB", status)[1]) / 1000 for n in ("VmRSS", "VmHWM")]

data = Path(sys.argv[1]).read_bytes()
open_image(Path("sample_images/swan.jpg").read_bytes())  # loads what is loaded once
before, _ = held()
first = resource.getrusage(resource.RUSAGE_CHILDREN)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
start = time.thread_time(), time.perf_counter()
try:
    image = open_image(data)
    outcome = f"{image.width} × {image.height}"
except ImageError as error:
    outcome = f"refused: {error}"
children = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = time.thread_time() - start[0] + children.ru_utime + children.ru_stime
cpu -= first.ru_utime + first.ru_stime
peak = held()[1] - before
print(json.dumps([cpu, time.perf_counter() - start[1], peak, children.ru_maxrss / 1000, outcome]))
"""


def main(wanted: list[str]) -> None:
    """Print a line for each file."""
    print("| file | bytes | CPU s | s | peak MB | of its decoder | outcome |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, make in COSTLY.items():
        if wanted and not name.startswith(tuple(wanted)):
            continue
        with TemporaryDirectory() as folder:
            path = Path(folder, "file")
            path.write_bytes(make())
            child = subprocess.run(
                [sys.executable, "-c", _OPEN, str(path)], stdout=subprocess.PIPE, text=True
            )
            size = path.stat().st_size
        if child.returncode:
            print(
                f"| {name} | {size:,} | - | - | - | - | the process ended with {child.returncode} |"
            )
            continue
        cpu, seconds, peak, decoder, outcome = json.loads(child.stdout)
        times = f"{cpu:.1f} | {seconds:.1f} | {peak:.0f} | {decoder:.0f}"
        print(f"| {name} | {size:,} | {times} | {outcome} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
