"""A file of torch's takes no more memory than it has bytes, whatever its pickle asks for."""

import io
import re
import struct
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from core.errors import ModelError
from core.models.pickle_scan import CODE, PLAIN, scan
from core.models.state_dicts import read_state


def torch_zip(pickled, way=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        for name, content in (("data.pkl", pickled), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"weights/{name}", content)
    return buffer.getvalue()


PUT, DOUBLE, END = b"\x80\x02}", b"2\x86", b"K\x01s."
UNFOLDING = {
    "compressed": torch_zip(
        PUT + b"X" + struct.pack("<I", 300_000_000) + b"a" * 300_000_000 + END, zipfile.ZIP_DEFLATED
    ),
    "asked for": torch_zip(
        b"\x80\x02c__builtin__\nbytearray\nJ" + struct.pack("<i", 2**30) + b"\x85R."
    ),
    "a tuple of tuples": torch_zip(PUT + b"K\x01" + DOUBLE * 60 + END),
    "a place far away": torch_zip(b"\x80\x02Nr\xff\xff\xff\x7f."),
    "a number that is not there": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1",
}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("shapes_only", [True, False])
@pytest.mark.parametrize("kind", UNFOLDING)
def test_few_bytes_do_not_become_many(tmp_path, kind, shapes_only):
    def held(what):
        return int(re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])

    (tmp_path / "a.pth").write_bytes(UNFOLDING[kind])
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = held("VmRSS")
    with pytest.raises(ModelError):
        read_state(tmp_path / "a.pth", shapes_only=shapes_only)
    assert held("VmHWM") - before < 50_000


def saved(value, new):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=new)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": torch.ones(3), "b": torch.ones(2, dtype=torch.bfloat16)}, PLAIN),
        ({"a": torch.nn.Parameter(torch.ones(3)), "epoch": 3}, PLAIN),
        (torch.nn.Linear(2, 2).state_dict(), PLAIN),
        (torch.nn.Linear(2, 2), CODE),
        ({"a": bytearray(3)}, CODE),
        ({"a": {1, 2}}, CODE),
    ],
)
def test_what_a_file_holds(value, told, new):
    assert scan(saved(value, new))[0] == told


@pytest.mark.parametrize("new", [True, False])
def test_tensors_shared_by_layers_are_counted_once(new):
    shared = torch.ones(1000)
    assert scan(saved({f"layer{n}": shared for n in range(50)}, new))[0] == PLAIN


def test_tensors_larger_than_the_file_are_refused():
    whole = saved({"a": torch.ones(1000)}, False).getvalue()
    with pytest.raises(ValueError, match="larger than the file"):
        scan(io.BytesIO(whole[:2000]))
