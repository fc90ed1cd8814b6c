"""Maps made elsewhere: files that are taken, files that are refused, and where a map lies."""

import io
import re
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from PIL import Image

from core.errors import MapError
from core.pictures.given_file import MAX_MAP_BYTES, open_given_map, read_given_map
from core.pictures.given_map import is_smooth, map_from_array
from core.pictures.preprocessing import Box, Preprocessing

SMALL = Preprocessing(8, 4, (0.5,) * 3, (0.5,) * 3, "bicubic")  # the middle of what is resized
VALUES = np.array([[0.5, -1.0, 2.0], [0.0, 3.0, -0.25]])


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npz(**given):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **given)
    return buffer.getvalue()


def png(array, mode=None):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(array)).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def see_through(array):
    """A PNG of greys of which one stands for what is transparent."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", transparency=0)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        npy(VALUES),
        npy(np.asfortranarray(VALUES, np.float16)),
        npy(VALUES[None, None].astype(np.float32)),
        npy(VALUES[..., None]),
        npz(mine=VALUES),
        npz(values=VALUES, errors=VALUES + 1),
    ],
)
def test_arrays_are_taken_as_they_are(data):
    found = open_given_map(data)
    assert found.values.dtype == np.float32
    assert not found.values.flags.writeable
    assert found.values.tolist() == VALUES.tolist()
    assert (found.order_only, found.notes) == (False, ())
    assert found.sha256 == map_from_array(VALUES).sha256


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("sum", [[1.0, -2.0], [0.0, 6.0]]),
        ("absolute", [[5.0, 2.0], [2.0, 6.0]]),
        ("largest", [[3.0, 2.0], [1.0, 4.0]]),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_channels_become_one_as_it_is_said(way, expected, last):
    """Three channels of 2 x 2, written down by hand, padded to be larger than their number."""
    channels = np.array(
        [[[3.0, -2.0], [1.0, 4.0]], [[-2.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [-1.0, 0.0]]]
    )
    channels = np.kron(channels, np.ones((1, 2, 2)))
    if last:
        channels = channels.transpose(1, 2, 0)
    assert map_from_array(channels, way).values[::2, ::2].tolist() == expected


def test_channels_that_cancel_in_infinities_are_refused():
    both = np.stack([np.full((3, 3), np.inf), np.full((3, 3), -np.inf)])
    with pytest.raises(MapError, match="9 of the map's 9 values are not finite"):
        map_from_array(both, "sum")
    halves = np.full((3, 5, 5), 60_000, np.float16)
    assert (map_from_array(halves, "sum").values == 180_000).all()  # over float16's largest


def test_what_is_masked_is_no_value():
    values = np.ma.masked_less(np.arange(9.0).reshape(3, 3), 2)
    with pytest.raises(MapError, match="2 of the map's 9 values are masked: give a number for"):
        map_from_array(values)
    whole = np.ma.masked_less(values.data, -1)
    assert map_from_array(whole).values.tolist() == values.data.tolist()


def test_rows_of_several_lengths_are_no_map():
    with pytest.raises(MapError, match="The map is no array: give height × width"):
        map_from_array([[1.0, 2.0], [3.0]])


def test_greys_keep_their_order_and_nothing_else():
    found = open_given_map(png(np.array([[0, 51], [102, 255]], np.uint8)))
    assert found.values == pytest.approx(np.array([[0, 0.2], [0.4, 1]]))
    assert found.order_only
    assert found.notes[0].startswith("The PNG holds 4 greys and no scale: only the order")
    deep = open_given_map(png(np.array([[0, 65535], [256, 1]], np.uint16)))
    assert deep.order_only
    assert np.argsort(deep.values.ravel()).tolist() == [0, 3, 2, 1]
    same = np.repeat(np.array([[0, 51], [102, 255]], np.uint8)[..., None], 3, 2)
    assert open_given_map(png(same)).sha256 == found.sha256
    assert found.sha256 != map_from_array(found.values).sha256  # that has a scale


BAD = [
    (npy(np.array([[1.0, np.nan], [np.inf, 2.0]])), "2 of the map's 4 values are not finite"),
    (npy(np.full((2, 2), 1e300)), "4 of the map's 4 values are not finite"),
    (npy(np.zeros((3, 3))), "The map is zero everywhere"),
    (npy(np.full((3, 3), 1e-60)), "The map's values are too small for float32"),
    (npy(np.ones(9)), "The map is an array of 9: give height × width."),
    (npy(np.float64(3)), "The map is an array of a single number"),
    (npy(np.ones((1, 9))), "The map is an array of 1 × 9"),
    (npy(np.ones((2, 3, 4, 5))), "The map is an array of 2 × 3 × 4 × 5"),
    (npy(np.ones((5, 5, 5))), "which axis holds its channels cannot be told"),
    (npy(np.ones((3, 5, 5))), "The map has 3 channels: say how they become one"),
    (npy(np.ones((2, 2), complex)), "of the type complex128: give real numbers"),
    (npy(np.array([["a", "b"]] * 2)), "of the type <U1: give real numbers"),
    (npy(np.array([[{}, []]] * 2, object)), "it is no array that can be read"),
    (npy(VALUES)[:-3], "it is no array that can be read"),
    (npz(a=VALUES, b=VALUES), r"The .npz holds 2 arrays (a, b): save one alone"),
    (npz(), "neither .npy nor .npz nor PNG"),
    (npz(values=np.array([[{}]], object)), "The .npz holds no array that can be read"),
    (npz(a=VALUES)[:-5], "it is not a zip, or is cut short"),
    (png(np.full((4, 4), 9, np.uint8)), "The PNG has one grey everywhere"),
    (png(np.array([[[255, 0, 0], [0, 0, 255]]] * 2, np.uint8)), "The PNG is in colours"),
    (png(np.array([[[9, 9, 9, 0], [8, 8, 8, 255]]] * 2, np.uint8)), "has transparent parts"),
    (see_through(VALUES.astype(np.uint8)), "has a grey that stands for transparent"),
    (png(np.arange(64, dtype=np.uint8).reshape(8, 8))[:45], "damaged or of an unusual kind"),
    (b"GIF89a", "neither .npy nor .npz nor PNG"),
    (b"", "neither .npy nor .npz nor PNG"),
]


@pytest.mark.parametrize(("data", "sentence"), BAD)
def test_what_cannot_be_used_is_refused_in_a_sentence(data, sentence):
    with pytest.raises(MapError) as refused:
        open_given_map(data)
    said = str(refused.value)
    with pytest.raises(MapError, match=re.escape(said)):
        open_given_map(data, trusted=True)
    assert sentence in said
    assert said.endswith(".")
    assert "\n" not in said


def test_a_bomb_does_not_unfold():
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("values.npy", "w") as file,
    ):
        for _ in range(MAX_MAP_BYTES // 10**6 + 1):
            file.write(bytes(10**6))
    data = buffer.getvalue()
    assert len(data) < 10**6
    with pytest.raises(MapError, match=f"more than {MAX_MAP_BYTES:,} bytes"):
        open_given_map(data)


def test_channels_of_the_largest_file_become_one():
    """Fifty million pixels of a byte, twice: in float64 all at once they would take too much."""
    large = np.zeros((2, 7000, 7000), np.uint8)
    large[0, 5, 6], large[1, 5, 6], large[1, 6999, 6999] = 7, 9, 3
    found = open_given_map(npy(large), "absolute").values
    assert found.shape == (7000, 7000)
    assert (found[5, 6], found[6999, 6999], np.count_nonzero(found)) == (16, 3, 2)


def test_nothing_is_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "made"), "w")

    for data in (npy(np.array([Evil()] * 2, object)), npz(values=np.array([Evil()], object))):
        with pytest.raises(MapError):
            open_given_map(data)
    assert not (tmp_path / "made").exists()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MapError, match=r"cannot be read \(No such file"):
        read_given_map(tmp_path / "a.npy")
    with pytest.raises(MapError, match="cannot be read"):
        read_given_map(tmp_path)
    (tmp_path / "a.npy").write_bytes(npy(VALUES))
    assert read_given_map(tmp_path / "a.npy").values.shape == (2, 3)


def test_a_map_of_the_input_is_left_as_it_is():
    values = np.arange(1.0, 17).reshape(4, 4)
    assert map_from_array(values).seen(SMALL, (100, 50)).tolist() == values.tolist()


def test_a_map_of_the_photo_goes_the_way_of_the_photo():
    """On the left half of the photo 1, on the right 3: of 16 x 8, the middle 8 x 8 are seen."""
    values = np.ones((8, 16))
    values[:, 8:] = 3
    found = map_from_array(values).seen(SMALL, (16, 8))
    assert found.shape == (4, 4)
    assert found.tolist() == [[1, 1, 3, 3]] * 4
    part = map_from_array(values).seen(SMALL, (16, 8), Box(8, 0, 16, 8))
    assert part.tolist() == [[2.75, 3, 3, 3]] * 4  # an eighth of the first is the pixel beside it
    values[:, 4:12] = 0
    with pytest.raises(MapError, match="zero everywhere in the part of the photo"):
        map_from_array(values).seen(SMALL, (16, 8))


def test_what_lies_outside_the_photo_is_zero():
    letterbox = Preprocessing((8, 8), 8, (0.5,) * 3, (0.5,) * 3, "bicubic", mode="letterbox")
    found = map_from_array(np.full((4, 8), 2.0)).seen(letterbox, (8, 4))
    assert found.tolist() == [[0] * 8] * 2 + [[2] * 8] * 4 + [[0] * 8] * 2


def test_a_grid_is_stretched_as_the_maps_of_a_layer_are():
    grid = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    size = Preprocessing(32, (24, 20), (0.5,) * 3, (0.5,) * 3, "bicubic")
    found = map_from_array(grid).seen(size, (100, 50), map_of="grid")
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(grid)[None, None], (24, 20), mode="bilinear"
    )[0, 0]
    assert found == pytest.approx(expected.numpy(), abs=1e-6)
    with pytest.raises(MapError, match=re.escape("The grid is 30 × 30 and the model's input 20 ×")):
        map_from_array(np.ones((30, 30))).seen(size, (100, 50), map_of="grid")


@pytest.mark.parametrize(
    ("shape", "size", "map_of", "sentence"),
    [
        ((5, 6), (100, 50), None, "The map is 6 × 5 pixels: give one of the model's input, 4 × 4, "
         "or of the photo, 100 × 50, or say that it is a grid over the input."),
        ((50, 100), (100, 50), "input", "The map is 100 × 50 pixels and the model's input 4 × 4: "
         "give a map of that size."),
        ((4, 4), (100, 50), "photo", "The map is 4 × 4 pixels and the photo 100 × 50: "
         "give a map of that size."),
        ((4, 4), (4, 4), None, "The photo and the model's input are both 4 × 4 pixels, and the "
         "model sees a part of the photo: say whether the map is of the input or of the photo."),
    ],
)  # fmt: skip
def test_another_size_is_refused_or_asked_about(shape, size, map_of, sentence):
    with pytest.raises(MapError) as refused:
        map_from_array(np.ones(shape)).seen(SMALL, size, None, map_of)
    assert str(refused.value) == sentence


def test_photo_and_input_may_be_the_same():
    whole = Preprocessing(4, 4, (0.5,) * 3, (0.5,) * 3, "bicubic")
    assert map_from_array(np.eye(4)).seen(whole, (4, 4)).tolist() == np.eye(4).tolist()


def test_smooth_maps_are_told_from_those_of_single_pixels():
    down = np.linspace(-1, 1, 30)
    assert is_smooth(np.exp(-(down[:, None] ** 2) - down**2))
    assert is_smooth(np.kron(np.arange(9.0).reshape(3, 3), np.ones((8, 8))))
    assert not is_smooth(np.random.default_rng(0).normal(size=(30, 30)))


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=1, max_dims=4, max_side=5)))
def test_any_array_is_taken_or_refused_in_a_sentence(array):
    try:
        found = map_from_array(array, "sum")
    except MapError as error:
        said = str(error)
    else:
        said = "taken."
        assert found.values.ndim == 2
        assert np.isfinite(found.values).all()
        assert found.values.any()
    assert said.endswith(".")
