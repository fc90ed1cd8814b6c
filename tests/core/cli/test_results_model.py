"""Results of a function or of a file: `clusters` and `export` are told which, and compare it."""

import json

import pytest
import torch

from core.__main__ import main
from tests.folders import fill

pytestmark = pytest.mark.usefixtures("one_thread")
SOURCE = """
import torch
from torch import nn


def build(seed=0):
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, 4, 8, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(4, 3))


def other():
    return build(1)
"""


@pytest.fixture
def at_work(tmp_path, monkeypatch):
    """A folder with pictures and a module of networks, to work in."""
    fill(tmp_path / "pictures", ["a.png", "b.png"])
    (tmp_path / "nets_of_results.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def told(capsys):
    def call(*arguments):
        code = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err.strip()

    return call


@pytest.fixture
def batch(told):
    """Makes the results of the pictures with a model."""

    def call(model):
        given = ("--out", "results", "--methods", "saliency", "--device", "cpu", "--threads", "1")
        code, _, err = told("batch", "pictures", "--model", model, *given)
        assert code == 0, err

    return call


def export(to, *more):
    return "export", "results", "--to", to, "--out", f"out.{to}", *more


def exported(file, function="build"):
    import nets_of_results  # of the folder that the test works in

    network = getattr(nets_of_results, function)()
    inputs = (torch.zeros(2, 3, 224, 224),)
    dynamic = ({0: torch.export.Dim("batch")},)
    made = torch.export.export(network.eval(), inputs, dynamic_shapes=dynamic)
    torch.export.save(made, file)


def test_a_function_is_named_to_be_run(at_work, told, batch):
    name = "nets_of_results:build"
    batch(name)
    need = (
        f"results was made with the function '{name}', which is run only where the command names "
        f"it: give --model '{name}' too."
    )
    for arguments in (("clusters", "results"), export("coco"), export("fiftyone")):
        code, _, err = told(*arguments)
        assert (code, err.splitlines()[-1]) == (2, need)
    code, _, err = told(*export("html"))
    assert (code, err.splitlines()[-1]) == (0, need)
    assert "Saliency of" not in (at_work / "out.html").read_text()

    code, out, _ = told("clusters", "results", "--model", name)
    assert code == 0
    assert "2 maps are too few to look for clusters" in out
    for to, said in (("coco", "2 images, 2 maps."), ("fiftyone", "2 samples, 2 maps.")):
        code, out, _ = told(*export(to, "--model", name))
        assert code == 0
        assert out.strip().endswith(said)
    code, _, err = told(*export("html", "--model", name))
    assert (code, err) == (0, "")
    assert "Saliency of" in (at_work / "out.html").read_text()


def test_another_function_than_made_the_results_is_refused_before_it_is_run(at_work, told, batch):
    batch("nets_of_results:build")
    for arguments in (("clusters", "results"), export("html")):
        code, _, err = told(*arguments, "--model", "nowhere_at_all:other")
        assert code == 2
        assert err.splitlines()[-1] == (
            "--model names 'nowhere_at_all:other', and results was made with "
            "'nets_of_results:build': name that, or leave --model out."
        )
    assert not (at_work / "out.html").exists()


def test_a_file_is_known_by_its_name_and_compared_by_its_weights(at_work, told, batch, monkeypatch):
    monkeypatch.syspath_prepend(str(at_work))
    exported(at_work / "bird.pt2")
    batch("bird.pt2")
    code, _, err = told("clusters", "results")
    assert code == 2
    assert err.endswith(
        "the file 'bird.pt2', which is opened only where the command names it: give --model "
        "'bird.pt2' too."
    )
    (at_work / "moved").mkdir()
    (at_work / "bird.pt2").rename(at_work / "moved" / "bird.pt2")
    code, out, _ = told("clusters", "results", "--model", at_work / "moved" / "bird.pt2")
    assert code == 0
    assert "2 maps are too few" in out
    exported(at_work / "bird.pt2", "other")
    code, _, err = told(*export("html", "--model", "bird.pt2"))
    assert code == 2
    assert err.endswith(
        "The weights of bird.pt2 are not those that made results: bring those back, or run "
        "`python -m core batch` again."
    )


@pytest.mark.usefixtures("at_work")
def test_a_model_of_a_list_may_be_named_too(told, batch):
    batch("efficientnet_lite0")
    code, out, err = told("clusters", "results", "--model", "efficientnet_lite0")
    assert (code, err) == (0, "")
    assert "2 maps are too few" in out
    code, _, err = told("clusters", "results", "--model", "efficientnet_lite1")
    assert code == 2
    assert "results was made with 'efficientnet_lite0'" in err


def test_a_folder_of_hugging_face_is_named_to_be_opened(at_work, told, batch):
    """What a table names is not opened on its word."""
    batch("efficientnet_lite0")
    (at_work / "vit").mkdir()
    path = at_work / "results" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": "hf:vit"}))
    code, _, err = told("clusters", "results")
    assert code == 2
    assert err.splitlines()[-1] == (
        "results was made with the folder 'hf:vit', which is opened only where the command names "
        "it: give --model 'hf:vit' too."
    )


def test_another_model_is_refused_also_where_there_are_no_maps(at_work, told):
    given = ("--out", "results", "--device", "cpu", "--threads", "1")
    assert told("batch", "pictures", *given)[0] == 0
    code, _, err = told(*export("html", "--model", "resnet18"))
    assert code == 2
    assert "results was made with 'efficientnet_lite0'" in err
    assert not (at_work / "out.html").exists()
    assert told(*export("html", "--model", "efficientnet_lite0"))[0] == 0
