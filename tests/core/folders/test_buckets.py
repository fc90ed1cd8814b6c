"""Pictures in buckets, by servers on this machine that speak as S3 and Google's storage do."""

import os
import socket
import subprocess
import sys

import fsspec
import pytest

from tests.core.folders.test_batch import ROOT
from tests.folders import COARSE, all_but_seconds, fill

EXTRA = "not installed: pip install -r requirements-cluster-dev.txt"
moto_server = pytest.importorskip("moto.server", reason=f"moto is {EXTRA}")
storage_emulator = pytest.importorskip(
    "gcp_storage_emulator.server", reason=f"gcp-storage-emulator is {EXTRA}"
)
NAMES = ["goose/0.png", "goose/1.png", "king penguin/2.png"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = fill(tmp_path_factory.mktemp("in"), NAMES)
    (made / "goose" / "bad.png").write_bytes(b"bad")
    return made


@pytest.fixture(scope="module")
def here(folder, tmp_path_factory):
    """What a run on the folder itself gives."""
    out = tmp_path_factory.mktemp("here")
    assert run(folder, out, {}).returncode == 0
    return all_but_seconds(out)


@pytest.fixture(scope="module")
def s3(folder):
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
    }
    upload(folder, "s3", environment)
    yield environment
    server.stop()


@pytest.fixture(scope="module")
def gs(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = storage_emulator.create_server("127.0.0.1", port, in_memory=True)
    server.start()
    environment = {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "FSSPEC_GS_TOKEN": "anon",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # which asks Google itself
    }
    upload(folder, "gs", environment)
    yield environment
    server.stop()


def upload(folder, protocol, environment):
    """Put the pictures into a new bucket."""
    script = (
        "import fsspec, pathlib, sys\n"
        "system, folder = fsspec.filesystem(sys.argv[1]), pathlib.Path(sys.argv[2])\n"
        "system.mkdir('bucket')\n"
        "for path in folder.rglob('*.png'):\n"
        "    to = 'bucket/pictures/' + path.relative_to(folder).as_posix()\n"
        "    system.pipe_file(to, path.read_bytes())\n"
    )
    python("-c", script, protocol, str(folder), environment=environment).check_returncode()


def run(folder, out, environment):
    """The command in a process of its own, with credentials from its environment."""
    options = ("--out", str(out), "--device", "cpu", "--threads", "1", *COARSE)
    return python("-m", "core", "batch", str(folder), *options, environment=environment)


def python(*arguments, environment):
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "FSSPEC_", "GOOGLE_", "GCSFS_"))
    }
    return subprocess.run(
        (sys.executable, *arguments),
        cwd=ROOT,
        env={**clean, "AWS_EC2_METADATA_DISABLED": "true", **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("protocol", ["s3", "gs"])
def test_a_bucket_gives_what_a_folder_gives(protocol, here, tmp_path, request):
    environment = request.getfixturevalue(protocol)
    done = run(f"{protocol}://bucket/pictures", tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert all_but_seconds(tmp_path) == here


def test_what_keeps_a_bucket_from_being_read_is_said_in_one_sentence(s3, tmp_path):
    nobody = {**s3, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    keys = {name: value for name, value in s3.items() if "KEY" not in name}
    for environment, words in ((nobody, "Could not connect"), (keys, "Unable to locate cred")):
        done = run("s3://bucket/pictures", tmp_path, environment)
        assert done.returncode == 2
        assert f"s3://bucket/pictures cannot be read ({words}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_bucket_that_is_lost_meanwhile_is_an_error_of_each_picture(s3, monkeypatch):
    from core.errors import ImageError
    from core.folders.listing import Entry, read_entry

    for name, value in {**s3, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(ImageError, match=r"^0\.png cannot be read \(.+\): check the path\.$"):
        read_entry("s3://bucket/pictures/goose", Entry("0.png"))
    fsspec.filesystem("s3").clear_instance_cache()
