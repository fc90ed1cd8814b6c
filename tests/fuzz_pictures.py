"""Pictures, for `tests.fuzz`: what comes out is what `core.pictures.images.open_image` promises.

They are opened in this process, where Pillow's readers guide. An AVIF has a process of its own.
"""

import re
import struct
import zlib

import atheris

with atheris.instrument_imports(include=["PIL", "core.pictures.images", "core.pictures.colours"]):
    from core.errors import UserError
    from core.pictures import images
    from tests.core.pictures.test_images import VARIANTS
    from tests.fuzz import sentence_of

LONGEST = 20_000
SEEDS = VARIANTS
PIXELS = images.MAX_PIXELS = 250_000  # not 50 million: most inputs are then decoded within 1 ms


def one(data):
    try:
        image = images.open_image(data, trusted=True)
    except UserError as error:
        sentence_of(error)
        return
    assert image.mode == "RGB", image.mode
    assert image.width * image.height > 0, image.size
    assert max(image.size) <= images.MAX_ASPECT * min(image.size), image.size
    assert set(image.info) == {"notes"}, image.info
    assert not image.getexif()
    assert len(image.tobytes()) == 3 * image.width * image.height


def vary(data, damage):
    broken = damage.some(data)
    if broken.startswith(b"\x89PNG") and damage.chance.random() < 0.8:
        right_sums(broken)  # with a wrong one the reader would stop at once
    return broken


def right_sums(png):
    at = 8
    while at + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        end = at + 8 + length
        if end + 4 > len(png) or not re.fullmatch(rb"[A-Za-z]{4}", png[at + 4 : at + 8]):
            return
        struct.pack_into(">I", png, end, zlib.crc32(png[at + 4 : end]))
        at = end + 4
