"""Files of maps, which can be read without us."""

import io
import json

import numpy as np
import pytest

from core.folders.map_files import MAX_MAPS, manifest_of, map_file


def test_maps_are_read_by_numpy_alone_and_are_the_same_bytes_each_time(tmp_path):
    maps = {
        "ig": np.arange(12, dtype=np.float32).reshape(3, 4),
        "occlusion": np.zeros((3, 4), "f4"),
    }
    data = map_file(maps, {"b": "grün", "a": 1})
    assert data == map_file(maps, {"a": 1, "b": "grün"})
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    with np.load(path, allow_pickle=False) as found:
        assert {name: found[name].dtype for name in maps} == dict.fromkeys(maps, np.float32)
        assert all(np.array_equal(found[name], maps[name]) for name in maps)
        assert json.loads(bytes(found["manifest"])) == {"a": 1, "b": "grün"}
    assert manifest_of(data) == {"a": 1, "b": "grün"}


WHOLE = map_file({"ig": np.zeros((3, 4), "f4")}, {"a": 1})


def plain():
    """A plain array in place of several with names."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def with_byte(place, value):
    """A whole file in whose first central entry a byte is another."""
    at = WHOLE.index(b"PK\1\2") + place
    return WHOLE[:at] + bytes([value]) + WHOLE[at + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\3\4 broken",
        WHOLE[:-30],
        b"\x93NUMPY",
        plain(),
        with_byte(8, 1),  # said to be encrypted
        map_file({}, {}).replace(b"manifest", b"manifesT"),
        with_byte(10, 99),  # a way of packing that nobody knows
        *(WHOLE[:at] + bytes([WHOLE[at] ^ 255]) + WHOLE[at + 1 :] for at in (0, 30, 45, -60, -20)),
    ],
)
def test_what_is_no_file_of_maps_has_no_manifest(data):
    assert manifest_of(data) in (None, {"a": 1})  # the byte may be of no meaning


def test_json_too_deep_to_be_read_is_no_manifest():
    text = np.frombuffer(b"[" * 100_000, np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, manifest=text)
    assert manifest_of(buffer.getvalue()) is None


def test_what_would_unpack_to_too_much_is_no_file_of_maps():
    assert manifest_of(map_file({"ig": np.zeros(MAX_MAPS // 4, "f4")}, {"a": 1})) is None


def test_what_is_no_unicode_is_kept():
    assert manifest_of(map_file({}, {"a": "ü\udcff"})) == {"a": "ü\udcff"}
