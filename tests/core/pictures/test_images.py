"""Every bad or odd picture file, made here, is shown right or refused with one sentence."""

import functools
import hashlib
import io
import re
import struct
import sys
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from benchmarks.costly_files import COSTLY
from core.errors import ImageError
from core.pictures import images
from core.pictures.images import MAX_BYTES, digest

open_image = functools.partial(images.open_image, trusted=True)  # hundreds of files a second
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"] + ["AVIF"] * features.check("avif")
RED, WHITE = (255, 0, 0), (255, 255, 255)


def save(image, fmt="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows, *extra):
    """A PNG from its raw rows; each of `rows` without its filter byte."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + body + chunk(b"IEND", b"")


def scene(size=(48, 40)):
    """Four quarters of different colours: no turn or flip leaves it as it is."""
    image = Image.new("RGB", size, RED)
    w, h = size[0] // 2, size[1] // 2
    image.paste((0, 255, 0), (w, 0, 2 * w, h))
    image.paste((0, 0, 255), (0, h, w, 2 * h))
    image.paste((255, 255, 0), (w, h, 2 * w, 2 * h))
    return image


def notes(image):
    return " ".join(image.info["notes"])


def check(image):
    assert type(image) is Image.Image
    assert image.mode == "RGB"
    assert set(image.info) == {"notes"}
    assert isinstance(image.info["notes"], tuple)
    assert not image.getexif()
    assert image.tobytes()
    for note in image.info["notes"]:
        assert "\n" not in note
    return image


def refused(data):
    """The sentence that refuses `data`, after checking that it is one."""
    with pytest.raises(ImageError) as caught:
        open_image(data)
    sentence = str(caught.value)
    assert len(sentence.splitlines()) == 1
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert not re.search(r"\w+(Error|Exception|Warning)\b|struct\.|PIL|0x", sentence)
    return sentence


def test_digest():
    assert digest(b"abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("fmt", FORMATS)
def test_plain_picture_of_each_format(fmt):
    lossless = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}, "JPEG": {"quality": 98}}
    image = check(open_image(save(scene(), fmt, **lossless.get(fmt, {}))))
    assert image.info["notes"] == ()
    off = np.abs(np.asarray(image, int) - np.asarray(scene(), int))
    assert np.median(off) <= 2
    if fmt not in ("JPEG", "AVIF"):
        assert off.max() == 0


# Refused


def test_empty():
    assert "empty" in refused(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"Hello, I am a text named picture.png\n",
        b"\0" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
        b"P6 1 1 255\n\1\2\3",
    ],
)
def test_not_an_accepted_format(data):
    assert "PNG" in refused(data)


def test_format_is_decided_by_content_only():
    assert "format" in refused(save(scene(), "PPM"))
    assert "format" in refused(save(scene(), "ICO"))
    assert "format" in refused(save(scene().convert("L"), "TGA"))


def test_too_many_bytes():
    good = save(Image.new("RGB", (40, 40)))
    check(open_image(good + bytes(MAX_BYTES - len(good))))
    assert "20,000,000" in refused(good + bytes(MAX_BYTES - len(good) + 1))


@pytest.mark.parametrize("fmt", FORMATS)
def test_truncated(fmt):
    data = save(scene(), fmt)
    assert "incomplete" in refused(data[: len(data) // 2])


def big_gif(width, height, screen=(1, 1)):
    screen_head = b"GIF89a" + struct.pack("<HH", *screen) + b"\x80\0\0" + bytes(6)
    return screen_head + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\1\x44\0;"


def bmp(width, height):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


# 60 Mpx: over our limit only; 100: Pillow would warn; 400: Pillow would raise.
@pytest.mark.parametrize("side", [(8000, 7500), (10_000, 10_000), (20_000, 20_000)])
@pytest.mark.parametrize("fmt", ["PNG", "GIF", "GIF frame", "BMP", "TIFF", "JPEG"])
def test_decompression_bomb_is_refused_by_its_header(fmt, side, monkeypatch):
    if fmt == "PNG":
        data = png(*side, 8, 2, [b""])
    elif fmt.startswith("GIF"):
        data = big_gif(*side, side if fmt == "GIF" else (1, 1))
    elif fmt == "BMP":
        data = bmp(*side)
    elif fmt == "TIFF":
        ifd = ImageFileDirectory_v2()
        entries = [(256, side[0]), (257, side[1]), (258, 8), (259, 1), (262, 1), (273, 8)]
        for tag, value in [*entries, (277, 1), (278, side[1]), (279, 1)]:
            ifd[tag] = value
        data = b"II*\0\x08\0\0\0" + ifd.tobytes(8)
    else:
        data = save(Image.new("L", (16, 16)), "JPEG")
        at = data.index(b"\xff\xc0") + 5
        data = data[:at] + struct.pack(">HH", side[1], side[0]) + data[at + 4 :]
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # nothing is decoded
    assert "50 megapixels" in refused(data)


@pytest.mark.parametrize("side", [(8000, 7500), (10_000, 10_000), (16_000, 16_000)])
@pytest.mark.parametrize("fmt", [f for f in FORMATS if f in ("WEBP", "AVIF")])
def test_bomb_in_a_newer_format(fmt, side):
    if fmt == "WEBP":  # an animation's canvas may be larger than its frames
        frames = [Image.new("RGBA", (40, 40), c) for c in ("red", "#00f8")]
        data = save(frames[0], fmt, save_all=True, append_images=frames[1:])
        size = b"".join(struct.pack("<I", s - 1)[:3] for s in side)
        at = data.index(b"VP8X") + 12
    else:
        data = save(scene(), fmt)
        size = struct.pack(">II", *side)
        at = data.index(b"ispe") + 8
    assert "50 megapixels" in refused(data[:at] + size + data[at + len(size) :])


def test_tiff_in_very_many_pieces():
    count = images.MAX_TILES + 1
    data = save(Image.new("L", (100, 100)), "TIFF")
    ifd = Image.open(io.BytesIO(data)).tag_v2
    entries = {273: [8] * count, 278: 1, 279: [8] * count}
    new = ImageFileDirectory_v2()
    for tag, value in {**dict(ifd), **entries, 256: 3000, 257: 3000}.items():
        new[tag] = value
    with pytest.raises(ImageError) as caught:
        open_image(b"II*\0\x08\0\0\0" + new.tobytes(8))
    assert "tiles" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "name",
    [
        "JPEG, scans without end",
        "PNG, chunks without end",
        "GIF, comments of one byte",
        "BMP, runs of none",
        "TIFF, a tile larger than the picture",
    ],
)
def test_what_would_be_read_for_minutes_is_refused_in_seconds(name):
    data = COSTLY[name]()
    start = time.thread_time()
    refused(data)
    assert time.thread_time() - start < images.MAX_SECONDS + 2


def test_a_scan_is_counted_as_the_decoder_counts_it():
    data = save(scene(), "JPEG", progressive=True)
    scans = data.count(b"\xff\xda")
    assert len(images._SCAN.findall(data)) == scans > 3
    check(open_image(data + b"\xff\xda" * 1000))  # behind the end, and no scans


def test_the_time_ends_for_whatever_is_read(monkeypatch):
    monkeypatch.setattr(images, "MAX_SECONDS", -1)
    for fmt in FORMATS:
        if fmt != "AVIF":  # whose process has its own
            assert "too long" in refused(save(scene(), fmt))


def test_the_largest_allowed_header_is_read_on():
    assert "incomplete" in refused(png(10_000, 5_000, 8, 2, [b""]))  # 50 Mpx exactly, no pixels
    assert "50 megapixels" in refused(png(10_000, 5_001, 8, 2, [b""]))


def test_extreme_aspect_ratio():
    assert "20000 × 3" in refused(save(Image.new("RGB", (20_000, 3))))
    assert "20 times" in refused(save(Image.new("RGB", (3, 20_000))))
    check(open_image(save(Image.new("RGB", (640, 32)))))
    refused(save(Image.new("RGB", (641, 32))))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_values_without_a_stated_range(mode):
    assert "8 or 16" in refused(save(Image.new(mode, (40, 40)), "TIFF"))


def test_zero_size():
    refused(png(0, 5, 8, 2, []))


def test_memory_error(monkeypatch):
    def load(_):
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(ImageError) as caught:
        open_image(save(scene(), "BMP"))
    assert isinstance(caught.value.__cause__, MemoryError)


# Accepted with a note


@pytest.mark.parametrize("fmt", FORMATS)
def test_one_pixel(fmt):
    image = check(open_image(save(Image.new("RGB", (1, 1), WHITE), fmt)))
    assert image.size == (1, 1)
    assert "1 × 1" in notes(image)


@pytest.mark.parametrize("fmt", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animated(fmt):
    if fmt not in FORMATS:
        pytest.skip("this Pillow reads no AVIF")
    frames = [Image.new("RGB", (40, 40), c) for c in (RED, (0, 0, 255), (0, 255, 0))]
    options = {"quality": 100} if fmt == "AVIF" else {"lossless": True} if fmt == "WEBP" else {}
    image = open_image(save(frames[0], fmt, save_all=True, append_images=frames[1:], **options))
    off = np.abs(np.asarray(check(image), int) - RED)
    assert off.max() <= (3 if fmt == "AVIF" else 0)
    assert "first of 3 frames" in notes(image)


@pytest.mark.parametrize(("fmt", "name"), [("TIFF", "TIFF"), ("MPO", "JPEG")])
def test_several_pictures_in_one_file(fmt, name):
    second = Image.new("RGB", (40, 40), (0, 0, 255))
    options = {"quality": 100, "subsampling": 0} if fmt == "MPO" else {}
    red = Image.new("RGB", (40, 40), RED)
    image = check(open_image(save(red, fmt, save_all=True, append_images=[second], **options)))
    assert "only the first" in notes(image)
    assert np.abs(np.asarray(image, int) - RED).max() <= 2, name


def test_gif_with_endless_frames_is_not_counted():
    head = b"GIF89a" + struct.pack("<HH", 40, 40) + b"\x80\0\0" + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    image = check(open_image(head + frame * 200_000 + b";"))
    assert "only the first" in notes(image)


def test_gif_damaged_behind_its_first_frame_is_shown():
    frames = [scene((200, 200)), scene((200, 200)).transpose(Image.Transpose.ROTATE_90)]
    data = save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    image = check(open_image(data[:-20]))
    assert image.getpixel((0, 0)) == RED


# Modes and colours


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF"])
def test_transparency_becomes_white(fmt):
    rgba = Image.new("RGBA", (40, 40), (10, 200, 30, 255))
    rgba.putpixel((0, 0), (10, 200, 30, 0))
    rgba.putpixel((1, 0), (0, 0, 0, 128))
    image = check(open_image(save(rgba, fmt, **({"lossless": True} if fmt == "WEBP" else {}))))
    assert image.getpixel((0, 0)) == WHITE
    assert image.getpixel((1, 0)) == (127, 127, 127)
    assert image.getpixel((5, 5)) == (10, 200, 30)
    assert "white" in notes(image)


def test_opaque_alpha_needs_no_note():
    assert open_image(save(Image.new("RGBA", (40, 40), (1, 2, 3, 255)))).info["notes"] == ()


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_transparency_of_an_opened_picture_in_every_mode(mode):
    """Colours that are stored multiplied by their alpha are divided again."""
    picture = Image.new("RGBA", (40, 40), (200, 200, 200, 128))
    if mode == "PA":
        picture = picture.convert("RGB").quantize(4).convert("PA")
        picture.putalpha(Image.new("L", (40, 40), 128))
    else:
        picture = picture.convert("LA" if mode in ("LA", "La") else "RGBA").convert(mode)
    assert picture.mode == mode
    image = check(images.shown(picture))
    assert np.abs(np.asarray(image, int) - round((200 * 128 + 255 * 127) / 255)).max() <= 1
    assert "laid on white" in notes(image)


def test_what_an_opened_picture_loses_is_said():
    assert "CMYK" in notes(images.shown(Image.new("CMYK", (40, 40))))
    deep = Image.fromarray(np.full((40, 40), 32768, np.uint16))
    assert "scaled to 8" in notes(images.shown(deep))


def test_grey_with_alpha():
    la = Image.new("LA", (40, 40), (90, 255))
    la.putpixel((0, 0), (90, 0))
    image = check(open_image(save(la)))
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [WHITE, (90, 90, 90)]


@pytest.mark.parametrize(
    ("fmt", "transparency"), [("GIF", 0), ("PNG", 0), ("PNG", b"\0\xff"), ("PNG", b"\0\x80")]
)
def test_palette_with_transparency(fmt, transparency):
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 255, 255, 0, 0])
    image.putpixel((0, 0), 0)
    shown = check(open_image(save(image, fmt, transparency=transparency)))
    assert shown.getpixel((0, 0)) == WHITE
    half = transparency == b"\0\x80"
    assert shown.getpixel((1, 0)) == ((255, 127, 127) if half else RED)


@pytest.mark.parametrize(
    ("depth", "colour", "row", "key", "expected"),
    [
        (1, 0, b"\x80" + bytes(3), b"\0\1", [WHITE, (0, 0, 0)]),
        (2, 0, b"\x90" + bytes(7), b"\0\2", [WHITE, (85, 85, 85)]),
        (4, 0, b"\x5a" + bytes(15), b"\0\5", [WHITE, (170, 170, 170)]),
        (8, 0, b"\x07\x08" + bytes(30), b"\0\7", [WHITE, (8, 8, 8)]),
        (16, 0, b"\1\7\1\x08" + bytes(60), b"\1\7", [WHITE, (1, 1, 1)]),
        (8, 2, b"\1\2\3\1\2\4" + bytes(90), b"\0\1\0\2\0\3", [WHITE, (1, 2, 4)]),
        (16, 2, b"\1\1\2\2\3\3\1\1\2\2\4\4" + bytes(180), b"\1\1\2\2\3\3", [WHITE, (1, 2, 4)]),
    ],
)
def test_png_transparent_colour(depth, colour, row, key, expected):
    image = check(open_image(png(32, 32, depth, colour, [row] * 32, chunk(b"tRNS", key))))
    assert [image.getpixel((x, 3)) for x in (0, 1)] == expected
    assert image.getpixel((9, 3)) == (0, 0, 0)


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (257, 1), (32768, 128), (32639, 127), (65535, 255)]
)
def test_sixteen_bit_grey(fmt, value, expected):
    image = check(open_image(save(Image.fromarray(np.full((40, 40), value, np.uint16)), fmt)))
    assert abs(image.getpixel((5, 5))[0] - expected) <= (value == 32768)
    assert "8" in notes(image)


@pytest.mark.parametrize(("photometric", "expected"), [(1, 64), (0, 191)])
def test_sixteen_bit_tiff_where_zero_is_white(photometric, expected):
    array = np.full((40, 40), 64 * 257, np.uint16)
    data = save(Image.fromarray(array), "TIFF", tiffinfo={262: photometric})
    if photometric == 0:  # Pillow writes its own value over the one given
        data = data.replace(struct.pack("<HHII", 262, 3, 1, 1), struct.pack("<HHII", 262, 3, 1, 0))
    assert check(open_image(data)).getpixel((0, 0)) == (expected,) * 3


def test_sixteen_bit_big_endian_tiff():
    image = Image.frombytes("I;16B", (40, 40), struct.pack(">H", 200 * 257) * 1600)
    assert check(open_image(save(image, "TIFF"))).getpixel((0, 0)) == (200,) * 3


@pytest.mark.parametrize(
    ("colour", "pixel", "expected"),
    [
        (2, (65535, 32768, 0), (255, 128, 0)),
        (4, (32768, 65535), (128, 128, 128)),
        (4, (32768, 0), WHITE),
        (6, (65535, 32768, 0, 65535), (255, 128, 0)),
        (6, (65535, 32768, 0, 0), WHITE),
    ],
)
def test_sixteen_bit_png_of_other_kinds(colour, pixel, expected):
    row = struct.pack(f">{len(pixel)}H", *pixel) * 32
    image = check(open_image(png(32, 32, 16, colour, [row] * 32)))
    assert image.getpixel((0, 0)) == expected
    assert "more than 8 bits" in notes(image)


def test_bilevel_and_grey():
    assert check(open_image(save(Image.new("1", (40, 40), 1)))).getpixel((0, 0)) == WHITE
    assert check(open_image(save(Image.new("L", (40, 40), 9)))).getpixel((0, 0)) == (9, 9, 9)


@pytest.mark.parametrize("fmt", ["JPEG", "TIFF"])
def test_cmyk_red_is_red(fmt):
    options = {"quality": 100} if fmt == "JPEG" else {}
    data = save(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), fmt, **options)
    if fmt == "JPEG":
        assert b"Adobe" in data  # written inverted, as Adobe does
    r, g, b = check(image := open_image(data)).getpixel((20, 20))
    assert r > 250 > 5 > max(g, b)
    assert "CMYK" in notes(image)


def test_cmyk_jpeg_without_the_adobe_marker():
    data = save(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG", quality=100)
    at = data.index(b"\xff\xee")
    length = struct.unpack(">H", data[at + 2 : at + 4])[0]
    check(open_image(data[:at] + data[at + 2 + length :]))


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colour_spaces_in_tiff(mode):
    muted = Image.blend(scene(), Image.new("RGB", scene().size, "grey"), 0.6)
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(muted, srgb, lab, outputMode="LAB")
    else:
        image = muted.convert(mode)
    shown = np.asarray(check(open_image(save(image, "TIFF"))), int)
    assert np.abs(shown - np.asarray(muted, int)).max() <= 5


# Orientation


# How an upright picture is stored under each orientation: the inverse of what a viewer must do.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("fmt", [f for f in FORMATS if f not in ("GIF", "BMP")])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(fmt, orientation):
    stored = scene() if orientation == 1 else scene().transpose(STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = check(open_image(save(stored, fmt, exif=exif)))
    assert image.size == scene().size
    assert np.abs(np.asarray(image, int) - np.asarray(scene(), int)).mean() < 6


def test_orientation_of_a_compressed_tiff_is_applied_once():
    data = save(scene().transpose(Image.Transpose.ROTATE_90), "TIFF", compression="tiff_lzw",
                tiffinfo={274: 6})  # fmt: skip
    assert check(open_image(data)).tobytes() == scene().tobytes()


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",  # 99
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\0\0\x63\0\0\0\0\0\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0\x01\0\0\0\x01\0\0\0",
    ],
)
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_does_not_matter(fmt, exif):
    image = check(open_image(save(scene(), fmt, exif=exif)))
    assert image.size == scene().size


def test_metadata_is_dropped():
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8825)[1] = "N"
    image = check(open_image(save(scene(), "JPEG", exif=exif, comment="secret", dpi=(72, 72))))
    again = save(image, "PNG")
    assert b"camera" not in again
    assert b"secret" not in again


# ICC profiles


def swapped_profile():
    """An sRGB profile with red and green exchanged, under another name of the same length."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, green = (data.index(tag, 128) for tag in (b"rXYZ", b"gXYZ"))
    entries = data[red + 4 : red + 12], data[green + 4 : green + 12]
    data = bytearray(data)
    data[red + 4 : red + 12], data[green + 4 : green + 12] = entries[1], entries[0]
    return bytes(data).replace("sRGB".encode("utf-16-be"), "sPQR".encode("utf-16-be"))


@pytest.mark.parametrize("fmt", [f for f in FORMATS if f not in ("GIF", "BMP")])
def test_profile_is_applied(fmt):
    options = {"lossless": True} if fmt == "WEBP" else {}
    data = save(Image.new("RGB", (40, 40), RED), fmt, icc_profile=swapped_profile(), **options)
    r, g, b = check(image := open_image(data)).getpixel((20, 20))
    assert g > 245 > 12 > max(r, b)
    assert "sRGB" in notes(image)


def test_profile_is_applied_under_transparency():
    rgba = Image.new("RGBA", (40, 40), (255, 0, 0, 255))
    rgba.putpixel((0, 0), (0, 0, 0, 0))
    image = check(open_image(save(rgba, icc_profile=swapped_profile())))
    assert image.getpixel((0, 0)) == WHITE
    assert image.getpixel((9, 9))[1] > 245


def test_srgb_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = check(open_image(save(scene(), icc_profile=profile)))
    assert image.tobytes() == scene().tobytes()
    assert image.info["notes"] == ()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "1"])
@pytest.mark.parametrize("cut", [0, 1, 127, 140, 300, None])
def test_unreadable_or_unfit_profile_is_ignored(mode, cut):
    profile = swapped_profile()[:cut] + b"\xff" * 40 * (cut is not None)
    image = Image.new(mode, (40, 40), 0)
    check(open_image(save(image, "TIFF", icc_profile=profile)))


# Anything at all


def gives_picture_or_sentence(data):
    """Open `data`: RGB, or ImageError with one sentence; anything else fails the test."""
    try:
        image = open_image(data)
    except ImageError as error:
        sentence = str(error)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert not re.search(r"\w(Error|Exception|Warning)\b", sentence)
        return None
    return check(image)


def variants():
    rgba = scene((33, 17)).convert("RGBA")
    rgba.putpixel((0, 0), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    rich = {"exif": exif, "icc_profile": swapped_profile()[:400]}
    made = {fmt: save(scene((33, 17)), fmt) for fmt in FORMATS}
    made["JPEG rich"] = save(scene((33, 17)), "JPEG", progressive=True, **rich)
    made["PNG rich"] = save(rgba, "PNG", save_all=True, append_images=[rgba.rotate(90)], **rich)
    made["WEBP rich"] = save(rgba, "WEBP", save_all=True, append_images=[rgba.rotate(90)], **rich)
    made["GIF rich"] = save(rgba, "GIF", save_all=True, append_images=[rgba.rotate(90)])
    made["TIFF rich"] = save(rgba, "TIFF", compression="tiff_lzw", **rich)
    made["CMYK"] = save(scene((33, 17)).convert("CMYK"), "JPEG")
    made["MPO"] = save(scene((33, 17)), "MPO", save_all=True, append_images=[scene((33, 17))])
    made["palette"] = save(rgba.quantize(8), "PNG")
    made["grey 16"] = save(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(30, 20)))
    return made


VARIANTS = variants()
variant = pytest.mark.parametrize("kind", VARIANTS)
several = settings(max_examples=60, deadline=None, derandomize=True)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from([b"", *(data[:16] for data in VARIANTS.values())]), st.binary(max_size=300))
def test_arbitrary_bytes(start, rest):
    gives_picture_or_sentence(start + rest)


@variant
def test_every_truncation(kind):
    data = VARIANTS[kind]
    whole = check(open_image(data)).tobytes()
    cuts = 50 if kind.startswith("AVIF") else 250  # a process for each
    for cut in range(0, len(data), max(1, len(data) // cuts)):
        image = gives_picture_or_sentence(data[:cut])
        assert image is None or image.size in ((33, 17), (17, 33), (20, 30))
        if image is not None and "rich" not in kind:  # cut behind the last pixel, or refused
            assert image.tobytes() == whole


@pytest.mark.parametrize("behind", ["JPEG", "PNG", "GIF", b"PK\3\4", b"%PDF-1.7", b"<script>"])
@pytest.mark.parametrize("first", FORMATS)
def test_a_file_that_is_two_is_what_it_begins_with(first, behind):
    alone = open_image(VARIANTS[first])
    rest = behind if isinstance(behind, bytes) else save(Image.new("RGB", (9, 9)), behind)
    both = gives_picture_or_sentence(VARIANTS[first] + rest)
    assert both is None or both.tobytes() == alone.tobytes()
    assert first == "AVIF" or both is not None


@variant
@several
@given(data=st.data())
def test_random_damage(kind, data):
    broken = bytearray(VARIANTS[kind])
    head = st.integers(0, min(200, len(broken) - 1))  # most of the structure is there
    place = head | st.integers(0, len(broken) - 1)
    for at in data.draw(st.lists(place, min_size=1, max_size=6)):
        broken[at] = data.draw(st.sampled_from([0, 255, 128]) | st.integers(0, 255))
    gives_picture_or_sentence(bytes(broken))


# In a process of its own


@variant
def test_what_is_not_trusted_is_decoded_elsewhere_to_the_same(kind, monkeypatch):
    here = open_image(VARIANTS[kind])
    monkeypatch.setattr(images, "_decode", lambda *_: pytest.fail("it was decoded here"))
    image = check(images.open_image(VARIANTS[kind]))
    assert image.tobytes() == here.tobytes()
    assert image.info == here.info


@pytest.mark.parametrize(
    "data", [b"", b"text", bytes(MAX_BYTES + 1), save(scene())[:60], bmp(20_000, 20_000)]
)
def test_what_is_refused_is_refused_elsewhere_in_the_same_words(data):
    with pytest.raises(ImageError) as caught:
        images.open_image(data)
    assert str(caught.value) == refused(data)


@pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow reads no AVIF")
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_pixels_beyond_the_stated_size_find_no_memory():
    data = save(Image.new("L", (16_000, 12_000)), "AVIF", speed=10, subsampling="4:0:0")
    at = data.index(b"ispe") + 8
    data = data[:at] + struct.pack(">II", 100, 100) + data[at + 8 :]
    assert len(data) < 3000
    assert "incomplete, damaged" in refused(data)


def test_greys_of_16_bits():
    values = np.arange(600, dtype=np.uint16).reshape(30, 20) * 109
    data = save(Image.fromarray(values))
    assert images.grey16(data, (20, 30)) == values.astype("<u2").tobytes()
    for wrong, size in ((data, (30, 20)), (save(scene((20, 30))), (20, 30)), (data[:90], (20, 30))):
        with pytest.raises(ImageError):
            images.grey16(wrong, size)


# The rest of the process


def odd_tiff():
    """A TIFF that makes Pillow warn: its last tag points behind the end of the file."""
    data = save(scene(), "TIFF", tiffinfo={270: "a description, long enough to be elsewhere"})
    at = data.index(struct.pack("<HH", 270, 2))
    return data[: at + 4] + struct.pack("<II", 500_000, 10) + data[at + 12 :]


def test_odd_files_warn_elsewhere_but_not_here():
    with pytest.warns(UserWarning, match=r"."):
        Image.open(io.BytesIO(odd_tiff())).load()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(open_image(odd_tiff()))
    assert caught == []
    with pytest.warns(UserWarning, match=r"."):  # and still do, afterwards
        Image.open(io.BytesIO(odd_tiff())).load()


def test_pillow_is_left_as_it_was():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, Image.WARN_POSSIBLE_FORMATS
    for data in [*VARIANTS.values(), odd_tiff(), b"", bmp(20_000, 20_000), big_gif(9, 9)[:30]]:
        gives_picture_or_sentence(data)
    after = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, Image.WARN_POSSIBLE_FORMATS
    assert after == before
    assert ImageOps.exif_transpose(scene()).size == scene().size


def test_warning_filters_do_not_pile_up():
    for _ in range(3):
        warnings.filterwarnings("error")
        open_image(VARIANTS["PNG"])
    assert warnings.filters.count(images._QUIET) == 1
    assert warnings.filters[1][0] == "error"


def test_many_threads_at_once():
    expected = {kind: open_image(data).tobytes() for kind, data in VARIANTS.items()}
    wrong = []

    def work():
        for kind, data in VARIANTS.items():
            open_image(odd_tiff())
            if open_image(data).tobytes() != expected[kind]:
                wrong.append(kind)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
