"""Models of timm's by name: the same predictions as timm's own, and each way to be refused."""

import json
import re
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import save

from benchmarks.random_models import keep, of_timm
from core.__main__ import main
from core.errors import ModelError
from core.models import classifiers, registry
from core.models.torchvision_compat import torchvision
from core.pictures.samples import samples
from tests import hub

assert torchvision  # before timm, which imports it
import timm  # noqa: E402

SWAN = samples()["swan"].path
SENTENCE = r"^[A-Za-z][^\n]*[.?]$"
# One small network of each family, with weights on the hub; of twice as many,
# `benchmarks.architectures` compares the same.
NAMES = [
    "resnet18.a1_in1k",
    "mobilenetv3_small_050.lamb_in1k",
    "efficientnet_b0.ra_in1k",
    "convnext_atto.d2_in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "deit_tiny_patch16_224.fb_in1k",
    "levit_128s.fb_dist_in1k",
    "mobilevit_xxs.cvnets_in1k",
    "mixer_b16_224.goog_in21k_ft_in1k",
    "regnetx_002.pycls_in1k",
    "ghostnet_100.in1k",
    "tf_efficientnet_lite0.in1k",
    "edgenext_xx_small.in1k",
    "repvgg_a0.rvgg_in1k",
    "densenet121.ra_in1k",
    "dla46_c.in1k",
]


def weights(name, seed=0):
    """Random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = timm.create_model(name, pretrained=False)
    return {key: value.contiguous().clone() for key, value in network.state_dict().items()}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    place = tmp_path / "cache"
    place.mkdir()
    hub.use(monkeypatch, place)
    return place


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_those_of_timm(cache, name):
    theirs = of_timm(name, cache)
    ours = classifiers.load(f"timm:{name}", "cpu")
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(theirs))
    for sample in samples().values():
        photo = Image.open(sample.path).convert("RGB")
        inputs = transform(photo)[None]
        assert torch.equal(ours.preprocess(photo), inputs)
        with torch.no_grad():
            expected = theirs(inputs)
        assert (ours.logits(inputs) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert ours.record.weights.present
    assert ours.class_names[145] == "king penguin"


def test_a_record_says_what_timm_knows(cache):
    found = registry.record("timm:resnet18")
    assert found.name == "timm:resnet18.a1_in1k"
    assert found.title == "resnet18.a1_in1k (timm)"
    assert (found.licence, found.accuracy) == ("apache-2.0", None)
    assert found.source.startswith("timm, timm/resnet18.a1_in1k, https://github.com/")
    assert (found.weights.present, found.weights.megabytes) == (False, None)
    assert "timm:resnet18.a1_in1k" not in registry.records()
    assert cache.exists()


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("mixer_b16_224.miil_in21k", "benthos"),
        ("coatnet_2_rw_224.sw_in12k", "benthos"),
        ("beit_base_patch16_224.in22k_ft_in22k", "organism, being"),
        ("focalnet_huge_fl3.ms_in22k", "tench, Tinca tinca"),
    ],
)
def test_names_of_larger_imagenets(name, first):
    found = registry.record(f"timm:{name}")
    assert found.class_names[0] == first
    assert not found.notes


def test_outputs_without_names():
    found = registry.record("timm:vit_base_patch16_224.bamboo")
    assert found.class_names[-1] == "class 115216"
    (note,) = found.notes
    assert note.startswith("timm has no names for the 115,217 outputs")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnt18", "timm has no model 'resnt18': did you mean resnet18, "),
        ("zzz", "timm has no model 'zzz': timm.list_pretrained() lists all."),
        ("", "timm has no model ''"),
        ("../../etc/passwd", "timm has no model '../../etc/passwd'"),
        ("resnet18.nope", "timm has no weights 'nope' of resnet18: choose resnet18.a1_in1k, "),
        ("vit_small_patch14_dinov2", "timm's vit_small_patch14_dinov2.lvd142m is no classifier"),
        (
            "gcvit_base.in1k",
            "There are no weights of timm's gcvit_base.in1k on the hub: timm takes",
        ),
        ("resnet18.\x1b[2J", "timm has no weights"),
    ],
)
def test_what_is_refused(name, said):
    with pytest.raises(ModelError, match=SENTENCE) as caught:
        registry.record(f"timm:{name}")
    assert str(caught.value).startswith(said)
    assert str(caught.value).isprintable()


def test_weights_that_are_not_here_and_nobody_answers(cache):
    assert not list(cache.iterdir())
    with pytest.raises(ModelError, match=SENTENCE) as caught:
        classifiers.load("timm:resnet18.a1_in1k", "cpu")
    assert str(caught.value) == (
        "model.safetensors of timm/resnet18.a1_in1k is not on this machine, and the hub cannot be "
        "reached: check the network and try again, or choose a model that is already on this "
        "machine."
    )


def test_weights_of_another_network(cache):
    files = {"model.safetensors": save(weights("dla46_c.in1k"))}
    keep(cache, "timm/resnet18.a1_in1k", files)
    with pytest.raises(ModelError, match=SENTENCE) as caught:
        classifiers.load("timm:resnet18.a1_in1k", "cpu")
    assert "does not fit timm's resnet18.a1_in1k (" in str(caught.value)


def test_weights_that_are_damaged(cache):
    keep(cache, "timm/resnet18.a1_in1k", {"model.safetensors": b"hello"})
    with pytest.raises(
        ModelError, match=r"^timm/resnet18.a1_in1k/model.safetensors cannot be read"
    ):
        classifiers.load("timm:resnet18.a1_in1k", "cpu")


def test_without_timm_one_sentence_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModelError) as caught:
        registry.record("timm:regnetx_004.pycls_in1k")
    assert str(caught.value) == (
        "For this model timm is needed, which is not installed: install it with "
        "`pip install -r requirements-models.txt`."
    )


def test_a_download_tells_its_progress_and_happens_once(tmp_path, cache, monkeypatch, capfd):
    place = tmp_path / "hub" / "timm" / "dla46_c.in1k"
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(save(weights("dla46_c.in1k")))
    with hub.served(tmp_path / "hub") as (address, asked):
        hub.use(monkeypatch, cache, address)
        size = (place / "model.safetensors").stat().st_size
        progress = list(registry.download("timm:dla46_c.in1k"))
        assert progress[-1] == (size, size)
        assert [step.done for step in progress] == sorted(step.done for step in progress)
        before = len(asked)
        assert list(registry.download("timm:dla46_c.in1k")) == []
        assert classifiers.load("timm:dla46_c.in1k", "cpu").weights_sha256
        assert len(asked) == before
    assert registry.record("timm:dla46_c.in1k").weights.megabytes == pytest.approx(size / 1e6)
    assert capfd.readouterr() == ("", "")  # no bar of somebody else's


def test_the_old_format_where_there_is_no_other(tmp_path, cache, monkeypatch):
    place = tmp_path / "hub" / "timm" / "dla46_c.in1k"
    place.mkdir(parents=True)
    torch.save(weights("dla46_c.in1k"), place / "pytorch_model.bin")
    with hub.served(tmp_path / "hub") as (address, _):
        hub.use(monkeypatch, cache, address)
        assert classifiers.load("timm:dla46_c.in1k", "cpu").record.weights.name.endswith(".bin")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ((401, {"X-Error-Code": "GatedRepo"}), "is given only to those who accepted its terms"),
        ((404, {"X-Error-Code": "RepoNotFound"}), "on the hub, or it is private"),
        ((401, {}), "on the hub, or it is private"),
        ((404, {"X-Error-Code": "RevisionNotFound"}), "has no revision main"),
        ((403, {"X-Error-Code": "Other"}), "could not be downloaded (the hub answered 403)"),
    ],
)
def test_what_the_hub_may_answer(tmp_path, cache, monkeypatch, status, said):
    with hub.served(tmp_path, status) as (address, _):
        hub.use(monkeypatch, cache, address)
        with pytest.raises(ModelError, match=SENTENCE) as caught:
            list(registry.download("timm:dla46_c.in1k"))
    assert said in str(caught.value)


def test_a_bundle_is_verified_and_made_again_by_timm_alone(tmp_path, cache, capsys, monkeypatch):
    from tests.core.bundle.test_plain_captum import unpacked

    name = "test_resnet.r160_in1k"  # deeper random rectifiers make percents of mere rounding
    of_timm(name, cache)
    file = tmp_path / "swan.zip"
    ways = ["--window", "64", "--stride", "64"]
    for method in ("occlusion", "ig", "deep_lift", "guided_backprop", "grad_cam"):
        ways += ["--method", method]
    asked = ("explain", SWAN, "--model", f"timm:{name}", "--device", "cpu", *ways, "--steps", 8)
    assert main([*map(str, asked), "--bundle", str(file)]) == 0
    assert main(["verify", str(file), "--device", "cpu"]) == 0
    assert re.search(r"^Equal\.$", capsys.readouterr().out, re.M)
    folder = unpacked(file.read_bytes(), tmp_path / "bundle")
    told = json.loads((folder / "manifest.json").read_text("utf-8"))["exhibits"][0]["model"]
    assert told["name"] == f"timm:{name}"
    assert told["source"].startswith(f"timm, timm/{name}")
    import runpy

    script = folder / "plain_captum.py"
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert ended.value.code == 0, said
    assert "other weights" not in said


def test_batch_and_list(tmp_path, cache, capsys):
    name = "dla46_c.in1k"
    keep(cache, f"timm/{name}", {"model.safetensors": save(weights(name))})
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.jpg").write_bytes(SWAN.read_bytes())
    asked = ("batch", pictures, "--model", f"timm:{name}", "--device", "cpu", "--out")
    assert main([*map(str, asked), str(tmp_path / "out")]) == 0
    assert main(["models"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Also timm:NAME and hf:ORG/NAME or hf:FOLDER")
