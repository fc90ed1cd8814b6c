"""Bundles come from anywhere: what is none, or could do harm, is refused in one sentence."""

import contextlib
import io
import json
import stat
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle import unpacking
from core.bundle.manifest import changed_sections
from core.bundle.unpacking import array, unpack
from core.errors import BundleError
from tests.bundles import contents, swan_bundle, zipped


def with_entry(name, content=b"", **changes):
    """A real bundle and one entry more, whose header may lie."""
    buffer = io.BytesIO(swan_bundle())
    with zipfile.ZipFile(buffer, "a") as archive:
        entry = zipfile.ZipInfo(name)
        for key, value in changes.items():
            setattr(entry, key, value)
        archive.writestr(entry, content)
    return buffer.getvalue()


def refused(data):
    with pytest.raises(BundleError) as caught:
        unpack(data)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def test_a_bundle_is_taken():
    found = unpack(swan_bundle())
    assert set(found.files) == set(contents(swan_bundle())) - {"manifest.json"}
    assert changed_sections(found.manifest) == []


@settings(deadline=None)
@given(
    data=st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"PK\x03\x04" + tail)
)
def test_bytes_are_refused(data):
    refused(data)


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, 10**9), flip=st.integers(0, 255))
def test_a_damaged_bundle_is_refused_or_found(cut, flip):
    data = bytearray(swan_bundle())
    data[cut % len(data)] ^= flip
    with contextlib.suppress(BundleError):  # and nothing else
        unpack(bytes(data))


@settings(deadline=None, max_examples=30)
@given(cut=st.floats(0, 0.999))
def test_half_a_bundle_is_refused(cut):
    data = swan_bundle()
    refused(data[: int(cut * len(data))])


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "/etc/passwd", "maps/../../evil", "C:\\evil", "a\\b", "maps//x", "~/x y", "ü",
     "a/b/c/d/e", "maps/", "x\x1b[2J"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(name):
    sentence = refused(with_entry(name, b"x"))
    assert "a name that no bundle uses" in sentence
    assert "\x1b" not in sentence


def test_links_are_refused():
    link = (stat.S_IFLNK | 0o777) << 16
    sentence = refused(with_entry("maps/link", b"/etc/passwd", external_attr=link, create_system=3))
    assert "no ordinary file" in sentence


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_is_refused():
    assert "more than once" in refused(with_entry("report.html", b"x"))


def test_other_ways_of_packing_are_refused():
    sentence = refused(with_entry("maps/x.png", b"x", compress_type=zipfile.ZIP_BZIP2))
    assert "packed in an unusual way" in sentence


def test_a_foreign_file_is_refused():
    assert "'extra.exe', which its manifest does not list" in refused(with_entry("extra.exe", b"x"))


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_UNPACKED", 20_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("the bomb was unpacked"))
    bomb = with_entry("maps/bomb.npy", bytes(21_000_000), compress_type=zipfile.ZIP_DEFLATED)
    assert len(bomb) < len(swan_bundle()) + 100_000
    assert "would unpack to more than" in refused(bomb)


def test_too_many_files_or_bytes_are_refused(monkeypatch):
    many = {f"f{number}": b"" for number in range(unpacking.MAX_FILES + 1)}
    assert "holds 2,001 files" in refused(zipped(many))
    monkeypatch.setattr(unpacking, "MAX_PACKED", 1000)
    assert "a bundle has at most 1,000" in refused(swan_bundle())


def test_a_bomb_that_says_it_is_small_is_refused_before_it_unfolds():
    bomb = with_entry("maps/bomb.npy", bytes(100_000_000), compress_type=zipfile.ZIP_DEFLATED)
    bomb = bomb.replace(struct.pack("<I", 100_000_000), struct.pack("<I", 1000))
    tracemalloc.start()
    try:
        assert "not a zip that can be read" in refused(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_a_zip_without_manifest_is_no_bundle():
    assert "no manifest.json" in refused(zipped({"a.txt": b"x"}))


def broken(change):
    files = contents(swan_bundle())
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    return zipped({**files, "manifest.json": json.dumps(manifest).encode()})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"\xff\xfe", "not readable JSON"),
        (b"{", "not readable JSON"),
        (b'{"format": NaN}', "not readable JSON"),
        (b"[" * 100_000, "not readable JSON"),
        (rb'{"format": "where-it-looked/1", "\ud800": 1}', "not readable JSON"),
        (b'{"format": "where-it-looked/1", "x": 1%s}' % (b"0" * 400), "not readable JSON"),
        (b"[]", "does not have what it should at 'manifest'"),
        (b"{}", "at 'manifest.format'"),
        (b'{"format": "where-it-looked/99"}', "this program reads where-it-looked/1"),
    ],
)
def test_a_broken_manifest_is_refused(text, sentence):
    files = contents(swan_bundle())
    assert sentence in refused(zipped({**files, "manifest.json": text}))


@pytest.mark.parametrize(
    "value",
    [7, [], {}, {"windows": 1}, {"windows": 0.5, "difference": 0.1},
     {"windows": True, "difference": 0.1}, {"windows": 1, "difference": "0"}],
)  # fmt: skip
def test_an_agreement_that_is_none_is_refused(value):
    def change(manifest):
        manifest["exhibits"][0]["maps"][0]["agreement"] = value

    assert "at 'manifest.exhibits.maps.agreement" in refused(broken(change))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(1e308),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PLACES = [
    ("exhibits",), ("exhibits", 0), ("exhibits", 0, "picture"), ("exhibits", 0, "picture", "size"),
    ("exhibits", 0, "picture", "region"), ("exhibits", 0, "model", "name"), ("exhibits", 0, "top"),
    ("exhibits", 0, "top", 0, "probability"), ("exhibits", 0, "maps"), ("exhibits", 0, "maps", 0),
    ("exhibits", 0, "maps", 0, "question"), ("exhibits", 0, "maps", 0, "values"),
    ("exhibits", 0, "maps", 0, "agreement"),
    ("exhibits", 0, "maps", 0, "grey16", "white"), ("files",), ("digests",), ("versions",),
]  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_whatever_a_manifest_holds_it_is_refused_or_has_the_shape(place, value):
    def change(manifest):
        for part in place[:-1]:
            manifest = manifest[part]
        manifest[place[-1]] = value

    with contextlib.suppress(BundleError):  # and nothing else; else what is used can be read
        found = unpack(broken(change))
        changed_sections(found.manifest)
        for exhibit in found.manifest["exhibits"]:
            assert isinstance(exhibit["maps"][0]["question"]["target"], int)


def npy(values, **options):
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        npy(np.zeros((4, 4), np.float64)),
        npy(np.zeros((4, 5), np.float32)),
        npy(np.full((4, 4), np.nan, np.float32)),
        npy(np.zeros((4, 4), np.float32))[:-1],
        npy(np.zeros((4, 4), np.float32)) + b"x",
        npy(np.asfortranarray(np.zeros((4, 4), np.float32))),
        npy(np.array([[object()] * 4] * 4), allow_pickle=True),
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999), }\n"),
        header(b"__import__('os').abort()\n"),
    ],
)
def test_arrays_that_are_none(data):
    with pytest.raises(BundleError, match="4 × 4 numbers"):
        array(data, np.float32, (4, 4))


def test_an_array():
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert (array(npy(values), np.float32, (4, 4)) == values).all()
