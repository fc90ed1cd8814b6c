"""The package as people install it: built, put into an environment of its own, used elsewhere."""

import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import psutil
import pytest

from tests.browser import ROOT, running

MODULES = ("core", "dashboard", "sample_images", "talks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what git knows, as `pip install .` builds it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", out, source], check=True)
    (built,) = out.glob("where_it_looked-*-py3-none-any.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The folder of programs of an environment with the wheel, and what else is installed here."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    inner = [programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(inner, capture_output=True, text=True).stdout.strip())
    # torch and all the rest are those of this environment: they are not what is tested here.
    (packages / "here.pth").write_text(sysconfig.get_path("purelib"))
    command = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", wheel], check=True)
    return programs


@pytest.fixture
def elsewhere(environment, tmp_path):
    """Runs a program of the environment in a folder that knows nothing of this checkout."""

    def call(program, *arguments):
        return subprocess.run(
            [environment / program, *map(str, arguments)],
            cwd=tmp_path,
            env=clean(),
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def clean():
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def test_the_wheel_holds_every_file_of_the_project_and_no_other(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = {
        f"where_it_looked/{path.relative_to(ROOT).as_posix()}"
        for folder in MODULES
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    own = {f"where_it_looked/{name}" for name in ("__init__.py", "__init__.pyi", "__main__.py")}
    settings = {"where_it_looked/dashboard/.streamlit/config.toml"}
    assert inside == tracked | own | settings


def test_dependencies_are_ranges_around_what_is_pinned(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = archive.read(name).decode()
    stated = re.findall(r"^Requires-Dist: ([\w.-]+)(?:\[.*\])?([~>=<]+)\S+$", metadata, re.M)
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text("utf-8"), re.M)
    assert {name.lower() for name, _ in stated} == {name.lower() for name in pinned}
    assert all(sign in ("~=", ">=") for _, sign in stated)
    # One release of torchvision fits one of torch: with a later torch pip would turn back.
    assert re.search(r"^Requires-Dist: torch~=\d+\.\d+\.0$", metadata, re.M)
    extras = re.findall(r"^Provides-Extra: (\S+)$", metadata, re.M)
    assert set(extras) == {"cluster", "login", "models", "dev"}


def test_the_command_predicts_from_another_folder(elsewhere, tmp_path):
    picture = tmp_path / "mine.jpg"
    picture.write_bytes((ROOT / "sample_images" / "penguin.jpg").read_bytes())
    done = elsewhere("where-it-looked", "predict", "mine.jpg", "--top", "1")
    assert done.returncode == 0, done.stderr
    assert "king penguin" in done.stdout
    assert elsewhere("where-it-looked", "--help").stdout.startswith("usage: where-it-looked ")
    refused = elsewhere("where-it-looked", "predict", "absent.jpg")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_a_table_a_bundle_and_a_talk_from_another_folder(elsewhere, tmp_path):
    """What reads untrusted files does so in a process of its own, which finds the package."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.jpg").write_bytes((ROOT / "sample_images" / "swan.jpg").read_bytes())
    done = elsewhere("where-it-looked", "batch", "pictures", "--out", "out")
    assert done.returncode == 0, done.stderr
    quick = ("--method", "occlusion", "--window", "112", "--stride", "80")
    picture = pictures / "a.jpg"
    done = elsewhere("where-it-looked", "explain", picture, *quick, "--bundle", "a.zip")
    assert done.returncode == 0, done.stderr
    done = elsewhere("where-it-looked", "verify", "a.zip")
    assert done.stdout.splitlines()[-1] == "Equal.", done.stderr


def test_the_api_is_that_of_core(elsewhere):
    code = (
        "import where_it_looked as w; print(sorted(w.__all__), w.load.__module__); "
        "import importlib.util; print(importlib.util.find_spec('core')); "
        "from where_it_looked.core.text import PROGRAM; print(PROGRAM)"
    )
    done = elsewhere("python", "-c", code)
    import core

    assert done.stdout.splitlines() == [
        f"{sorted(core.__all__)} where_it_looked.core.models.named_in_code",
        "None",
        "where-it-looked",
    ], done.stderr


def test_in_a_checkout_too():
    code = "import where_it_looked as w; print(w.open_image.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=clean()
    )
    assert done.stdout.strip() == "where_it_looked.core.pictures.images", done.stderr


@pytest.mark.parametrize("command", [(), ("page", "--talk", "mine.toml")], ids=["bare", "page"])
def test_the_page_is_healthy_and_safe_from_another_folder(environment, tmp_path, command):
    (tmp_path / "mine.toml").write_bytes((ROOT / "talks" / "swan.toml").read_bytes())
    with running([environment / "where-it-looked", *command], tmp_path, clean()) as url:
        with urllib.request.urlopen(f"{url}/_stcore/health") as answer:
            assert answer.read() == b"ok"
        # Without the settings that come along it would listen to the whole network.
        port = int(url.rsplit(":", 1)[1])
        listening = psutil.net_connections("inet")
        assert {c.laddr.ip for c in listening if c.laddr.port == port and c.status == "LISTEN"} == {
            "127.0.0.1"
        }
