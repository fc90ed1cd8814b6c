"""The Dockerfile, read, and its command run outside of a container on the files that it copies."""

import json
import os
import re
import shutil
import sys

import pytest
from websockets.exceptions import InvalidStatus

from tests.browser import ROOT
from tests.dashboard.test_server import free_port, join, run_server, shown


def instructions():
    """(word, rest) of each instruction, of the build stage and of the image."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.M)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found = [tuple(line.split(None, 1)) for line in lines if line.strip()]
    second = [at for at, (word, _) in enumerate(found) if word == "FROM"][1]
    return found[:second], found[second:]


BUILD, IMAGE = instructions()


def only(word):
    (rest,) = [rest for found, rest in IMAGE if found == word]
    return rest


def environment():
    return dict(pair.split("=", 1) for pair in only("ENV").split())


def copied():
    """(sources, place) of each COPY from the project's folder."""
    rests = [rest for word, rest in BUILD + IMAGE if word == "COPY" and "--from" not in rest]
    return [(rest.split()[:-1], rest.split()[-1]) for rest in rests]


def test_what_is_copied_is_there_and_not_ignored():
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    taken = {line[1:] for line in lines if line.startswith("!")}
    sources = {source for names, _ in copied() for source in names}
    assert sources == taken  # and nothing else is even sent to the builder
    assert all((ROOT / source).exists() for source in sources)
    assert not any("secret" in name for name in taken)


def test_versions_are_those_of_the_requirements():
    wanted = (ROOT / "requirements.txt").read_text("utf-8")
    install = next(rest for word, rest in BUILD if word == "RUN" and "pip install" in rest)
    pins = re.findall(r"(\w+)==([\d.]+)\+cpu", install)
    assert {name for name, _ in pins} == {"torch", "torchvision"}
    assert all(f"{name}=={version} " in wanted for name, version in pins)


def test_it_is_not_root_and_has_no_tools_to_build():
    words = [word for word, _ in IMAGE]
    assert int(only("USER")) >= 1000
    assert words.index("USER") > max(at for at, word in enumerate(words) if word in ("RUN", "COPY"))
    assert not any("apt" in rest for _, rest in IMAGE)
    assert "8501/_stcore/health" in only("HEALTHCHECK")
    volume = only("VOLUME")
    kept = environment()
    assert kept["TORCH_HOME"].startswith(f"{volume}/")
    assert kept["WHERE_IT_LOOKED_CACHE"].startswith(f"{volume}/")


def test_its_command_serves_the_page_from_what_it_copies(tmp_path):
    app, data, temporary = (tmp_path / name for name in ("app", "data", "tmp"))
    for folder in (app, data, temporary):
        folder.mkdir()
    for sources, place in copied()[1:]:  # the first is the build's
        for source in sources:
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, app / place, ignore=ignored)
            else:
                (app / place).mkdir(exist_ok=True)
                shutil.copy(ROOT / source, app / place)
    before = sorted(app.rglob("*"))
    places = {"/data": str(data), "/tmp": str(temporary)}
    env = {k: v for k, v in os.environ.items() if not k.startswith("STREAMLIT_")}
    env.pop("PYTHONPATH", None)
    for name, value in environment().items():
        if name != "PATH":
            env[name] = re.sub(r"^/(data|tmp)\b", lambda found: places[found[0]], value)
    assert env["HOME"] == str(temporary)
    port = free_port()
    command = json.loads(only("ENTRYPOINT"))
    assert command[command.index("--server.address") + 1] == "0.0.0.0"
    command[command.index("8501")] = str(port)
    command += ["--server.allowedHosts", "127.0.0.1", "--server.allowedHosts", "look.example.org"]
    command[0] = sys.executable
    with run_server(command, port, tmp_path / "log", cwd=app, env=env) as server:
        assert "The model says" in shown(server, until="The model says").decode("utf-8", "ignore")
        with join(server, f"http://look.example.org:{port}", host="look.example.org") as channel:
            assert channel.response.status_code == 101
        with pytest.raises(InvalidStatus):
            join(server, "http://elsewhere.example", host="elsewhere.example")
    assert sorted(app.rglob("*")) == before  # the root of the file system can be read-only
