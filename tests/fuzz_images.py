"""Damaged picture files without end: a picture or one sentence comes out, and nothing else.

    make fuzz SECONDS=600 SEED=2                  # a bound in time, and where chance begins
    python -m tests.fuzz_images out/fuzz/crash-…  # once more what was found

Guided by the coverage of Pillow's readers and of core.images, which are Python. What decodes pixels
is C and not instrumented: it is reached, but not searched. An input that raises what it must not,
breaks a promise, takes ten seconds or more than 1 GB ends the run and is kept in out/fuzz.
"""

import argparse
import random
import re
import struct
import sys
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "core.images"]):
    from core import images
    from core.errors import UserError
    from tests.test_images import VARIANTS

FOUND = Path("out/fuzz")
PIXELS = 250_000  # instead of 50 million: most inputs are then decoded within a millisecond
LONGEST = 20_000  # bytes of an input
ODD = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**32 - 1)
SEEDS = list(VARIANTS.values())


def one(data: bytes) -> None:
    """Open `data` and check what open_image promises."""
    try:
        image = images.open_image(data)
    except UserError as error:
        sentence = str(error)
        if "\n" in sentence or not sentence.endswith("."):
            raise AssertionError(sentence) from error
        return
    assert image.mode == "RGB", image.mode
    assert 0 < image.width * image.height <= PIXELS, image.size
    assert max(image.size) <= images.MAX_ASPECT * min(image.size), image.size
    assert set(image.info) == {"notes"}, image.info
    assert not image.getexif()
    assert len(image.tobytes()) == 3 * image.width * image.height


def mutate(data: bytes, longest: int, seed: int) -> bytes:
    """Damage as libFuzzer does it, or as files are built: numbers, pieces, other files' pieces."""
    chance = random.Random(seed)
    broken = bytearray(data or SEEDS[0])
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
                other = chance.choice(SEEDS)
                begin = chance.randrange(len(other))
                broken[at:end] = other[begin : begin + chance.choice((4, 32, 400))]
            case _:
                broken = bytearray(atheris.Mutate(bytes(broken[:longest]), longest))
        broken = broken or bytearray(SEEDS[0])
    broken = broken[:longest]
    if broken.startswith(b"\x89PNG") and chance.random() < 0.8:
        _right_sums(broken)  # with a wrong one the reader would stop at once
    return bytes(broken)


def _right_sums(png: bytearray) -> None:
    at = 8
    while at + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        end = at + 8 + length
        if end + 4 > len(png) or not re.fullmatch(rb"[A-Za-z]{4}", png[at + 4 : at + 8]):
            return
        struct.pack_into(">I", png, end, zlib.crc32(png[at + 4 : end]))
        at = end + 4


def main() -> None:
    """Open the files that are named, or fuzz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    images.MAX_PIXELS = PIXELS
    for path in given.files:
        one(path.read_bytes())
    if given.files:
        return
    corpus = FOUND / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for name, data in VARIANTS.items():
        (corpus / f"seed-{name.replace(' ', '-')}").write_bytes(data)
    options = {
        "max_total_time": given.seconds,
        "seed": given.seed,
        "max_len": LONGEST,
        "timeout": 10,
        "rss_limit_mb": 1000,
        "artifact_prefix": f"{FOUND}/",
        "print_final_stats": 1,
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
