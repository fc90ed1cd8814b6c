"""Damaged files without end: each is taken, or refused in one sentence, and nothing else.

    make fuzz WHAT=tables SECONDS=600 SEED=2             # a bound in time, and where chance begins
    python -m tests.fuzz tables out/fuzz/tables/crash-…  # once more what was found

Guided by the coverage of our readers and of Pillow's, which are Python; C code behind them is
reached, but not searched. An input that raises what it must not, breaks a promise, takes ten
seconds or more than 1.5 GB ends the run and is kept in out/fuzz. What is damaged, and what is
promised, is in ``tests/fuzz_WHAT.py``:

    SEEDS     whole files by name, and LONGEST, the most bytes that an input has
    one       opens an input and checks what comes of it
    vary      damages an input, with `Damage.some` and in ways of its own kind
"""

import argparse
import importlib
import logging
import random
import struct
import sys
from pathlib import Path

import atheris

FOUND = Path("out/fuzz")
KINDS = ("pictures", "maps", "tables", "bundles", "models")
ODD = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**32 - 1)


class Damage:
    """Damage as libFuzzer does it, or as files are built: numbers, pieces, other files' pieces."""

    def __init__(self, seeds, longest, chance):
        self.seeds, self.longest, self.chance = seeds, longest, chance

    def some(self, data):
        """A few changes at any place."""
        chance = self.chance
        broken = bytearray(data or self.seeds[0])
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(broken) + 1)
            end = min(len(broken), at + chance.choice((1, 2, 4, 12, 64, 512)))
            match chance.randrange(6):
                case 0:  # a number: a length, a size, an offset
                    form = chance.choice("<>") + chance.choice("BHI")
                    number = chance.choice(ODD) % 256 ** struct.calcsize(form)
                    broken[at : at + struct.calcsize(form)] = struct.pack(form, number)
                case 1:
                    del broken[at:end]
                case 2:
                    broken[at:at] = broken[at:end] * chance.choice((1, 2, 50))
                case 3:
                    other = chance.choice(self.seeds)
                    begin = chance.randrange(len(other))
                    broken[at:end] = other[begin : begin + chance.choice((4, 32, 400))]
                case _:
                    whole = bytes(broken[: self.longest])
                    broken = bytearray(atheris.Mutate(whole, self.longest))
            broken = broken or bytearray(self.seeds[0])
        return broken[: self.longest]


def sentence_of(error):
    """What an error tells a person; it has to be one sentence on one line."""
    said = str(error)
    if "\n" in said or not said.endswith("."):
        raise AssertionError(said) from error
    return said


def main():
    """Open the files that are named, or fuzz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=KINDS)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable()  # it is told what is refused, a hundred times a second
    kind = importlib.import_module(f"tests.fuzz_{given.what}")
    for path in given.files:
        kind.one(path.read_bytes())
    if given.files:
        return
    found = FOUND / given.what
    corpus = found / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for name, data in kind.SEEDS.items():
        (corpus / f"seed-{name.replace(' ', '-')}").write_bytes(data)
    seeds = list(kind.SEEDS.values())

    def mutate(data, longest, seed):
        longest = min(longest, kind.LONGEST)
        return bytes(kind.vary(data, Damage(seeds, longest, random.Random(seed))))[:longest]

    options = {
        "max_total_time": given.seconds,
        "seed": given.seed,
        "max_len": kind.LONGEST,
        "timeout": 10,
        "rss_limit_mb": 1500,
        "artifact_prefix": f"{found}/",
        "print_final_stats": 1,
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], kind.one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
