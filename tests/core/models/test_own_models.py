"""A folder of one's own models: what is taken from it, and each way in which one is broken."""

import json
import os
import pickle
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle import plain_captum
from core.bundle.manifest import own_model, transform
from core.errors import ModelError
from core.models import classifiers, registry
from core.models.catalogue import Network, builtin
from core.models.own_models import read_folder
from core.models.own_networks import architectures, laid_out, network_of
from core.models.registry import FOLDER_VARIABLE
from core.models.torchvision_compat import torchvision
from core.pictures.picture import picture_from_file
from core.pictures.preprocessing import Preprocessing
from core.pictures.samples import samples
from tests import own, unprivileged
from tests.core.models.test_state_dicts import Harmful

KNOWN = {record.name: record for record in builtin()}
HEAD = 'title = "T"\narchitecture = "shufflenet_v2_x0_5"\nclasses = ["a", "b"]\n'


@pytest.fixture(scope="module")
def weights():
    return own.state()


@pytest.fixture(autouse=True)
def no_folder():
    yield
    registry.use_folder(None)


def broken(folder, name="pond"):
    """The sentence of the one broken model in a folder."""
    found, sentences = read_folder(folder, KNOWN)
    assert not found
    assert list(sentences) == [name]
    assert "\n" not in sentences[name]
    assert sentences[name].endswith(".")
    return sentences[name]


def described(folder, text, **options):
    return broken(own.make(folder, text=text, weights={}, **options).parent)


@pytest.mark.parametrize("file", ["weights.safetensors", "weights.pth", "best.PT"])
def test_a_model_becomes_a_record(tmp_path, weights, file):
    text = f"""title = "Pond birds"
    architecture = "{own.ARCHITECTURE}"
    classes = {json.dumps(own.CLASSES)}
    num_classes = 4
    licence = "CC BY 4.0"
    accuracy = 91
    source = "the pond"
    [preprocessing]
    resize = 80
    crop = 64
    mean = [0.5, 0.5, 0.5]
    std = [0.25, 0.25, 1]
    interpolation = "bicubic"
    """
    place = own.make(tmp_path, text=text, weights=weights, file=file)
    found, sentences = read_folder(tmp_path, KNOWN)
    assert (list(found), sentences) == (["pond"], {})
    record = found["pond"]
    assert (record.name, record.title) == ("pond", "Pond birds")
    assert record.class_names == own.CLASSES
    assert (record.licence, record.source) == ("CC BY 4.0", "the pond")
    assert record.top1 == "91.0 % top-1 as its owner says"
    assert record.preprocessing == Preprocessing(
        80, 64, (0.5, 0.5, 0.5), (0.25, 0.25, 1.0), "bicubic"
    )
    assert record.network == Network(own.ARCHITECTURE, (("num_classes", 4),))
    assert record.weights.path == place / file
    assert record.weights.present


def test_what_is_not_said_is_as_torchvision_trains_and_unknown_otherwise(tmp_path, weights):
    text = own.DESCRIPTION.split("[preprocessing]")[0]
    own.make(tmp_path, text=text, weights=weights)
    record = read_folder(tmp_path, KNOWN)[0]["pond"]
    assert record.preprocessing == KNOWN["resnet18"].preprocessing
    assert (record.licence, record.source, record.top1) == ("", "", "")


def test_resize_follows_the_crop(tmp_path, weights):
    own.make(tmp_path, weights=weights)
    assert read_folder(tmp_path, KNOWN)[0]["pond"].preprocessing.resize == 73


def test_classes_may_be_the_lines_of_a_file(tmp_path, weights):
    text = own.DESCRIPTION.replace(json.dumps(own.CLASSES), '"names.txt"')
    place = own.make(tmp_path, text=text, weights=weights)
    written = "\ufeff" + "\r\n".join([*own.CLASSES, "", ""])
    (place / "names.txt").write_bytes(written.encode())
    assert read_folder(tmp_path, KNOWN)[0]["pond"].class_names == own.CLASSES
    (place / "names.txt").write_bytes(b"a\n\nb\nc\n")
    assert broken(tmp_path) == (
        "pond/model.toml, line 3: names.txt, line 2: '' cannot be shown: give one line of 1 to "
        "200 characters."
    )
    (place / "names.txt").write_bytes(b"\n")
    assert "line 3: The list has 0 classes: give between 1" in broken(tmp_path)
    (place / "names.txt").write_bytes(b"a\xe9\nb\n")
    assert "names.txt is not UTF-8 text" in broken(tmp_path)
    (place / "names.txt").write_bytes(b"a\n" * 2_100_000)
    assert "pond/names.txt is larger than 4,000,000 bytes" in broken(tmp_path)


def test_one_loads_and_answers_and_its_digest_is_that_of_the_file(tmp_path, weights):
    import hashlib

    place = own.make(tmp_path, weights=weights)
    registry.use_folder(tmp_path)
    assert list(registry.records()) == [*KNOWN, "pond"]
    classifier = classifiers.load("pond", "cpu")
    data = (place / "weights.safetensors").read_bytes()
    assert classifier.weights_sha256 == hashlib.sha256(data).hexdigest()
    module = Network(own.ARCHITECTURE, (("num_classes", 4),)).build()
    module.load_state_dict(weights)
    inputs = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(classifier.logits(inputs), module.eval()(inputs))


def test_five_classes_are_asked_of_a_model_with_four(tmp_path, weights):
    own.make(tmp_path, weights=weights)
    registry.use_folder(tmp_path)
    classifier = classifiers.load("pond", "cpu")
    logits = torch.tensor([1.0, 2.0, 3.0, 0.0])
    assert [entry.index for entry in classifier.ranking(logits)] == [2, 1, 0, 3]


def test_a_folder_can_be_left_again(tmp_path, weights):
    own.make(tmp_path, weights=weights)
    registry.use_folder(tmp_path)
    assert "pond" in registry.records()
    with pytest.raises(ModelError, match=r"^The folder of models .* cannot be read \(No such file"):
        registry.use_folder(tmp_path / "absent")
    assert "pond" not in registry.records()


def test_one_broken_model_hides_no_other(tmp_path, weights):
    own.make(tmp_path, "first", weights=weights)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("not a model")
    (tmp_path / "two words").mkdir()
    own.make(tmp_path, "resnet18", weights=weights)
    own.make(tmp_path, "second", weights=weights)
    registry.use_folder(tmp_path)
    assert list(registry.records()) == [*KNOWN, "first"]
    assert registry.broken() == {
        "empty": "empty/model.toml is not there, or no file: put one there.",
        "resnet18": "There is a model resnet18 already: give the folder resnet18 another name.",
        "second": (
            "second/model.toml, line 1: Pond birds is the title of another model: choose another."
        ),
        "'two words'": (
            "The folder 'two words' cannot be a model's name: use letters, digits, - and _, at "
            "most 64, the first a letter or digit."
        ),
    }
    with pytest.raises(ModelError, match=r"^empty/model.toml is not there"):
        classifiers.load("empty")
    assert registry.record("resnet18") is registry.records()["resnet18"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("colour = 3", "line 4: colour is not known here: choose from title, architecture"),
        ('"a\\nb" = 3', r"line 4: 'a\nb' is not known here"),
        ("num_classes = 3", "line 4: num_classes is 3, and the list has 2 classes"),
        ("num_classes = true", "line 4: num_classes is True: give a whole number"),
        ('licence = ["MIT"]', "line 4: licence is ['MIT']: give one line of text"),
        (r'source = "a\u001bb"', r"line 4: 'a\x1bb' cannot be shown: give one line"),
        ("accuracy = nan", "line 4: accuracy is nan: give top-1 in percent"),
        ("accuracy = 101", "line 4: accuracy is 101: give top-1 in percent"),
        ('accuracy = "91 %"', "line 4: accuracy is '91 %': give top-1 in percent"),
        ("preprocessing = 3", "line 4: preprocessing is 3: give a table"),
        ("[preprocessing]\nsides = 3", "line 5: sides is not known here: choose from channels"),
        ("[preprocessing]\nsize = 3", "line 5: size is 3: give 16 to 1024 pixels, or [HEIGHT,"),
        ("[preprocessing]\nsize = [64]", "line 5: size is [64]: give 16 to 1024 pixels"),
        ("[preprocessing]\nsize = [64, 2.0]", "line 5: size is [64, 2.0]: give 16 to 1024 pixels"),
        ("[preprocessing]\nsize = 64\ncrop = 64", "line 6: size and crop mean the same"),
        ("[preprocessing]\nchannels = 0", "line 5: channels is 0: give 3 (colours), 1 (grey) or a"),
        ("[preprocessing]\nchannels = 513", "line 5: channels is 513: give 3 (colours), 1 (grey)"),
        ("[preprocessing]\nchannels = 4", "line 4: mean is missing here: give 4 numbers, in the o"),
        ("[preprocessing]\nchannels = 4\nmean = 0", "line 4: std is missing here: give 4 numbers"),
        ("[preprocessing]\nchannels = 4\nmean = [0, 1, 2]", "line 6: mean is [0, 1, 2]: give 4 nu"),
        ("[preprocessing]\nchannels = 4\nmean = -300\nstd = 0", "line 7: std is 0: give 4 numbers"),
        (
            "[preprocessing]\nchannels = 4\nmean = 0\nstd = 1\nfill = [1, 2, 3]",
            "line 8: fill is [1",
        ),
        (
            "[preprocessing]\nchannels = 512\nsize = 1024",
            "line 5: channels is 512, and its input w",
        ),
        ("transform_input = true", "line 4: transform_input belongs to googlenet and inception_v3"),
        ("transform_input = 1", "line 4: transform_input is 1: give true or false"),
        ('[preprocessing]\norder = "GBR"', "line 5: order is 'GBR': give one of RGB, BGR"),
        ('[preprocessing]\nchannels = 1\norder = "BGR"', "line 6: order is 'BGR', and the"),
        ("[preprocessing]\nscale = 0", "line 5: scale is 0: give the number that 255 becomes"),
        ('[preprocessing]\nresize = "crop"', "line 5: resize is 'crop': give one of short side"),
        ('[preprocessing]\nresize = "none"\nshort_side = 256', "line 6: short_side does not go"),
        ('[preprocessing]\nresize = "none"\ncrop_percentage = 1', "line 6: crop_percentage does"),
        ("[preprocessing]\nresize = 256\nshort_side = 256", "line 5: resize and short_side both"),
        ("[preprocessing]\nresize = 256\ncrop_percentage = 1", "line 5: resize does not go with"),
        ("[preprocessing]\ncrop_percentage = 87.5", "line 5: crop_percentage is 87.5: give the"),
        ("[preprocessing]\nshort_side = 200", "line 5: short_side is 200: give 224 (the crop) to"),
        ("[preprocessing]\nfill = 256", "line 5: fill is 256: give a number from 0 to 255, or"),
        ("[preprocessing]\nfill = [1, 2]", "line 5: fill is [1, 2]: give a number from 0 to 255"),
        ("[preprocessing]\nmean = 128", "line 5: mean is 128: give three numbers from 0 to 1, in"),
        (
            "[preprocessing]\nchannels = 1\nstd = 0",
            "line 6: std is 0: give a number from 0 to 1, not",
        ),
        ("[preprocessing]\ncrop = 3", "line 5: crop is 3: give 16 to 1024 pixels"),
        ("[preprocessing]\ncrop = 64.0", "line 5: crop is 64.0: give a whole number"),
        ("[preprocessing]\nresize = 200", "line 5: resize is 200: give 224 (the crop) to 2048"),
        ("[preprocessing]\nmean = 1.5", "line 5: mean is 1.5: give three numbers from 0 to 1"),
        ("[preprocessing]\nmean = [0, 1]", "line 5: mean is [0, 1]: give three numbers"),
        ("[preprocessing]\nmean = [0, 1, nan]", "line 5: mean is [0, 1, nan]: give three"),
        ("[preprocessing]\nstd = [0, 1, 1]", "line 5: std is [0, 1, 1]: give three numbers from"),
        ("[preprocessing]\nstd = [true, 1, 1]", "line 5: std is [True, 1, 1]: give three"),
        (
            '[preprocessing]\ninterpolation = "linear"',
            "line 5: interpolation is 'linear': give one of nearest, bilinear, bicubic, lanczos",
        ),
        ("[preprocessing", "line 4: this is not TOML"),
        (f"a = {'[' * 9000}", "pond/model.toml is nested too deeply or holds too long a number"),
        (f"a = {'9' * 9000}", "pond/model.toml is nested too deeply or holds too long a number"),
        (f"num_classes = 0x{'f' * 9000}", "line 4: num_classes is a very long number, and the"),
        ("#" * 70_000, "pond/model.toml is larger than 64,000 bytes: shorten it"),
    ],
)
def test_a_description_that_is_wrong_is_told_with_file_line_and_key(tmp_path, line, said):
    sentence = described(tmp_path, f"{HEAD}{line}\n")
    assert said in sentence
    assert sentence.startswith("pond/model.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: title is missing here: give a name for people."),
        (HEAD.replace('"T"', '" "'), "line 1: '' cannot be shown"),
        (HEAD.replace('"T"', '"ResNet-18"'), "line 1: ResNet-18 is the title of another model"),
        (HEAD.replace("shufflenet", "shuffle"), "line 2: there is no architecture 'shuffle_v2_"),
        (
            HEAD.replace("shufflenet_v2_x0_5", "fcn_resnet50"),
            "line 2: there is no architecture 'fcn_resnet50': give a classification model",
        ),
        (
            HEAD.replace('["a", "b"]', '["a"]'),
            "line 3: The list has 1 class, and the head softmax takes 2 or more",
        ),
        (HEAD.replace('["a", "b"]', '["a", 2]'), "line 3: classes is ['a', 2]: give a list"),
        (HEAD.replace('["a", "b"]', '["a", ""]'), "line 3: class 2: '' cannot be shown"),
        (HEAD.replace('["a", "b"]', "3"), "line 3: classes is 3: give a list of class names, or"),
        (HEAD.replace('["a", "b"]', '"no.txt"'), "line 3: pond/no.txt is not there, or no file"),
        (HEAD.replace('["a", "b"]', '"."'), "line 3: pond/. is not there, or no file"),
        (HEAD.replace('["a", "b"]', r'"a\u0000b"'), r"line 3: 'a\x00b' leads out of the model's"),
        (HEAD.replace('["a", "b"]', '"../x.txt"'), "line 3: pond/../x.txt leads out of the"),
        (HEAD.replace('["a", "b"]', '"/etc/passwd"'), "line 3: pond//etc/passwd leads out of"),
    ],
)
def test_what_a_description_must_say(tmp_path, text, said):
    (tmp_path / "x.txt").write_text("a\nb\n")
    assert said in described(tmp_path, text)


values = st.recursive(
    st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=30)),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)


def toml(value):
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return repr(value)


KEYS = (
    "title", "architecture", "classes", "num_classes", "licence", "accuracy", "anything",
    "transform_input",
)  # fmt: skip
INNER = (
    "crop", "size", "resize", "short_side", "crop_percentage", "mean", "std", "interpolation",
    "channels", "order", "scale", "fill",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory, weights):
    return own.make(tmp_path_factory.mktemp("hostile"), weights=weights)


@settings(deadline=None, max_examples=80)
@given(
    key=st.sampled_from(KEYS + INNER),
    value=values,
)
def test_hostile_values_are_a_model_or_one_sentence(place, key, value):
    given = {"title": "T", "architecture": own.ARCHITECTURE, "classes": list(own.CLASSES)}
    inner = {"crop": 64}
    (inner if key in INNER else given)[key] = value
    lines = [f"{name} = {toml(each)}" for name, each in given.items()]
    lines += ["[preprocessing]", *(f"{name} = {toml(each)}" for name, each in inner.items())]
    (place / "model.toml").write_text("\n".join(lines), "utf-8")
    found, sentences = read_folder(place.parent, KNOWN)
    assert len(found) + len(sentences) == 1
    for sentence in sentences.values():
        assert sentence.isprintable()
        assert len(sentence) < 600
    for record in found.values():
        assert len(record.class_names) == 4
        assert record.title.isprintable()


def test_weights_that_are_not_there_or_two(tmp_path, weights):
    place = own.make(tmp_path, weights=weights)
    (place / "old.pth").write_bytes(b"")
    (place / "._old.pth").write_bytes(b"")
    assert broken(tmp_path) == (
        "pond needs one file of weights (*.safetensors, *.pth, *.pt, *.ckpt, *.bin, *.pth.tar, "
        "*.pt2, *.onnx) "
        "beside model.toml, and there are 2 ('old.pth', 'weights.safetensors')."
    )
    (place / "old.pth").unlink()
    (place / "weights.safetensors").unlink()
    assert broken(tmp_path).endswith("beside model.toml, and there is none.")


@pytest.mark.parametrize("name", ["model.toml", "weights.safetensors", "names.txt"])
def test_a_link_that_leads_out_of_the_folder(tmp_path, weights, name):
    text = own.DESCRIPTION.replace(json.dumps(own.CLASSES), '"names.txt"')
    place = own.make(tmp_path / "models", text=text, weights=weights)
    (place / "names.txt").write_text("\n".join(own.CLASSES))
    assert "pond" in read_folder(tmp_path / "models", KNOWN)[0]
    (place / name).rename(tmp_path / name)
    (place / name).symlink_to(tmp_path / name)
    assert f"pond/{name} leads out of the model's folder: put the file itself there." in broken(
        tmp_path / "models"
    )
    (place / name).unlink()
    (place / name).symlink_to(name)
    assert f"pond/{name} " in broken(tmp_path / "models")


def test_a_link_within_the_folder_and_a_linked_folder_are_taken(tmp_path, weights):
    place = own.make(tmp_path / "elsewhere", weights=weights)
    (place / "runs").mkdir()
    (place / "weights.safetensors").rename(place / "runs" / "7.safetensors")
    (place / "weights.safetensors").symlink_to("runs/7.safetensors")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pond").symlink_to(place)
    assert list(read_folder(tmp_path / "models", KNOWN)[0]) == ["pond"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_no_file_and_does_not_hold_up_the_page(tmp_path, weights):
    place = own.make(tmp_path, weights=weights)
    (place / "weights.safetensors").unlink()
    os.mkfifo(place / "weights.pth")
    assert broken(tmp_path) == "pond/weights.pth is not there, or no file: put one there."


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_with_code_is_a_broken_model_and_nothing_is_run(tmp_path):
    place = own.make(tmp_path / "models", weights={})
    (place / "weights.safetensors").unlink()
    mark = tmp_path / "was here"
    (place / "weights.pth").write_bytes(pickle.dumps(Harmful(mark)))
    registry.use_folder(tmp_path / "models")
    assert registry.broken()["pond"].startswith(
        "pond/weights.pth is no state dict that can be read without running code from it"
    )
    with pytest.raises(ModelError, match="without running code"):
        classifiers.load("pond")
    assert not mark.exists()


def test_weights_that_do_not_fit(tmp_path, weights):
    place = own.make(tmp_path, weights={"module.fc.weight": torch.ones(1)})
    sentence = broken(tmp_path)
    assert sentence.startswith(
        "pond/weights.safetensors does not fit the network: its names begin with module., and "
        "without that: fc.weight is 1, not 4 × 1024; missing conv1.0.weight, "
    )
    assert sentence.endswith(" more. Check architecture and classes.")
    (place / "model.toml").write_text(
        own.DESCRIPTION.replace('"nothing"]', '"nothing", "fifth"]'), "utf-8"
    )
    (place / "weights.safetensors").unlink()
    torch.save(weights, place / "weights.pt")
    assert broken(tmp_path) == (
        "pond/weights.pt is of a network with 4 outputs, but 5 classes are listed: list one for "
        "each output."
    )


def test_weights_that_change_after_the_folder_was_read(tmp_path, weights):
    place = own.make(tmp_path, weights=weights, file="weights.pth")
    registry.use_folder(tmp_path)
    torch.save({**weights, "fc.bias": torch.ones(7)}, place / "weights.pth")
    with pytest.raises(ModelError, match=r"^weights.pth is of a network with 7 outputs|not fit"):
        classifiers.load("pond")
    (place / "weights.pth").unlink()
    with pytest.raises(ModelError, match=r"^The weights weights.pth are gone from "):
        classifiers.load("pond")


@pytest.mark.parametrize("name", ["regnet_y_400mf", "maxvit_t", "vit_b_32", "inception_v3"])
def test_networks_that_are_built_in_a_way_of_their_own(name):
    crop = {"inception_v3": 96}.get(name, 224)
    network = network_of(name, 3, replace(KNOWN["resnet18"].preprocessing, crop=crop))
    layout = laid_out(network, (crop, crop), 3)
    assert all(tensor.is_meta for tensor in layout.values())
    if name == "regnet_y_400mf":  # the others are large
        built = network.build().state_dict()
        assert {key: value.shape for key, value in built.items()} == {
            key: value.shape for key, value in layout.items()
        }


INCEPTION = HEAD.replace("shufflenet_v2_x0_5", "NAME") + "SAID[preprocessing]\nsize = 96\n"


@pytest.mark.parametrize(
    ("name", "said"), [("googlenet", None), ("googlenet", False), ("inception_v3", True)]
)
def test_transform_input_is_as_torchvision_does_it(tmp_path, name, said):
    build = torchvision.models.get_model
    transforms = True if said is None else said  # as with torchvision's trained weights
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"num_classes": 2, "init_weights": False, "aux_logits": True}
        trained = build(name, weights=None, transform_input=transforms, **options).eval()
        for part in trained.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.train().momentum = None  # without it, answers hardly depend on the input
        with torch.no_grad():
            trained(torch.randn(4, 3, 96, 96))
        trained.eval()
    words = "" if said is None else f"transform_input = {toml(said)}\n"
    text = INCEPTION.replace("NAME", name).replace("SAID", words)
    own.make(tmp_path, "eye", text, trained.state_dict())
    registry.use_folder(tmp_path)
    assert registry.broken() == {}
    inputs = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 4 - 2
    classifier = classifiers.load("eye", "cpu")
    with torch.no_grad():
        torch.testing.assert_close(classifier.logits(inputs), trained(inputs), atol=1e-5, rtol=1e-5)
        trained.transform_input = not transforms
        assert (classifier.logits(inputs) - trained(inputs)).abs().max() > 1e-3
    notes = [note for note in classifier.record.notes if "transform_input" in note]
    assert notes == (
        [
            "eye/model.toml does not say transform_input: true is assumed, as for torchvision's "
            "trained weights; say false if the network was trained from the start."
        ]
        if said is None
        else []
    )
    # The script in a bundle builds it from the same options.
    assert dict(classifier.record.network.options)["transform_input"] is transforms
    file = tmp_path / "eye" / "weights.safetensors"
    record = {
        "name": "eye", "title": "T", "weights_file": file.name,
        "weights_sha256": classifier.weights_sha256,
        "preprocessing": transform(classifier.record.preprocessing),
        **own_model(classifier.record),
    }  # fmt: skip
    script = plain_captum.network(json.loads(json.dumps(record)), [file])
    with torch.no_grad():
        torch.testing.assert_close(script(inputs), classifier.logits(inputs), atol=1e-5, rtol=1e-5)


def test_a_fine_tuned_file_may_lack_the_heads_for_training(tmp_path):
    options = {"num_classes": 2, "init_weights": False, "aux_logits": False}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trained = torchvision.models.get_model("googlenet", weights=None, **options)
    text = INCEPTION.replace("NAME", "googlenet").replace("SAID", "transform_input = false\n")
    own.make(tmp_path, text=text, weights=trained.state_dict())
    found, sentences = read_folder(tmp_path, KNOWN)
    assert (list(found), sentences) == (["pond"], {})


def test_channels_that_torchvision_does_not_transform(tmp_path):
    text = INCEPTION.replace("NAME", "googlenet").replace("SAID", "transform_input = true\n")
    text += "channels = 4\nmean = 0\nstd = 1\n"
    assert (
        "line 4: transform_input is true, and the model takes 4 channels, while torchvision "
        "transforms red, green and blue: say false." in described(tmp_path / "one", text)
    )
    plain = HEAD + "[preprocessing]\nsize = 64\nchannels = 4\nmean = [0, -3.5, 300, 1]\nstd = 20\n"
    weights = Network("shufflenet_v2_x0_5", (("num_classes", 2),), 4).build().state_dict()
    own.make(tmp_path / "two", text=plain, weights=weights)
    record = read_folder(tmp_path / "two", KNOWN)[0]["pond"]
    assert record.preprocessing.shape == (4, 64, 64)
    assert record.preprocessing.mean == (0.0, -3.5, 300.0, 1.0)
    assert record.preprocessing.std == (20.0,) * 4
    assert record.notes[0].startswith("pond takes 4 channels, and no photos: pictures for it are")
    assert weights["conv1.0.weight"].shape == (24, 4, 3, 3)


def test_a_size_that_the_network_cannot_take(tmp_path):
    text = HEAD.replace("shufflenet_v2_x0_5", "vit_b_16") + "[preprocessing]\ncrop = 65\n"
    assert "line 2: vit_b_16 cannot take pictures of 65 × 65 pixels (" in described(tmp_path, text)
    assert "quantized_resnet18" not in architectures()


def test_the_environment_names_a_folder_too(tmp_path, monkeypatch):
    from core.models.registry import folder_or_default

    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert folder_or_default(None) is None
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert folder_or_default(None) == tmp_path
    assert folder_or_default(tmp_path / "other") == tmp_path / "other"


def test_how_weights_are_used_tells_models_apart(tmp_path, weights):
    """The cache on disk must not answer for the same weights behind other preprocessing."""
    from core.methods.identity import identity

    own.make(tmp_path, weights=weights)
    registry.use_folder(tmp_path)
    one = classifiers.load("pond", "cpu")
    other = replace(one.record.preprocessing, interpolation="bicubic")
    two = replace(one, record=replace(one.record, preprocessing=other))
    assert identity(one) != identity(two)


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ("x" * 5000, "cannot be read (File name too long): check it."),
        ("a" + "/b" * 4000, "cannot be read (File name too long): check it."),
        ("a\\u0000b", "leads out of the model's folder: put the file itself there."),
        ("/dev/zero", "leads out of the model's folder: put the file itself there."),
        (".", "is not there, or no file: put one there."),
    ],
)
def test_a_list_of_classes_under_an_absurd_name(tmp_path, classes, reason):
    text = HEAD.replace('["a", "b"]', f'"{classes}"')
    sentence = described(tmp_path, text)
    assert sentence.startswith("pond/model.toml, line 3: ")
    assert sentence.endswith(reason)
    assert "Errno" not in sentence


def test_what_must_not_be_read_is_said_in_words():
    imports = (
        "import json\nfrom pathlib import Path\nfrom core.models.own_models import read_folder"
    )
    code = "print(json.dumps(read_folder(Path(sys.argv[1]), {})[1]))"
    with unprivileged.place() as folder:
        for name in ("shut", "half", "closed"):
            own.make(folder / "models", name, text=HEAD, weights={})
        (folder / "models" / "shut").chmod(0)
        (folder / "models" / "half").chmod(0o444)
        (folder / "models" / "closed" / "model.toml").chmod(0)
        found = json.loads(unprivileged.run(imports, code, folder / "models").stdout)
    assert found["shut"] == "shut/model.toml cannot be read (Permission denied): check it."
    assert found["half"] == "half/model.toml cannot be read (Permission denied): check it."
    assert found["closed"].endswith(
        "model.toml cannot be read (Permission denied): check the path."
    )


TIMM = 'title = "T"\narchitecture = "timm:test_resnet"\nclasses = ["a", "b", "c"]\n'


def timms(**options):
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm.create_model("test_resnet", num_classes=3, **options).eval()


def test_an_architecture_of_timms_with_a_checkpoint_of_ones_own(tmp_path):
    network = timms()
    place = own.make(tmp_path, text=TIMM, weights={}, file="w.pth")
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, place / "w.pth")
    registry.use_folder(tmp_path)
    found = classifiers.load("pond", "cpu")
    record = found.record
    assert (record.network.name, record.network.options) == (
        "timm:test_resnet",
        (("num_classes", 3),),
    )
    assert record.class_names == ("a", "b", "c")
    assert record.code.startswith("timm ")
    assumed, unwrapped = record.notes
    assert assumed == (
        "pond/model.toml does not say how the model sees a picture: 160 × 160 pixels, resized and "
        "normalised as timm does for test_resnet, is assumed."
    )
    assert unwrapped.startswith("pond/w.pth holds the weights under state_dict")
    import timm

    photo = next(iter(samples().values())).path
    image = picture_from_file(photo).image
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    inputs = found.preprocess(image)
    assert torch.equal(inputs, transform(image)[None])
    with torch.no_grad():
        torch.testing.assert_close(found.logits(inputs), network(inputs))


def test_what_a_description_says_goes_before_what_timm_says(tmp_path):
    text = TIMM + "[preprocessing]\nchannels = 1\ncrop = 64\n"
    own.make(tmp_path, text=text, weights=timms(in_chans=1).state_dict())
    record = read_folder(tmp_path, KNOWN)[0]["pond"]
    assert record.preprocessing.shape == (1, 64, 64)
    assert record.network.options == (("num_classes", 3), ("in_chans", 1))
    assert record.notes == ()


def test_a_transformer_of_timms_is_built_for_the_size(tmp_path):
    text = TIMM.replace("resnet", "vit") + "[preprocessing]\ncrop = 64\n"
    sentence = described(tmp_path, text)
    assert sentence.startswith("pond/weights.safetensors does not fit the network: missing ")
    built = network_of("timm:test_vit", 3, Preprocessing(64, 64, (0.5,), (0.5,), "bilinear"))
    assert built.options == (("num_classes", 3), ("img_size", (64, 64)))
    assert all(each.is_meta for each in laid_out(built, (64, 64), 3).values())


def test_an_architecture_that_timm_does_not_have(tmp_path):
    own.make(tmp_path, text=TIMM.replace("test_resnet", "resnt18"), weights={})
    sentence = read_folder(tmp_path, KNOWN)[1]["pond"]
    assert sentence.startswith(
        "pond/model.toml, line 2: timm has no model 'resnt18': did you mean resnet18"
    )


def test_without_timm(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert "For this model timm is needed, which is not installed" in described(tmp_path, TIMM)
