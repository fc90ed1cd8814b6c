"""The command ``warm``."""

import json

import pytest

from core.engine.remembered import memory
from core.models import classifiers
from tests.commands import SWAN

pytestmark = pytest.mark.usefixtures("load_once")


def test_warm_makes_a_talk_ready_once(run_without_device, tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path / "cache"))
    talk = tmp_path / "mine.toml"
    talk.write_text(
        f"""[pictures.bird]
        file = {json.dumps(str(SWAN))}
        [[scenes]]
        kind = "answer"
        title = "What is this?"
        picture = "bird"
        [[scenes]]
        kind = "maps"
        title = "Where?"
        pictures = ["bird"]
        window = 112
        stride = 80
        """
    )
    code, lines, err = run_without_device("warm", "--talk", talk)
    assert (code, err) == (0, "")
    assert lines[0].split() == ["scene", "title", "seconds"]
    assert [line.split()[:2] for line in lines[1:3]] == [["1", "What"], ["2", "Where?"]]
    assert str(tmp_path / "cache") in lines[3]
    kept = {path: path.stat().st_ino for path in (tmp_path / "cache").iterdir()}
    assert len(kept) == 3  # logits, survey, map
    memory.forget()
    assert run_without_device("warm", "--talk", talk)[0] == 0
    assert {path: path.stat().st_ino for path in (tmp_path / "cache").iterdir()} == kept


def test_warm_says_before_it_computes_that_it_cannot_keep(
    run_without_device, tmp_path, monkeypatch
):
    def computed(*_):
        raise AssertionError("computed in vain")

    monkeypatch.setattr(classifiers, "load", computed)
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path / "file"))
    code, lines, err = run_without_device("warm")
    assert (code, lines) == (2, [])
    assert err.endswith("file is no folder): name another cache folder by WHERE_IT_LOOKED_CACHE.\n")


def test_warm_says_what_became_of_what_it_could_not_keep(run_without_device, tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path / "cache"))
    talk = tmp_path / "mine.toml"
    talk.write_text(
        f"""[pictures.bird]
        file = {json.dumps(str(SWAN))}
        [[scenes]]
        kind = "answer"
        title = "What is this?"
        picture = "bird"
        """
    )
    assert run_without_device("warm", "--talk", talk)[0] == 0
    (entry,) = (tmp_path / "cache").iterdir()
    entry.unlink()
    entry.mkdir()
    memory.forget()
    code, lines, err = run_without_device("warm", "--talk", talk)
    assert code == 2
    assert lines[0].split() == ["scene", "title", "seconds"]
    assert not any(line.startswith("Kept") for line in lines)
    assert f"Not everything could be kept in {tmp_path / 'cache'} ({entry.name} is a folder" in err


def test_warm_refuses_a_broken_talk_with_its_line(run_without_device, tmp_path):
    (tmp_path / "mine.toml").write_text("# a talk\n[[scenes]]\nkind = 3\n")
    code, lines, err = run_without_device("warm", "--talk", tmp_path / "mine.toml")
    assert (code, lines) == (2, [])
    assert err.startswith("mine.toml, line 3: kind is 3")
