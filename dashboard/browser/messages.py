"""Validates messages from the browser components, which are untrusted.

A message that is not what the component would send counts as no message.
"""

import base64
import binascii
import logging
from collections.abc import Mapping

BoxTuple = tuple[float, float, float, float]

MIN_SIDE = 16  # pixels of the photo; frontend/crop.js has the same
_ID_LENGTH = 40  # characters; the components send about eleven
_MOST_WORDS, _LONGEST_WORD = 4, 5000  # the longest is the path of a picture
_SLACK = 0.05  # pixels: boxes travel rounded to a hundredth

_log = logging.getLogger(__name__)


class _RefusedError(ValueError):
    """A message that the component would not send."""


def message_id(message: object) -> str | None:
    """The id that the component gave a message; None if it has no usable one."""
    found = message.get("id") if isinstance(message, Mapping) else None
    return found if isinstance(found, str) and 0 < len(found) <= _ID_LENGTH else None


def read_box(
    message: object, size: tuple[int, int], photo_id: str, aspect: float = 1.0
) -> BoxTuple | None:
    """The box in a message of the crop box, clamped to the photo; None if it is not one.

    Args:
        message: what the browser sent.
        size: (width, height) of the photo.
        photo_id: of the photo on the page; a message about another one does not count.
        aspect: width by height that the box must have.
    """
    try:
        return _box(message, size, photo_id, aspect)
    except _RefusedError as error:
        _log.info("crop: message from the browser ignored: %s", error)
        return None


def read_mask(message: object, size: tuple[int, int], picture_id: str) -> bytes | None:
    """The mask in a message of the brush; None if it is not one, or nothing is painted.

    Args:
        message: what the browser sent.
        size: height and width of the mask in pixels.
        picture_id: of the picture on the page; a message about another one does not count.
    """
    try:
        return _mask(message, size, picture_id)
    except _RefusedError as error:
        _log.info("brush: message from the browser ignored: %s", error)
        return None


def read_page(message: object, count: int) -> int | None:
    """The page in a message of the pages, from 1 to ``count``; None if it is not one."""
    page = message.get("page") if isinstance(message, Mapping) else None
    if message_id(message) is None or type(page) is not int or not 1 <= page <= count:
        _log.info("pages: message from the browser ignored")
        return None
    return page


def read_words(message: object) -> list[str] | None:
    """What a button of the page's own HTML carries: a few texts; None if it is something else."""
    if not isinstance(message, list) or len(message) > _MOST_WORDS:
        return None
    if not all(isinstance(word, str) and len(word) <= _LONGEST_WORD for word in message):
        return None
    try:
        "".join(message).encode()
    except UnicodeEncodeError:  # half of a character
        return None
    return message


def read_number(text: str, most: int) -> int | None:
    """A whole number from 0 to ``most``, as a text of no more digits than that; else None."""
    known = text.isdecimal() and len(text) <= len(str(most)) and int(text) <= most
    return int(text) if known else None


def _box(message: object, size: tuple[int, int], photo_id: str, aspect: float) -> BoxTuple:
    if not isinstance(message, Mapping) or message_id(message) is None:
        raise _RefusedError("not a message of this component")
    if message.get("photo") != photo_id:
        raise _RefusedError("about another photo")
    box = message.get("box")
    if not isinstance(box, list) or len(box) != 4:
        raise _RefusedError("not four numbers")
    limits = (*size, *size)
    for value, limit in zip(box, limits, strict=True):
        # Comparing also refuses NaN, and integers too large for a float.
        if type(value) not in (int, float) or not -_SLACK <= value <= limit + _SLACK:
            raise _RefusedError("not a number inside the photo")
    left, top, right, bottom = (
        min(max(float(value), 0.0), float(limit)) for value, limit in zip(box, limits, strict=True)
    )
    width, height = size
    least = min(MIN_SIDE, width, height, width / aspect, height * aspect)
    if min(right - left, bottom - top) < least - _SLACK:
        raise _RefusedError("too small")
    if abs((right - left) - aspect * (bottom - top)) > 2 * _SLACK * max(1.0, aspect):
        raise _RefusedError("not of this shape")
    return left, top, right, bottom


def _mask(message: object, size: tuple[int, int], picture_id: str) -> bytes | None:
    if not isinstance(message, Mapping) or message_id(message) is None:
        raise _RefusedError("not a message of this component")
    if message.get("picture") != picture_id:
        raise _RefusedError("about another picture")
    text = message.get("mask")
    pixels = size[0] * size[1]
    count = (pixels + 7) // 8
    if not isinstance(text, str) or len(text) != (count + 2) // 3 * 4:
        raise _RefusedError("not a mask of this size")
    try:
        mask = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _RefusedError("not base64") from error
    if len(mask) != count:
        raise _RefusedError("not a mask of this size")
    if mask[-1] & ((1 << (8 * count - pixels)) - 1):
        raise _RefusedError("painted outside the picture")
    return mask if any(mask) else None
