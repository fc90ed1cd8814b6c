"""Why pictures have no localisation, counted."""

import pyarrow as pa

from core.folders.masks import BAD_MASK, MASK_SHARE, NO_MASK
from core.folders.missing_masks import missing_masks
from core.pictures.mask_image import EMPTY, OUTSIDE

SIZES = "It is 9 × 9 pixels and the photo 64 × 64: make both the same size."


def said(*errors):
    """The sentence for pictures that are explained, and have no localisation for these reasons."""
    count = len(errors)
    maps, shares = pa.array(["m"] * count), pa.nulls(count, pa.float64())
    return missing_masks(pa.table({"maps": maps, "error": list(errors), MASK_SHARE: shares}))


def test_each_reason_is_counted():
    beginning = f"There is no localisation of a.png, {BAD_MASK}"
    bad = [f"{beginning} {why}" for why in (EMPTY, OUTSIDE, SIZES, "It is no PNG.", EMPTY)]
    assert said(*bad, f"{NO_MASK} a.png is not there.") == (
        "6 of 6 explained pictures have no localisation: 2 masks are empty, 1 mask marks nothing "
        "that the model sees, 1 mask has another size than its photo, 1 mask is missing or cannot "
        "be read, 1 mask is damaged or no PNG."
    )


def test_what_is_said_of_a_label_image_is_not_said_of_the_mask():
    label_image = f"lime: There are no regions of a.png. {SIZES}"
    assert said(f"{NO_MASK} a.png is not there. {label_image}") == (
        "1 of 1 explained pictures has no localisation: 1 mask is missing or cannot be read."
    )
    damaged = f"There is no localisation of a.png, {BAD_MASK} It is no PNG. {label_image}"
    assert said(damaged) == (
        "1 of 1 explained pictures has no localisation: 1 mask is damaged or no PNG."
    )
