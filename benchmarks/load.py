"""Many visitors at once: ``python -m benchmarks.load --visitors 30 --seconds 180``.

Each uploads pictures, types the side of a window, switches the target and, now and then, is gone in
the middle of a computation and comes back as somebody else. Ends with exit status 1 if a page
showed an error or another visitor's picture. The windows are large and the steps few, so that two
cores have a chance; what is measured is the server under a load that never ends, not how fast a map
is.
"""

import argparse
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.server import held, megabytes, server
from benchmarks.visitor import StrangeError, Visitor

_QUICK = "small_window=48&small_stride=24&judge=false&steps=10&map=occlusion_large"
_FORGOTTEN_SECONDS = 150  # Streamlit keeps a lost session for two minutes


@dataclass
class Record:
    """What all visitors met."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    places: list[int] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, seconds: float) -> None:
        """Remember how long one action took to show."""
        with self.lock:
            self.done[what] += 1
            self.waits.setdefault(what, []).append(seconds)


def main() -> int:
    """Let them come, and print what they met."""
    parser = argparse.ArgumentParser(description="Many visitors of the dashboard at once.")
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    record = Record()
    with server() as (address, process):
        first = Visitor(address, 0, _QUICK)
        first.until(" passes, ")
        first.leave()
        print(f"at the start: {held(process.pid)}", flush=True)
        end = time.monotonic() + asked.seconds
        visits = [
            threading.Thread(
                target=_visit,
                args=(address, number, record, end, random.Random(asked.seed + number)),
            )
            for number in range(1, asked.visitors + 1)
        ]
        for visit in visits:
            visit.start()
        most = 0.0
        half = False
        while any(visit.is_alive() for visit in visits):
            time.sleep(0.5)
            most = max(most, megabytes(process.pid))
            if not half and time.monotonic() > end - asked.seconds / 2:
                half = True
                print(f"in the middle: {held(process.pid)}", flush=True)
        print(f"at the end: {held(process.pid)}; at most {most:.0f} MB", flush=True)
        last = Visitor(address, 99, _QUICK)
        last.until(" passes, ")
        last.settle()
        started = time.monotonic()
        last.enter("large_window_typed_0", 49)  # which nobody has tried
        last.until("Occlusion large 49/")
        last.settle()
        print(f"one who comes when all have left: maps in {time.monotonic() - started:.1f} s")
        last.leave()
        time.sleep(_FORGOTTEN_SECONDS)
        one_more = Visitor(address, 98, _QUICK)
        one_more.settle()
        one_more.leave()  # Streamlit looks for sessions to forget when another one goes
        time.sleep(3)
        print(f"when their sessions are forgotten: {held(process.pid)}")
        alive = process.poll() is None
    for what, waits in sorted(record.waits.items()):
        waits.sort()
        late = waits[min(len(waits) - 1, int(0.95 * len(waits)))]
        print(
            f"{what}: {len(waits)} times, median {statistics.median(waits):.2f} s, "
            f"95 of 100 within {late:.2f} s"
        )
    print(f"visitors who left in the middle: {record.done['left']}")
    print(f"furthest back in the queue: {max(record.places, default=0)} before")
    for sentence in record.strange:
        print(sentence)
    print("no error, and nobody saw another's picture" if not record.strange else "FAILED")
    return 0 if alive and not record.strange else 1


def _visit(address: str, number: int, record: Record, end: float, dice: random.Random) -> None:
    visitor = None
    try:
        while time.monotonic() < end:
            if visitor is None:
                visitor = Visitor(address, number, _QUICK)
                record.note("page opened: answer and photo", visitor.until('data-panel="Photo"'))
                visitor.settle()  # only then is everything there that can be moved
            for act in dice.choices(_ACTS, weights=(3, 4, 3), k=6):
                if time.monotonic() > end:
                    break
                act(visitor, record, dice)
                visitor.rest(dice.uniform(0.2, 3.0))
            if dice.random() < 0.3:
                record.done["left"] += 1
                record.places += visitor.places
                visitor.leave()
                visitor = None
    except (StrangeError, TimeoutError, OSError) as error:
        record.strange.append(f"visitor {number}: {type(error).__name__}: {error}")
    if visitor is not None:
        record.places += visitor.places
        visitor.leave()


def _upload(visitor: Visitor, record: Record, _: random.Random) -> None:
    started = time.monotonic()
    visitor.until(visitor.upload())
    record.note("upload: answer and photo", time.monotonic() - started)


def _slide(visitor: Visitor, record: Record, dice: random.Random) -> None:
    window = dice.randint(50, 120)
    visitor.enter("large_window_typed_0", window)
    record.note("another window: its panel", visitor.until(f"Occlusion large {window}/"))


def _choose(visitor: Visitor, record: Record, dice: random.Random) -> None:
    name = dice.choice(("goose", "albatross", "drake", "black swan", "king penguin", "tabby"))
    visitor.choose("target", name)
    record.note("another target: the board", visitor.until("data-panel="))


_ACTS: tuple[Callable[[Visitor, Record, random.Random], None], ...] = (_upload, _slide, _choose)

if __name__ == "__main__":
    sys.exit(main())
