"""Picture files that cost as much as their format allows, made in the sizes that are accepted."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from core.pictures.images import MAX_BYTES, MAX_SCANS, MAX_TILES

SIDE = 7071  # 50 megapixels, less a few: 7071 × 7071 = 49,999,041


def _save(image: Image.Image, fmt: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def _profile() -> bytes:
    """An sRGB profile under another name, so that it is not known to change nothing."""
    data: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace("sRGB".encode("utf-16-be"), "sPQR".encode("utf-16-be"))


def _rich(turned: bool = True) -> dict[str, Any]:
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    return {"exif": exif, "icc_profile": _profile()}


def _photo(mode: str, side: int = SIDE) -> Image.Image:
    """Gentle waves: not flat, and small in every format."""
    wave = (np.arange(side) * 255 // side).astype(np.uint8)
    plane = Image.fromarray(np.broadcast_to(wave, (side, side)).copy())
    if mode == "L":
        return plane
    bands = {"RGB": 3, "RGBA": 4, "CMYK": 4, "LAB": 3}[mode]
    return Image.merge(mode, [plane] * bands)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(
    side: int, depth: int, colour: int, rows: bytes, *extra: bytes, interlaced: int = 0
) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + rows + chunk(b"IEND", b"")


def _zeros(count: int) -> bytes:
    """`count` zero bytes, compressed without holding them."""
    packer, parts = zlib.compressobj(), []
    while count > 0:
        parts.append(packer.compress(bytes(min(count, 1 << 20))))
        count -= 1 << 20
    return b"".join(parts) + packer.flush()


def _png_deep() -> bytes:
    """16 bits, alpha, interlaced, a profile and an orientation."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    count = sum(
        -(-(SIDE - y) // dy) * (1 + 8 * -(-(SIDE - x) // dx))
        for x, y, dx, dy in [*passes, (0, 1, 1, 2)]
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    return _png(
        SIDE, 16, 6, chunk(b"IDAT", _zeros(count)),
        chunk(b"iCCP", b"p\0\0" + zlib.compress(_profile())), chunk(b"eXIf", exif.tobytes()[6:]),
        interlaced=1,
    )  # fmt: skip


def _png_chunks(kind: bytes, body: bytes) -> bytes:
    rows = chunk(b"IDAT", zlib.compress(bytes(32 * 33)))
    piece = chunk(kind, body)
    return _png(32, 8, 0, rows, piece * ((MAX_BYTES - 2000) // len(piece)))


def _png_pieces() -> bytes:
    """Pixels in chunks of one byte."""
    packed = zlib.compress(bytes(32 * 33)) + bytes(1_400_000)
    return _png(32, 8, 0, b"".join(chunk(b"IDAT", bytes([b])) for b in packed))


def _jpeg_scans(pixels_side: int, count: int | None = None) -> bytes:
    """A progressive JPEG whose scans say in a few bytes of all blocks that nothing changes.

    As many as `count`, or as there is room for.
    """
    data = _save(Image.new("L", (16, 16)), "JPEG", progressive=True)
    at = data.index(b"\xff\xc2") + 5
    head = data[: data.index(b"\xff\xda")]
    head = head[:at] + struct.pack(">HH", pixels_side, pixels_side) + head[at + 4 :]
    # One code: the run of 32,767 blocks without a coefficient (symbol 0xE0, and 14 more bits).
    table = b"\xff\xc4" + struct.pack(">H", 2 + 17 + 1) + b"\x10\1" + bytes(15) + b"\xe0"
    blocks = (-(-pixels_side // 8)) ** 2
    bits = ("0" + "1" * 14) * -(-blocks // 32767)
    bits += "1" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    first = b"\xff\xda" + struct.pack(">HB2sBBB", 8, 1, b"\1\0", 0, 0, 0) + body
    scan = b"\xff\xda" + struct.pack(">HB2sBBB", 8, 1, b"\1\0", 1, 63, 0) + body
    more = count - 1 if count else (MAX_BYTES - len(head) - len(table) - 1000) // len(scan)
    return head + table + first + scan * more + b"\xff\xd9"


def _gif(side: int, blocks: bytes, tail: bytes = b"") -> bytes:
    head = b"GIF89a" + struct.pack("<HH", side, side) + b"\x80\0\0" + bytes(6)
    return head + tail + b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\2" + blocks + b"\0;"


def _small_gif_frame() -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"


def _gif_comments(size: int) -> bytes:
    piece = bytes([size]) + b"x" * size
    comment = b"!\xfe" + piece * ((MAX_BYTES - 1000) // len(piece)) + b"\0"
    return _gif(1, b"\2\x44\1", comment)


def _gif_blocks_behind() -> bytes:
    """Two frames, the first in blocks of one byte, millions of them."""
    first = _gif(1, b"\2\x44\1" + b"\1\0" * 9_900_000)[:-1]
    return first + _small_gif_frame() + b";"


def _bmp_rle(body: bytes) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(body), 0, 0, 256, 0)
    start = 14 + 40 + 1024
    palette = bytes(range(256)) * 4
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + palette + body


def _tiff(entries: dict[int, tuple[int, list[int]]], body: bytes) -> bytes:
    """A little-endian TIFF; `body` begins at byte 8; types 3 (SHORT) and 4 (LONG)."""
    spare, table = b"", b""
    spare_at = 8 + len(body)
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            field, spare = struct.pack("<I", spare_at + len(spare)), spare + packed
        else:
            field = packed.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, len(values)) + field
    directory = struct.pack("<H", len(entries)) + table + bytes(4)
    return b"II*\0" + struct.pack("<I", spare_at + len(spare)) + body + spare + directory


def _tiff_of(
    side: int, body: bytes, *, bits: list[int], photometric: int, compression: int,
    more: dict[int, tuple[int, list[int]]] | None = None,
) -> bytes:  # fmt: skip
    entries = {
        256: (4, [side]), 257: (4, [side]), 258: (3, bits), 259: (3, [compression]),
        262: (3, [photometric]), 277: (3, [len(bits)]),
    }  # fmt: skip
    if not more or 322 not in more:
        entries |= {273: (4, [8]), 278: (4, [side]), 279: (4, [len(body)])}
    return _tiff(entries | (more or {}), body)


def _tiff_huge_tile() -> bytes:
    """One pixel, cut from a tile of 30,000 × 30,000."""
    body = _zeros(900_000_000)
    tile = {322: (4, [30_000]), 323: (4, [30_000]), 324: (4, [8]), 325: (4, [len(body)])}
    return _tiff_of(32, body, bits=[8], photometric=1, compression=8, more=tile)


def _tiff_pieces(compression: int) -> bytes:
    """As many strips as are allowed, all of them the same bytes."""
    body = zlib.compress(bytes(500)) if compression == 8 else bytes(500)
    rows = MAX_TILES
    more = {
        256: (4, [500]), 257: (4, [rows]), 273: (4, [8] * rows), 278: (4, [1]),
        279: (4, [len(body)] * rows),
    }  # fmt: skip
    return _tiff_of(500, body, bits=[8], photometric=1, compression=compression, more=more)


def _tiff_tags() -> bytes:
    """Every tag holds the whole file."""
    body = bytes(19_000_000)
    tags: dict[int, tuple[int, list[int]]] = {40_000 + n: (1, []) for n in range(500)}
    data = _tiff_of(32, body, bits=[8], photometric=1, compression=1, more=tags)
    for tag in tags:
        data = data.replace(
            struct.pack("<HHI", tag, 1, 0) + bytes(4), struct.pack("<HHII", tag, 1, 18_900_000, 8)
        )
    return data


def _avif_lies() -> bytes:
    """Its container says 100 × 100 and its pixels are 12,000 × 12,000."""
    data = _save(Image.new("L", (12_000, 12_000)), "AVIF", speed=10, subsampling="4:0:0")
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", 100, 100) + data[at + 8 :]


def _webp_frames() -> bytes:
    frames = [Image.new("RGB", (16, 16), (n % 256, n // 256, 0)) for n in range(4000)]
    return _save(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, method=0
    )


COSTLY: dict[str, Callable[[], bytes]] = {
    "JPEG, progressive, print colours, turned": lambda: _save(
        _photo("CMYK"), "JPEG", progressive=True, subsampling=0, quality=50, exif=_rich()["exif"]
    ),
    "JPEG, with a profile, turned": lambda: _save(
        _photo("RGB"), "JPEG", subsampling=0, quality=50, **_rich()
    ),
    "JPEG, 100 scans": lambda: _jpeg_scans(SIDE, MAX_SCANS),
    "JPEG, scans without end": lambda: _jpeg_scans(SIDE),
    "JPEG, scans without end, small": lambda: _jpeg_scans(32),
    "PNG, 16 bits, alpha, interlaced, with a profile, turned": _png_deep,
    "PNG, 16 bits, grey, with a transparent value": lambda: _png(
        SIDE, 16, 0, chunk(b"IDAT", _zeros(SIDE * (SIDE * 2 + 1))), chunk(b"tRNS", b"\0\1")
    ),
    "PNG, chunks without end": lambda: _png_chunks(b"abCd", b""),
    "PNG, texts without end": lambda: _png_chunks(b"tEXt", b"a\0b"),
    "PNG, compressed texts": lambda: _png_chunks(b"zTXt", b"a\0\0" + _zeros(1_000_000)),
    "PNG, compressed profile": lambda: _png_chunks(b"iCCP", b"a\0\0" + _zeros(100_000_000)),
    "PNG, pixels in chunks of one byte": _png_pieces,
    "WebP, lossless, alpha, with a profile, turned": lambda: _save(
        _photo("RGBA"), "WEBP", lossless=True, method=0, quality=0, **_rich()
    ),
    "WebP, 4,000 frames": _webp_frames,
    "GIF, one frame": lambda: _save(_photo("L").convert("P"), "GIF", transparency=3),
    "GIF, 99,000 frames": lambda: _gif(1, b"\2\x44\1")[:-1] + _small_gif_frame() * 99_000 + b";",
    "GIF, comments of one byte": lambda: _gif_comments(1),
    "GIF, comments of 255 bytes": lambda: _gif_comments(255),
    "GIF, blocks without end": _gif_blocks_behind,
    "BMP, runs of 255": lambda: _bmp_rle((b"\xff\1" * 27 + b"\xba\1\0\0") * SIDE),
    "BMP, runs of none": lambda: _bmp_rle(b"\0\2\1\0" * 4_900_000),
    "BMP, runs of six": lambda: _bmp_rle((b"\6\1" * 1178 + b"\3\1\0\0") * SIDE),
    "TIFF, 16 bits, alpha, turned": lambda: _tiff_of(
        SIDE, _zeros(SIDE * SIDE * 8), bits=[16] * 4, photometric=2, compression=8,
        more={338: (3, [2]), 274: (3, [6])},
    ),
    "TIFF, print colours, turned": lambda: _save(
        _photo("CMYK"), "TIFF", compression="tiff_adobe_deflate", tiffinfo={274: 6}
    ),
    "TIFF, Lab": lambda: _save(_photo("LAB"), "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, LZMA": lambda: _save(_photo("RGB"), "TIFF", compression="lzma"),
    "TIFF, a tile larger than the picture": _tiff_huge_tile,
    "TIFF, strips of one row": lambda: _tiff_pieces(1),
    "TIFF, compressed strips of one row": lambda: _tiff_pieces(8),
    "TIFF, tags that hold the file": _tiff_tags,
    "AVIF, alpha, with a profile, turned": lambda: _save(
        _photo("RGBA"), "AVIF", speed=10, quality=60, subsampling="4:4:4", **_rich()
    ),
    "AVIF, more pixels than it says": _avif_lies,
}  # fmt: skip
