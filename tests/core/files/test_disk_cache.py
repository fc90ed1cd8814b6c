"""The cache on disk: what it gives back is what it was given, or nothing."""

import io
import logging
import os
import pickle
import tempfile
import threading
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.files.disk_cache import FOLDER_VARIABLE, DiskCache, default_folder
from tests.core.cli.test_console_process import is_full_device

KEY, OTHER = "a" * 64, "b" * 64
ARRAYS = {
    "values": np.arange(12, dtype=np.float32).reshape(3, 4),
    "text": np.frombuffer(b"x", "u1"),
}


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache")


@contextmanager
def kept():
    """A cache that holds one entry, and the entry's file."""
    with tempfile.TemporaryDirectory() as folder:
        cache = DiskCache(Path(folder))
        cache.put(KEY, ARRAYS)
        (path,) = Path(folder).iterdir()
        yield cache, path


def same(found, arrays=ARRAYS):
    return set(found) == set(arrays) and all(
        found[name].dtype == arrays[name].dtype and np.array_equal(found[name], arrays[name])
        for name in arrays
    )


def test_what_was_kept_is_found_by_another_process_s_cache(cache):
    assert cache.get(KEY) is None
    cache.put(KEY, ARRAYS)
    again = DiskCache(cache.folder)
    assert same(again.get(KEY))
    assert again.get(OTHER) is None
    cache.put(KEY, {"values": ARRAYS["values"] + 1})
    assert same(again.get(KEY), {"values": ARRAYS["values"] + 1})
    cache.remove(KEY)
    assert again.get(KEY) is None


@given(st.data())
def test_an_entry_that_was_cut_off_is_not_used(data):
    with kept() as (cache, path):
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        assert cache.get(KEY) is None
        assert not path.exists()


@given(st.data())
def test_an_entry_with_one_bit_changed_is_not_used(data):
    with kept() as (cache, path):
        entry = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, 8 * len(entry) - 1))
        entry[place // 8] ^= 1 << place % 8
        path.write_bytes(entry)
        assert cache.get(KEY) is None
        cache.put(KEY, ARRAYS)  # computed again
        assert same(cache.get(KEY))


@given(st.binary(max_size=200))
def test_what_stands_behind_an_entry_is_not_ignored(more):
    with kept() as (cache, path):
        path.write_bytes(path.read_bytes() + more)
        found = cache.get(KEY)
        assert found is None if more else same(found)


def test_another_key_s_entry_under_this_name_is_not_used(cache):
    cache.put(OTHER, ARRAYS)
    (path,) = cache.folder.iterdir()
    path.rename(path.with_name(f"{KEY}.entry"))
    assert cache.get(KEY) is None


sprung = []


class Trap:
    """Tells when it is unpickled."""

    def __reduce__(self):
        return spring, ()


def spring():
    sprung.append(True)


def with_pickle():
    buffer = io.BytesIO()
    np.savez(buffer, values=np.array([Trap()], dtype=object))
    return buffer.getvalue()


def with_text():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("values.txt", "text")
    return buffer.getvalue()


def one_array():
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


FOREIGN = [b"", b"\n", b"text", pickle.dumps(Trap()), with_pickle(), with_text(), one_array()]


@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize("signed", [False, True])
def test_foreign_files_are_not_used_and_nothing_is_unpickled(cache, content, signed):
    """Even with a first line that fits: then it is numbers, or nothing."""
    from core.files.disk_cache import _header

    cache.folder.mkdir()
    entry = _header(KEY, content) + content if signed else content
    (cache.folder / f"{KEY}.entry").write_bytes(entry)
    assert cache.get(KEY) is None
    assert not sprung
    assert not list(cache.folder.iterdir())


def test_the_trap_would_spring():
    pickle.loads(pickle.dumps(Trap()))
    assert sprung.pop()


def test_an_entry_of_another_format_is_not_used(cache):
    cache.put(KEY, ARRAYS)
    (path,) = cache.folder.iterdir()
    entry = path.read_bytes()
    assert entry.startswith(b"where-it-looked cache 1 ")
    path.write_bytes(entry.replace(b"cache 1 ", b"cache 2 ", 1))
    assert cache.get(KEY) is None


def test_objects_are_never_written(cache):
    with pytest.raises(ValueError, match="Object arrays"):
        cache.put(KEY, {"values": np.array([Trap()], dtype=object)})


def entry_of(number):
    return f"{number:064x}", {"values": np.full(1000, number, dtype=np.float32)}


def test_the_least_recently_used_go_first(tmp_path):
    cache = DiskCache(tmp_path, limit_bytes=3 * 4600)  # three entries of 4,000 bytes and headers
    for number in range(3):
        cache.put(*entry_of(number))
        age = time.time() - 100 + number
        os.utime(tmp_path / f"{number:064x}.entry", (age, age))
    assert cache.get(entry_of(0)[0]) is not None  # used now
    cache.put(*entry_of(3))
    assert [cache.get(entry_of(number)[0]) is not None for number in range(4)] == [1, 0, 1, 1]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3 * 4600


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path):
    cache = DiskCache(tmp_path, limit_bytes=100)
    cache.put(KEY, ARRAYS)
    assert not list(tmp_path.iterdir())
    DiskCache(tmp_path).put(KEY, ARRAYS)
    assert cache.get(KEY) is None  # nor read


def test_unfinished_files_are_swept_up_and_strangers_are_left(tmp_path):
    for name, age in (("old.writing", 7200), ("new.writing", 10), ("photo.jpg", 7200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    DiskCache(tmp_path, limit_bytes=5000).put(KEY, ARRAYS)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"new.writing", "photo.jpg", f"{KEY}.entry"}


def test_a_folder_that_cannot_be_written_is_logged_and_work_goes_on(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    cache = DiskCache(tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        cache.put(KEY, ARRAYS)
        assert cache.get(KEY) is None
    assert "nothing is kept in the cache" in caplog.text
    assert cache.problem == "File exists"


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs and links")
@pytest.mark.parametrize("way", [None, "/dev/zero", "precious", "nowhere", "."])
def test_an_entry_that_is_no_regular_file_is_neither_read_nor_written_through(tmp_path, way):
    cache, entry = DiskCache(tmp_path / "cache"), tmp_path / "cache" / f"{KEY}.entry"
    cache.put(OTHER, ARRAYS)
    (cache.folder / "precious").write_bytes(b"precious")
    os.mkfifo(entry) if way is None else entry.symlink_to(way)
    before = entry.lstat().st_ino
    cache.put(KEY, ARRAYS)  # unread
    assert entry.lstat().st_ino == before
    assert "only a regular file is replaced" in cache.problem
    assert cache.get(KEY) is None
    entry.unlink(missing_ok=True)  # a link that leads nowhere is as good as no entry
    assert (cache.folder / "precious").read_bytes() == b"precious"
    cache.put(KEY, ARRAYS)
    assert same(cache.get(KEY))
    assert same(cache.get(OTHER))
    assert len(list(cache.folder.iterdir())) == 3


def test_a_full_disk_is_logged_and_leaves_nothing_behind(cache, caplog, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with caplog.at_level(logging.WARNING):
        cache.put(KEY, ARRAYS)
    assert "No space left on device" in caplog.text
    assert not list(cache.folder.iterdir())


@pytest.mark.skipif(not is_full_device(), reason="/dev/full is not Linux's full device")
def test_a_disk_that_is_full_while_writing(cache, caplog, monkeypatch):
    """The write itself fails, on the system's own full device."""
    make = tempfile.NamedTemporaryFile

    def on_full_device(**options):
        made = make(**options)
        made.file.close()
        made.file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115, PTH123 - closed by `made`
        return made

    monkeypatch.setattr("core.files.disk_cache.tempfile.NamedTemporaryFile", on_full_device)
    with caplog.at_level(logging.WARNING):
        cache.put(KEY, ARRAYS)
    assert "No space left on device" in caplog.text
    assert not list(cache.folder.iterdir())


def test_threads_may_write_and_read_the_same_entry(cache):
    wrong = []

    def work():
        for _ in range(40):
            cache.put(KEY, ARRAYS)
            found = cache.get(KEY)
            if found is None or not same(found):
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_folder_is_the_system_s_or_the_one_that_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert default_folder().name == "where-it-looked"
    assert default_folder().is_absolute()
