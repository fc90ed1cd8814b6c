"""The same on Ray: equal to the bit, and a worker that is killed changes nothing but time."""

import shutil
import subprocess
import sys
import time

import psutil
import pytest
from PIL import Image

from tests import programs
from tests.core.folders.test_batch import ROOT, flip
from tests.core.models.test_factories import NETS
from tests.folders import all_but_seconds, fill

pytest.importorskip("ray", reason="ray is not installed: pip install -r requirements-cluster.txt")

PICTURES = 68  # three parts
QUICK = ("--methods", "saliency")
COMMAND = (sys.executable, "-m", "core", "batch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = fill(tmp_path_factory.mktemp("in"), [f"goose/{n:03}.png" for n in range(PICTURES)])
    (made / "goose" / "007.png").write_bytes(b"bad")
    return made


def started(folder, out, *options, cwd=ROOT):
    """A run on Ray, or here, in a process of its own."""
    given = ("--device", "cpu", "--threads", "1", "--out", str(out), *options)
    return subprocess.Popen(
        (*COMMAND, str(folder), *given), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finished(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.fixture(scope="module")
def here(folder, tmp_path_factory):
    """What the run without Ray gives."""
    out = tmp_path_factory.mktemp("here")
    finished(started(folder, out, *QUICK))
    return out


def workers_of(process):
    """The processes of a run that Ray named after our class."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "ray::_Actor" in " ".join(child.cmdline())]


def test_two_workers_one_of_them_killed_give_what_one_process_gives(folder, here, tmp_path):
    process = started(f"file://{folder}", tmp_path, *QUICK, "--ray", "local", "--workers", "2")
    try:
        end = time.monotonic() + 200
        while not list(
            tmp_path.glob("parts/*.parquet")
        ):  # in the middle: one part of three is done
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        victims = workers_of(process)
        assert victims
        victims[0].kill()
        assert "68 pictures, " in finished(process)
    finally:
        process.kill()
    assert all_but_seconds(tmp_path) == all_but_seconds(here)


def test_regions_are_those_of_one_process(tmp_path):
    pictures, labels = fill(tmp_path / "in", ["a.png", "b.png"]), tmp_path / "labels"
    labels.mkdir()
    image = Image.new("L", (64, 64), 1)
    image.paste(2, (0, 0, 30, 64))
    image.save(labels / "a.png")
    given = ("--methods", "superpixels", "--regions", str(labels))
    assert "1 explained, 1 with an error" in finished(started(pictures, tmp_path / "one", *given))
    finished(started(pictures, tmp_path / "ray", *given, "--ray", "local", "--workers", "1"))
    assert all_but_seconds(tmp_path / "ray") == all_but_seconds(tmp_path / "one")


@pytest.mark.parametrize(
    "model", [("nets_of_batch:build",), ("own", "--models", "mine", "--factories")], ids=str
)
def test_models_that_the_command_line_allows_are_those_of_workers(tmp_path, monkeypatch, model):
    (tmp_path / "nets_of_batch.py").write_text(NETS, "utf-8")
    (tmp_path / "mine" / "own").mkdir(parents=True)
    (tmp_path / "mine" / "own" / "model.toml").write_text('title = "Own"\n', "utf-8")
    programs.save(programs.network(), tmp_path / "mine" / "own" / "net.pt2")
    fill(tmp_path / "in", ["a.png", "b.png"])
    given = (*QUICK, "--model", *model)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert "2 explained" in finished(started("in", "one", *given, cwd=tmp_path))
    on_ray = (*given, "--ray", "local", "--workers", "1")
    assert "2 explained" in finished(started("in", "ray", *on_ray, cwd=tmp_path))
    assert all_but_seconds(tmp_path / "ray") == all_but_seconds(tmp_path / "one")


def test_what_is_damaged_is_made_again(folder, here, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(here, out)
    for path in (out / "results.parquet", sorted(out.glob("maps/*/*"))[7]):
        flip(path)
    process = started(folder, out, *QUICK, "--ray", "local", "--workers", "2")
    assert "68 pictures, " in finished(process)
    assert all_but_seconds(out) == all_but_seconds(here)
    assert "nothing was left to do" in finished(started(folder, out, *QUICK))


def test_a_cluster_that_is_not_there_is_said(folder, tmp_path):
    process = started(folder, tmp_path, "--ray", "127.0.0.1:1")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 2
    assert b"Ray cannot be reached at 127.0.0.1:1" in err
    assert b"Traceback" not in err
