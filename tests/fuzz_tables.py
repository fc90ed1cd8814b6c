"""Tables of results, for `tests.fuzz`.

Arrow's readers abort at some of them. So each is read by a copy of this process, which costs some
milliseconds; what ends the copy, and now and then another, is opened as the page opens an upload.
"""

import collections
import io
import os
import resource
import sys
import threading

import pyarrow as pa

from core import parquet
from core.errors import FolderError
from core.results_schema import SCHEMA
from core.results_table import open_upload
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
# What ends a copy is no end of libFuzzer's.
OPTIONS = {f"handle_{signal}": 0 for signal in ("abrt", "segv", "bus", "fpe", "ill")}
_TAKEN, _REFUSED, _DAMAGED, _BROKEN = range(4)
_SECONDS, _MEMORY = 5, 1_500_000_000
_EVERY = 200
_ends = collections.Counter()


def one(data):
    child = os.fork()
    if not child:
        os._exit(_read(data))
    _, status = os.waitpid(child, 0)
    end = os.waitstatus_to_exitcode(status)
    _ends[end] += 1
    if end == _BROKEN:
        raise AssertionError("the table breaks a promise")
    number = _ends.total()
    if end < 0 or number % _EVERY == 0:
        _upload(data, end)
    if number % 500 == 0:
        print(f"of {number:,}: {_ends}", file=sys.stderr)


def _read(data):
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    # In a thread of its own: under this one is libFuzzer's C++, which would catch what elsewhere
    # ends the process.
    ends = []
    thread = threading.Thread(target=lambda: ends.append(_end(data)))
    thread.start()
    thread.join()
    return ends[0]


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
