"""Zips and JSON become no larger than they may, whatever they say of themselves."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.files.untrusted import UnfoldingError, read_array, read_json, unzip
from tests.bundles import zipped


def refused(data, files=10, size=10_000):
    with pytest.raises(UnfoldingError) as caught:
        unzip(data, files, size)
    return str(caught.value)


def lying(real, said):
    """A zip of one file of ``real`` bytes, which says that it has ``said``."""
    data = zipped({"a": bytes(real)})
    number = struct.pack("<I", real)
    assert data.count(number) == 2  # before the file, and in the directory
    return data.replace(number, struct.pack("<I", said))


def test_files_come_by_name():
    files = {"a": b"1", "b/c": bytes(5000), "empty": b""}
    assert unzip(zipped(files), 3, 5001) == files


@pytest.mark.parametrize("said", [0, 1000, 199_999_999, 200_000_001])
def test_a_file_that_says_less_or_more_than_it_is(said):
    data = lying(200_000_000, said)
    tracemalloc.start()
    try:
        assert "not a zip that can be read" in refused(
            data, size=300_000_000 if said > 10**6 else 2000
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * said + 3_000_000  # it was not unfolded to what it is


def test_too_much_is_refused_before_it_is_unpacked():
    assert refused(zipped({"a": bytes(10_001)})) == "it would unpack to more than 10,000 bytes"
    assert refused(zipped({f"f{i}": b"" for i in range(11)})) == (
        "it holds 11 files, and at most 10 are allowed"
    )
    assert refused(zipped({f"f{i}": b"" for i in range(9000)})) == (
        "it holds far more files, and at most 10 are allowed"
    )


def test_other_kinds_of_zips_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"x")
    assert "packed in an unusual way" in refused(buffer.getvalue())
    encrypted = bytearray(zipped({"a": b"x"}))
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    assert "encrypted" in refused(bytes(encrypted))
    longer = zipped({"a": b"x"})
    end = longer.index(b"PK\5\6")
    assert "65,535" in refused(longer[:end] + b"PK\6\7" + bytes(16) + longer[end:])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"x")
        archive.writestr("a", b"y")
    assert refused(buffer.getvalue()) == "it holds a file more than once"


@settings(deadline=None, max_examples=300)
@given(place=st.integers(0, 300), value=st.binary(min_size=1, max_size=4))
def test_a_damaged_zip_is_refused_or_read(place, value):
    data = zipped({"a": b"1" * 50, "b": b"2" * 50})
    place %= len(data)
    try:
        found = unzip(data[:place] + value + data[place + len(value) :], 10, 1000)
    except UnfoldingError:
        return
    assert sorted(map(len, found.values())) == [50, 50]


@pytest.mark.parametrize(
    "value",
    [{}, [], None, True, -1, 2**63, 1e308, "", "aä🦢", {"a": [{"b": [1, 2.5]}]}, "\ud83e\udda2"],
)
def test_json_comes_back(value):
    assert read_json(json.dumps(value).encode(), 1000) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("\xff", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[" * 51 + "]" * 51, "nest deeper than 50"),
        ('{"a": NaN}', "the number NaN"),
        ("[-Infinity]", "the number -Infinity"),
        ("[1e999]", "the number 1e999"),
        (f"[{10**401}]", "the number 1000"),
        (f"[-{10**20}]", "the number -1000"),
        (f"[{'9' * 5000}]", "the number 9999"),
        (r'["\ud800"]', "no JSON"),
        (r'{"a": {"\udfff": 1}}', "no JSON"),
        (f'"{"a" * 200_000}"', "more than 150,000 bytes"),
    ],
)
def test_json_that_nothing_of_ours_writes_is_refused(text, why):
    with pytest.raises(UnfoldingError) as caught:
        read_json(text.encode("latin-1"), 150_000)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 100


def test_a_name_of_a_file_may_be_no_unicode():
    name = b"\xff.jpg".decode("utf-8", "surrogateescape")
    assert read_json(json.dumps(name).encode(), 100, file_names=True) == name
    with pytest.raises(UnfoldingError):
        read_json(rb'"\ud800"', 100, file_names=True)


def npy(values, **options):
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.array(5),
        np.zeros((0, 4)),
        np.array(["ä", "bc"]),
    ],
)
def test_an_array_comes_back(values):
    found = read_array(npy(values))
    assert found.dtype == values.dtype
    assert np.array_equal(found, values)


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\3\4",
        npy(np.arange(6))[:-1],
        npy(np.arange(6)) + b"x",
        npy(np.array([object()]), allow_pickle=True),
        *(
            b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
            for text in (
                HEADER % "(99999999, 99999999)",
                HEADER % "(-1,)",
                HEADER % "('a',)",
                HEADER % ("(" * 900),
                "__import__('os').abort()\n",
            )
        ),
        npy(np.arange(6)).replace(b"NUMPY\1", b"NUMPY\2"),
    ],
)
def test_what_is_no_array_is_refused(data):
    with pytest.raises(UnfoldingError, match="no array"):
        read_array(data)
