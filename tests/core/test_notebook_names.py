"""Models that Python code names as the command line does: files, functions and saved folders."""

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import core
from core import notebook
from core.__main__ import main
from core.bundle.verification import verify
from core.errors import ModelError
from core.explaining.explainer import Explainer
from core.models import registry
from core.pictures.samples import samples
from tests import programs
from tests.core.models.test_factories import NETS
from tests.core.models.test_hf_models import changed, saved

pytestmark = pytest.mark.usefixtures("one_thread")

GOSLING = samples()["gosling"].path
FILES = ("static.pt2", "dynamic.onnx", "trace.pt")
NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook.explainer.cache_clear()
    yield
    registry.allow_factories()
    registry.use_folder(None)
    notebook.explainer.cache_clear()


def explained(model, **options):
    return core.explain(GOSLING, model, "occlusion", window=24, stride=24, **options)


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_loaded_and_explained(tmp_path, file):
    (tmp_path / "nets").mkdir()
    made = programs.network(outputs=3)
    programs.save(made, tmp_path / "nets" / file)
    loaded = core.load(f"nets/{file}", "cpu")
    assert (loaded.record.name, loaded.class_names[2]) == (file, "class 2")
    x = torch.randn(1, 3, programs.SIDE, programs.SIDE)
    torch.testing.assert_close(loaded.logits(x), made(x), rtol=0, atol=1e-5)
    found = explained(Path("nets") / file, device="cpu")
    assert any("does not say how it sees a picture" in note for note in found.notes)
    assert found.values.any()
    assert np.array_equal(explained(loaded).values, found.values)
    assert Explainer().classifier(file, "cpu").weights_sha256 == loaded.weights_sha256
    bundle = found.save("gosling.zip")
    verdict = verify(bundle.read_bytes(), device="cpu")
    assert (bool(verdict.equal), verdict.different) == (True, [])


def test_a_function_is_loaded_and_explained(tmp_path, monkeypatch):
    module = f"named_{next(NUMBERS)}"
    (tmp_path / f"{module}.py").write_text(NETS, "utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = core.explain(GOSLING, f"{module}:build", "saliency", device="cpu")
    assert found.class_names == ("class 0", "class 1", "class 2")
    assert found.notes[-1].startswith(f"Nobody said how {module}:build sees a picture")
    bundle = found.save("gosling.zip")
    registry.allow_factories()  # as in another process
    assert main(["verify", str(bundle), "--device", "cpu"]) == 2
    assert main(["verify", str(bundle), "--model", f"{module}:build", "--device", "cpu"]) == 0


def test_what_was_named_allows_nothing_else(tmp_path):
    for file in ("static.pt2", "other.pt2"):
        programs.save(programs.network(), tmp_path / file)
    bundle = explained("other.pt2", device="cpu").save("gosling.zip").read_bytes()
    registry.allow_factories()
    explained("static.pt2", device="cpu")
    for name in ("other.pt2", str(tmp_path / "other.pt2"), "os:abort", "timm:../other.pt2"):
        with pytest.raises(ModelError):
            registry.record(name)
        with pytest.raises(ModelError):
            Explainer().classifier(name)
    with pytest.raises(
        ModelError, match=r"'other\.pt2' is a file: it is opened only where the comm"
    ):
        verify(bundle, device="cpu")


def test_a_file_that_was_written_anew_is_another_model(tmp_path):
    programs.save(programs.network(0), tmp_path / "net.pt2")
    first, loaded = explained("net.pt2", device="cpu"), core.load("net.pt2", "cpu")
    programs.save(programs.network(1), tmp_path / "net.pt2")
    second = explained("net.pt2", device="cpu")
    assert not np.array_equal(first.scores, second.scores)
    assert np.array_equal(explained(loaded).scores, first.scores)
    with pytest.raises(ModelError, match="this network has no name in the registry"):
        first.save("gosling.zip")


def test_a_path_is_of_the_folder_that_was_current_when_it_was_named(tmp_path, monkeypatch):
    for number in range(2):
        (tmp_path / f"run{number}").mkdir()
        programs.save(programs.network(number), tmp_path / f"run{number}" / "net.onnx")
    monkeypatch.chdir(tmp_path / "run0")
    first = explained("net.onnx", device="cpu")
    monkeypatch.chdir(tmp_path / "run1")
    assert np.array_equal(registry.record("net.onnx").weights.path, tmp_path / "run0" / "net.onnx")
    second = explained("net.onnx", device="cpu")
    assert not np.array_equal(first.scores, second.scores)


def test_one_name_of_two_files_is_no_name(tmp_path):
    for number in range(2):
        (tmp_path / f"run{number}").mkdir()
        programs.save(programs.network(number), tmp_path / f"run{number}" / "net.onnx")
        core.load(f"run{number}/net.onnx", "cpu")
    with pytest.raises(ModelError, match=re.escape("'net.onnx' is the name of 2 of the files")):
        registry.record("net.onnx")


def test_a_model_of_transformers_that_was_saved_anew_is_another(tmp_path):
    saved(tmp_path / "m")
    first = core.explain(GOSLING, "hf:m", "saliency", device="cpu")
    changed(tmp_path / "m", id2label={str(i): f"bird {i}" for i in range(len(first.class_names))})
    second = core.explain(GOSLING, "hf:m", "saliency", device="cpu")
    assert second.class_names[0] == "bird 0" != first.class_names[0]
    assert np.array_equal(first.scores, second.scores)


def test_a_folder_of_models(tmp_path):
    for name, file in (("pond", "static.onnx"), ("code", "static.pt2")):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "model.toml").write_text(
            f'title = "{name}"\nclasses = ["a", "b", "c"]\n', "utf-8"
        )
        programs.save(programs.network(outputs=3), tmp_path / "mine" / name / file)
    core.use_folder("mine")
    assert explained("pond", device="cpu").target_name in ("a", "b", "c")
    with pytest.raises(
        ModelError, match="to open it is to run code from it: allow that with --fac"
    ):
        core.load("code")
    core.use_folder(tmp_path / "mine", factories=True)
    assert core.load("code", "cpu").class_names == ("a", "b", "c")
    core.use_folder(None)
    with pytest.raises(ModelError, match='There is no model "pond"'):
        core.load("pond")
    with pytest.raises(ModelError, match="cannot be read"):
        core.use_folder("absent")


def test_what_can_be_wrong(tmp_path):
    with pytest.raises(ModelError, match=r"no\.pt2' cannot be read \(No such file.*check its p"):
        explained("no.pt2")
    torch.save({"a": torch.zeros(1)}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match=r"state\.pt holds weights alone: put it into a folder of"):
        core.load("state.pt")
    with pytest.raises(ModelError, match="There is no module no_such_module_at_all, neither in"):
        core.load("no_such_module_at_all:build")
