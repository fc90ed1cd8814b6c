"""Image classifiers of transformers: predictions as its own, and each way to be refused."""

import json
import logging
import socketserver
import sys
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from benchmarks.random_models import PROCESSORS, TRANSFORMERS, of_transformers, processor_of
from core.__main__ import main
from core.errors import ModelError
from core.models import classifiers, hf_models, registry
from core.models.heads import SOFTMAX, VALUE, Head
from core.models.torchvision_compat import torchvision
from core.pictures.samples import samples
from tests import hub
from tests.core.models.test_state_dicts import Harmful

assert torchvision  # before transformers, which imports it
import transformers as tf  # noqa: E402

SWAN = samples()["swan"].path
SENTENCE = r"^[^\n]*\.$"
BIRDS = {0: "mute swan", 1: "king penguin", 2: "duck", 3: "nothing"}
NAMED = {"id2label": BIRDS, "label2id": {name: i for i, name in BIRDS.items()}}
FAMILIES = {
    family: (getattr(tf, f"{kind}Config"), small) for family, (kind, small) in TRANSFORMERS.items()
}


def saved(folder, family="resnet", network=None, **options):
    """A model as transformers saves it, with random weights; returns it and the folder."""
    made, small = FAMILIES[family]
    config = made(**{**NAMED, **small, **options})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind = network or tf.AutoModelForImageClassification._model_mapping[made]
        kind = kind[0] if isinstance(kind, tuple) else kind
        model = kind(config).eval()
    before = tf.utils.logging.is_progress_bar_enabled()
    tf.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    if before:
        tf.utils.logging.enable_progress_bar()
    name, settings = PROCESSORS[family]
    getattr(tf, f"{name}Pil")(**settings).save_pretrained(folder)
    return model


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    hf_models._known.cache_clear()  # another test's repository may have had the same name
    place = tmp_path / "cache"
    place.mkdir()
    hub.use(monkeypatch, place)
    return place


def refused(name):
    with pytest.raises(ModelError, match=SENTENCE) as caught:
        classifiers.load(name, "cpu")
    return str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_are_those_of_transformers(tmp_path, family):
    theirs = of_transformers(family, tmp_path / "m", BIRDS)
    ours = classifiers.load(f"hf:{tmp_path / 'm'}", "cpu")
    processor = type(processor_of(family)).from_pretrained(tmp_path / "m")
    for sample in samples().values():
        photo = Image.open(sample.path).convert("RGB")
        inputs = processor(photo, return_tensors="pt")["pixel_values"]
        assert (ours.preprocess(photo) - inputs).abs().max() < 1e-6
        with torch.no_grad():
            expected = theirs(inputs).logits
        found = ours.logits(ours.preprocess(photo))
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert ours.class_names == tuple(BIRDS.values())
    assert ours.record.title == "m (Hugging Face)"
    assert (ours.head, ours.record.licence) == (SOFTMAX, "")


@pytest.mark.parametrize(
    ("options", "head"),
    [
        ({"problem_type": "multi_label_classification"}, Head("sigmoid")),
        ({"problem_type": "regression"}, VALUE),
        ({"id2label": {0: "age"}, "label2id": {"age": 0}}, VALUE),
    ],
)
def test_what_the_outputs_mean(tmp_path, options, head):
    saved(tmp_path / "m", **options)
    assert classifiers.load(f"hf:{tmp_path / 'm'}", "cpu").head == head


def test_classes_without_names_are_told(tmp_path):
    saved(tmp_path / "m", id2label={0: "LABEL_0", 1: "LABEL_1"}, label2id={})
    found = registry.record(f"hf:{tmp_path / 'm'}")
    assert found.class_names == ("LABEL_0", "LABEL_1")
    assert "names no classes" in found.notes[0]


def changed(folder, file="config.json", **values):
    told = json.loads((folder / file).read_text("utf-8"))
    (folder / file).write_text(json.dumps({**told, **values}), "utf-8")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"auto_map": {"AutoConfig": "x.Y"}}, "asks to run code of its own, which is never done"),
        ({"quantization_config": {"bits": 4}}, "is quantised (4 bits), and such weights have no"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            "is quantised ('bitsandbytes', 8 bits), and",
        ),
        ({"quantization_config": {"quant_method": ["\x1b"]}}, "is quantised, and"),
        ({"model_type": "no_such"}, "has no model of the type 'no_such'"),
        ({"model_type": None}, "has no model of the type None"),
        ({"model_type": "bert", "architectures": ["BertModel"]}, "it is 'BertModel'. Choose"),
        (
            {"model_type": "detr", "architectures": ["DetrForObjectDetection"]},
            "is no image classifier: it is 'DetrForObjectDetection'.",
        ),
        ({"architectures": ["ResNetBackbone"]}, "it is 'ResNetBackbone'."),
        ({"depths": "many"}, "is not one of resnet ("),
        ({"depths": [1, 2]}, "is no trained ResNetForImageClassification: it has no resnet."),
        ({"num_channels": 1}, "takes 1 channels, and its preprocessing gives 3"),
        (
            {"id2label": {"0": "a", "1": "b"}},
            "model.safetensors is of a network with 4 outputs, but config.json names 2 classes "
            "(id2label): name one for each output there.",
        ),
        (
            {"embedding_size": 4},
            "does not fit ResNetForImageClassification: resnet.embedder.embedder.convolution."
            "weight is ",
        ),
    ],
)
def test_a_configuration_that_is_refused(tmp_path, values, said):
    saved(tmp_path / "m")
    changed(tmp_path / "m", **values)
    assert said in refused(f"hf:{tmp_path / 'm'}")


def test_a_network_below_a_classifier(tmp_path):
    saved(tmp_path / "m", network=tf.ResNetModel)
    changed(tmp_path / "m", architectures=["ResNetForImageClassification"])
    assert "it has no classifier.1.bias and 1 more. Choose" in refused(f"hf:{tmp_path / 'm'}")


def test_a_processor_that_is_missing_or_of_its_own_code_or_of_another_size(tmp_path):
    saved(tmp_path / "m")
    changed(tmp_path / "m", "preprocessor_config.json", auto_map={"AutoImageProcessor": "x.Y"})
    assert "a processor of transformers itself" in refused(f"hf:{tmp_path / 'm'}")
    saved(tmp_path / "v", "vit")
    changed(tmp_path / "v", "preprocessor_config.json", size={"height": 96, "width": 96})
    assert "cannot take pictures of 96 × 96 pixels" in refused(f"hf:{tmp_path / 'v'}")


@pytest.mark.parametrize(
    ("family", "options", "shown", "source"),
    [
        ("vit", {"image_size": 64}, (64, 64, "squash", 0.5), "ViTImageProcessor"),
        ("resnet", {}, (256, 224, "short side", 0.5), "ConvNextImageProcessor"),
    ],
)
def test_without_a_processor_that_of_its_type_is_assumed_and_told(
    tmp_path, family, options, shown, source
):
    saved(tmp_path / "m", family, **options)
    (tmp_path / "m" / "preprocessor_config.json").unlink()
    found = classifiers.load(f"hf:{tmp_path / 'm'}", "cpu").record
    resize, side, mode, mean = shown
    assert found.preprocessing.size == (side, side)
    assert found.preprocessing.mode == mode
    assert found.preprocessing.resize in (resize, (resize, resize))
    assert found.preprocessing.mean == (mean,) * 3
    (note,) = found.notes
    assert note.endswith(
        " has no preprocessor_config.json, which says how it sees a picture: "
        f"{side} × {side} pixels, mean 0.5, 0.5, 0.5 and standard deviation 0.5, 0.5, 0.5, as a "
        f"{source} does it, are assumed."
    )


def test_files_that_are_damaged_or_hold_code(tmp_path):
    place, mark = tmp_path / "m", tmp_path / "was here"
    model = saved(place)
    (place / "model.safetensors").unlink()
    torch.save(model.state_dict(), place / "pytorch_model.bin")
    assert classifiers.load(f"hf:{place}", "cpu").weights_sha256
    torch.save({"x": Harmful(mark)}, place / "pytorch_model.bin")
    assert "without running code" in refused(f"hf:{place}")
    assert not mark.exists()
    (place / "pytorch_model.bin").write_bytes(b"hello")
    assert "cannot be read: it is damaged" in refused(f"hf:{place}")
    (place / "pytorch_model.bin").unlink()
    assert "has neither model.safetensors nor pytorch_model.bin, in one file or several" in refused(
        f"hf:{place}"
    )
    other = tmp_path / "o"
    saved(other)
    (other / "config.json").write_text("{", "utf-8")
    assert "config.json of" in refused(f"hf:{other}")
    (other / "config.json").write_text("[]", "utf-8")
    assert "holds no settings" in refused(f"hf:{other}")
    (other / "config.json").unlink()
    assert refused(f"hf:{other}").startswith("There is no config.json in the folder ")


@pytest.mark.parametrize("name", ["", "nothing", "a/b/c", "../x", "a/..", "a b/c", "a/b\n", "\0"])
def test_what_is_no_name(name):
    assert "is neither a folder here nor the name of a repository" in refused(f"hf:{name}")


def test_a_repository_is_downloaded_once_and_then_needs_no_hub(
    tmp_path, cache, monkeypatch, caplog
):
    saved(tmp_path / "hub" / "birds" / "pond")
    with hub.served(tmp_path / "hub") as (address, asked):
        hub.use(monkeypatch, cache, address)
        found = registry.record("hf:birds/pond")
        assert found.source == f"Hugging Face hub, birds/pond, commit {hub.COMMIT[:12]}"
        assert not found.weights.present
        progress = list(registry.download("hf:birds/pond"))
        assert progress[-1].done == progress[-1].total > 0
        assert not [each for each in asked if "/resolve/main/model" in each]  # of one commit
        assert "has no file" not in refused("hf:birds/absent")
    hub.use(monkeypatch, cache)
    assert classifiers.load("hf:birds/pond", "cpu").class_names == tuple(BIRDS.values())
    caplog.clear()
    assert "and the hub cannot be reached" in refused("hf:birds/other")
    # The command line shows warnings, and there the sentence is enough.
    ours = [each for each in caplog.records if each.name.startswith("core")]
    assert [each for each in ours if each.levelno >= logging.WARNING] == []


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch, cache):
    asked = []

    class Silent(socketserver.BaseRequestHandler):
        def handle(self):
            asked.append(self.request.recv(4))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,)).start()
        hub.use(monkeypatch, cache, f"http://127.0.0.1:{running.server_address[1]}")
        assert "and the hub cannot be reached" in refused("hf:birds/pond")
        running.shutdown()
    assert asked.count(b"HEAD") == 1


def test_without_transformers_one_sentence_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert refused("hf:birds/absent-too") == (
        "For this model transformers is needed, which is not installed: install it with "
        "`pip install -r requirements-models.txt`."
    )


@pytest.mark.parametrize("family", ["resnet", "vit"])
def test_a_bundle_is_verified_and_made_again_by_transformers_alone(
    tmp_path, capsys, monkeypatch, family
):
    from tests.core.bundle.test_plain_captum import unpacked

    name = f"hf:{tmp_path / 'm'}"
    saved(tmp_path / "m", family, problem_type="multi_label_classification")
    file = tmp_path / "swan.zip"
    ways = ["--window", "16", "--stride", "16", "--method", "occlusion", "--method", "ig"]
    if family == "resnet":
        ways += ["--method", "deep_lift", "--method", "guided_backprop", "--method", "grad_cam"]
    asked = ("explain", SWAN, "--model", name, "--device", "cpu", *ways, "--steps", 8)
    assert main([*map(str, asked), "--bundle", str(file)]) == 0
    assert main(["verify", str(file), "--device", "cpu"]) == 0
    assert "Equal." in capsys.readouterr().out.splitlines()
    folder = unpacked(file.read_bytes(), tmp_path / "bundle")
    told = json.loads((folder / "manifest.json").read_text("utf-8"))["exhibits"][0]["model"]
    assert told["name"] == name
    assert told["head"]["kind"] == "sigmoid"
    import runpy

    script = folder / "plain_captum.py"
    monkeypatch.setattr(sys, "argv", [str(script)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert ended.value.code == 0, said
    assert "other weights" not in said


def in_parts(folder, kind="model.safetensors"):
    """Write the weights of a saved model again, as transformers does, or did, with large ones."""
    stem, suffix = kind.split(".")
    write = save_file if suffix == "safetensors" else torch.save
    whole = folder / "model.safetensors"
    state = load_file(whole)
    whole.unlink()
    names, index = sorted(state), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"{stem}-{number:05}-of-00002.{suffix}"
        write({name: state[name] for name in part}, folder / file)
        index.update(dict.fromkeys(part, file))
    told = {"metadata": {"total_size": 1}, "weight_map": index}
    (folder / f"{kind}.index.json").write_text(json.dumps(told), "utf-8")


@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_weights_in_several_files(tmp_path, kind):
    place = tmp_path / "m"
    saved(place)
    one = classifiers.load(f"hf:{place}", "cpu")
    in_parts(place, kind)
    second = f"{kind.replace('.', '-00002-of-00002.')}"
    several = classifiers.load(f"hf:{place}", "cpu")
    assert several.weights_sha256 == one.weights_sha256
    assert several.record.weights.name.endswith(f"/{second.replace('00002-of', '00001-of')}")
    bytes_of = [each.stat().st_size for each in place.glob("*-of-00002.*")]
    assert several.record.weights.megabytes == sum(bytes_of) / 1e6
    (place / second).unlink()
    assert refused(f"hf:{place}").startswith(f"There is no {second} in ")


def test_code_in_one_of_several_files_is_not_run(tmp_path):
    place, touched = tmp_path / "m", tmp_path / "touched"
    saved(place)
    in_parts(place, "pytorch_model.bin")

    class Evil:
        def __reduce__(self):
            return Path.touch, (touched,)

    torch.save({"a": Evil()}, place / "pytorch_model-00002-of-00002.bin")
    assert "no state dict that can be read without running code" in refused(f"hf:{place}")
    assert not touched.exists()


@pytest.mark.parametrize("held", ["../other.safetensors", "/etc/passwd", "x.bin", 3, None])
def test_an_index_that_names_what_is_no_file_beside_it(tmp_path, held):
    saved(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    told = {"weight_map": {"a": held}} if held is not None else {}
    (tmp_path / "m" / "model.safetensors.index.json").write_text(json.dumps(told), "utf-8")
    assert f"names {held!r}, which is no file of weights" in refused(f"hf:{tmp_path / 'm'}")


@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_several_files_are_downloaded_with_one_progress(tmp_path, cache, monkeypatch, kind):
    place = tmp_path / "hub" / "birds" / "pond"
    saved(place)
    in_parts(place, kind)
    (place / "README.md").write_text("---\nlicense: mit\n---\n", "utf-8")
    with hub.served(tmp_path / "hub") as (address, _):
        hub.use(monkeypatch, cache, address)
        assert registry.record("hf:birds/pond").licence == "mit"
        done = [step.done for step in registry.download("hf:birds/pond")]
    sizes = [file.stat().st_size for file in place.glob("*-of-00002.*")]
    assert done == sorted(done)
    assert done[-1] == sum(sizes)
    assert classifiers.load("hf:birds/pond", "cpu").class_names == tuple(BIRDS.values())


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_quantised_weights(tmp_path, dtype, file):
    place = tmp_path / "m"
    model = saved(place)
    (place / "model.safetensors").unlink()
    state = {**model.state_dict(), "classifier.1.weight": torch.ones(4, 16).to(dtype)}
    (save_file if file.endswith("safetensors") else torch.save)(state, place / file)
    said = refused(f"hf:{place}")
    assert f"classifier.1.weight as {str(dtype).removeprefix('torch.')}: the weights are" in said


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags:\n- vision\n---\n# Birds", "apache-2.0"),
        ('---\r\ntags: [x]\r\nlicense: "cc-by-4.0"  # theirs\r\n---\r\n', "cc-by-4.0"),
        ("---\nlicense: other\nlicense_name: pond-terms\n---\n", "pond-terms"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\ntitle: x\n---\nlicense: mit\n", ""),
        ("license: mit\n", ""),
        ("---\nlicense: mit\n", ""),
        ("---\nlicense: \x1b[2Jmit\n---\n", "mit"),
        ("", ""),
    ],
)
def test_the_licence_is_that_of_the_model_card(tmp_path, card, licence):
    saved(tmp_path / "m")
    (tmp_path / "m" / "README.md").write_bytes(card.encode())
    found = registry.record(f"hf:{tmp_path / 'm'}").licence
    assert found.isprintable()
    assert found == licence or (licence == "mit" and found.endswith("mit"))
