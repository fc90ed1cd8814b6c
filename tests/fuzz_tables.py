"""Tables of results, for `tests.fuzz`.

Arrow's readers abort at some of them. So they are read one after the other by a process that is
started again when one has ended it; that one, and each two-hundredth, is opened as the page opens
an upload.
"""

import collections
import io
import os
import resource
import subprocess
import sys

import pyarrow as pa

from core.errors import FolderError
from core.folders import parquet
from core.folders.results_schema import SCHEMA
from core.folders.results_table import open_upload
from tests.fuzz import sentence_of
from tests.tables import columns, data, table

LONGEST = 20_000
_SMALL = table(columns(4))
_WIDE = _SMALL.set_column(0, "path", _SMALL["path"].cast(pa.large_string()))
SEEDS = {
    "plain": data(_SMALL, compression="none", use_dictionary=False),
    "usual": data(_SMALL),
    "zstd": data(_SMALL, compression="zstd", data_page_version="2.0"),
    "gzip": data(_SMALL, compression="gzip", write_page_index=True, write_page_checksum=True),
    "groups": data(_SMALL, row_group_size=2, write_statistics=False),
    "wide": data(_WIDE.append_column("mine", pa.array(range(4)))),
    "empty": data(_SMALL.slice(0, 0)),
}
_TAKEN, _REFUSED, _DAMAGED, _BROKEN = range(4)
_MEMORY = 1_500_000_000
_EVERY = 200
_ends = collections.Counter()
_readers = []  # one, while it lives


def one(data):
    end = _ended(data)
    _ends[end] += 1
    if end == _BROKEN:
        raise AssertionError("the table breaks a promise")
    number = _ends.total()
    if end < 0 or number % _EVERY == 0:
        _upload(data, end)
    if number % 1000 == 0:
        print(f"of {number:,}: {dict(_ends)}", file=sys.stderr)


def _ended(data):
    """What a reader made of a table; if it is no more, the signal that ended it, less than 0."""
    if not _readers:
        command = [sys.executable, "-m", "tests.fuzz_tables"]
        pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
        _readers.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet))
    reader = _readers[0]
    reader.stdin.write(len(data).to_bytes(4, "little") + data)
    reader.stdin.flush()
    if answer := reader.stdout.read(1):
        return answer[0]
    _readers.clear()
    return reader.wait()


def _serve():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    while length := sys.stdin.buffer.read(4):
        os.write(1, bytes([_end(sys.stdin.buffer.read(int.from_bytes(length, "little")))]))


def _end(data):
    try:
        found, index = parquet.read(io.BytesIO(data), 1000, 1_000_000)
    except FolderError as error:
        sentence_of(error)
        return _REFUSED
    except Exception:  # noqa: BLE001 - Arrow says in many ways that a file is damaged
        return _DAMAGED
    right = found.schema.equals(SCHEMA) and index.num_rows == found.num_rows <= 1000
    right &= index.column_names == list(parquet.INDEX) and not found["path"].null_count
    return _TAKEN if right else _BROKEN


def _upload(data, end):
    try:
        found = open_upload(data, "an upload")
    except FolderError as error:
        sentence_of(error)
        assert end != _TAKEN
        return
    assert end == _TAKEN
    assert found.table.schema.equals(SCHEMA)


def vary(_data, damage):
    """Of a whole table each time: without coverage no damaged one is kept to go on from."""
    chance = damage.chance
    data = chance.choice(damage.seeds)
    if chance.random() < 0.2:
        return damage.some(data)
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = bytearray(data[begin:-8])
    if chance.random() < 0.3:
        footer = damage.some(footer)
    else:  # most of it stays right: what contradicts itself is found late
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(footer))
            footer[at] = (footer[at] + chance.choice((1, -1, 2, 128))) % 256
    return data[:begin] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


if __name__ == "__main__":
    _serve()
