"""AVIF: the same pixels as Pillow's, and no more memory or time than the stated size is worth."""

import io
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from core import avif
from core.errors import ImageError
from core.images import open_image

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")


def noise(mode, size):
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], len(mode)), np.uint8)
    return Image.fromarray(values)


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "AVIF", speed=10, **options)
    return buffer.getvalue()


def stating(data, width, height):
    """The same file, whose container says another size."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (33, 17), (300, 700)])
def test_pixels_are_those_of_pillow(mode, size):
    data = saved(noise(mode, size))
    image = avif.decoded(data, mode, size, 10)
    assert (image.mode, image.size) == (mode, size)
    assert image.tobytes() == Image.open(io.BytesIO(data)).convert(mode).tobytes()


@pytest.mark.parametrize("cut", [0, 40, -200])
def test_damage_is_an_error(cut):
    data = saved(noise("RGB", (64, 64)))
    with pytest.raises(OSError, match="AVIF"):
        avif.decoded(data[:cut], "RGB", (64, 64), 10)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_pixels_beyond_the_stated_size_find_no_memory():
    data = stating(saved(Image.new("L", (16_000, 12_000)), subsampling="4:0:0"), 100, 100)
    assert len(data) < 3000
    with pytest.raises(OSError, match="memory"):
        avif.decoded(data, "RGB", (100, 100), 60)
    with pytest.raises(ImageError, match="incomplete, damaged or of an unusual kind"):
        open_image(data)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_time_has_an_end():
    data = saved(noise("RGB", (2000, 2000)), quality=90)
    with pytest.raises(OSError, match="time"):
        avif.decoded(data, "RGB", (2000, 2000), 0)


def test_modules_beside_it_take_nobody_s_place(tmp_path, monkeypatch):
    script = tmp_path / "avif.py"
    script.write_text(Path(avif.__file__).read_text())
    (tmp_path / "io.py").write_text("raise SystemExit")
    (tmp_path / "PIL.py").write_text("raise SystemExit")
    monkeypatch.setattr(avif, "__file__", str(script))
    assert avif.decoded(saved(noise("RGB", (9, 9))), "RGB", (9, 9), 10).size == (9, 9)
