"""A folder of one's own models: what is taken from it, and each way in which one is broken."""

import json
import os
import pickle
from dataclasses import replace

import own
import pytest
import torch
import unprivileged
from hypothesis import given, settings
from hypothesis import strategies as st
from test_state_dicts import Harmful

from core import models
from core.catalogue import Network, builtin
from core.errors import ModelError
from core.own_models import FOLDER_VARIABLE, _architectures, _layout, _options, read_folder
from core.preprocessing import Preprocessing

KNOWN = {record.name: record for record in builtin()}
HEAD = 'title = "T"\narchitecture = "shufflenet_v2_x0_5"\nclasses = ["a", "b"]\n'


@pytest.fixture(scope="module")
def weights():
    return own.state()


@pytest.fixture(autouse=True)
def no_folder():
    yield
    models.use_folder(None)


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
    assert "line 3: 0 classes are listed: list between 2" in broken(tmp_path)
    (place / "names.txt").write_bytes(b"a\xe9\nb\n")
    assert "names.txt is not UTF-8 text" in broken(tmp_path)
    (place / "names.txt").write_bytes(b"a\n" * 2_100_000)
    assert "pond/names.txt is larger than 4,000,000 bytes" in broken(tmp_path)


def test_one_loads_and_answers_and_its_digest_is_that_of_the_file(tmp_path, weights):
    import hashlib

    place = own.make(tmp_path, weights=weights)
    models.use_folder(tmp_path)
    assert list(models.registry()) == [*KNOWN, "pond"]
    classifier = models.load("pond", "cpu")
    data = (place / "weights.safetensors").read_bytes()
    assert classifier.weights_sha256 == hashlib.sha256(data).hexdigest()
    module = Network(own.ARCHITECTURE, (("num_classes", 4),)).build()
    module.load_state_dict(weights)
    inputs = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(classifier.logits(inputs), module.eval()(inputs))


def test_five_classes_are_asked_of_a_model_with_four(tmp_path, weights):
    own.make(tmp_path, weights=weights)
    models.use_folder(tmp_path)
    classifier = models.load("pond", "cpu")
    logits = torch.tensor([1.0, 2.0, 3.0, 0.0])
    assert [entry.index for entry in classifier.ranking(logits)] == [2, 1, 0, 3]


def test_a_folder_can_be_left_again(tmp_path, weights):
    own.make(tmp_path, weights=weights)
    models.use_folder(tmp_path)
    assert "pond" in models.registry()
    with pytest.raises(ModelError, match=r"^The folder of models .* cannot be read \(No such file"):
        models.use_folder(tmp_path / "absent")
    assert "pond" not in models.registry()


def test_one_broken_model_hides_no_other(tmp_path, weights):
    own.make(tmp_path, "first", weights=weights)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("not a model")
    (tmp_path / "two words").mkdir()
    own.make(tmp_path, "resnet18", weights=weights)
    own.make(tmp_path, "second", weights=weights)
    models.use_folder(tmp_path)
    assert list(models.registry()) == [*KNOWN, "first"]
    assert models.broken() == {
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
        models.load("empty")
    assert models.record("resnet18") is models.registry()["resnet18"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("colour = 3", "line 4: colour is not known here: choose from title, architecture"),
        ('"a\\nb" = 3', r"line 4: 'a\nb' is not known here"),
        ("num_classes = 3", "line 4: num_classes is 3, but 2 classes are listed"),
        ("num_classes = true", "line 4: num_classes is True: give a whole number"),
        ('licence = ["MIT"]', "line 4: licence is ['MIT']: give one line of text"),
        (r'source = "a\u001bb"', r"line 4: 'a\x1bb' cannot be shown: give one line"),
        ("accuracy = nan", "line 4: accuracy is nan: give top-1 in percent"),
        ("accuracy = 101", "line 4: accuracy is 101: give top-1 in percent"),
        ('accuracy = "91 %"', "line 4: accuracy is '91 %': give top-1 in percent"),
        ("preprocessing = 3", "line 4: preprocessing is 3: give a table"),
        ("[preprocessing]\nsize = 3", "line 5: size is not known here: choose from crop"),
        ("[preprocessing]\ncrop = 3", "line 5: crop is 3: give 16 to 1024 pixels"),
        ("[preprocessing]\ncrop = 64.0", "line 5: crop is 64.0: give a whole number"),
        ("[preprocessing]\nresize = 200", "line 5: resize is 200: give 224 (the crop) to 2048"),
        ("[preprocessing]\nmean = 0.5", "line 5: mean is 0.5: give three numbers from 0 to 1"),
        ("[preprocessing]\nmean = [0, 1]", "line 5: mean is [0, 1]: give three numbers"),
        ("[preprocessing]\nmean = [0, 1, nan]", "line 5: mean is [0, 1, nan]: give three"),
        ("[preprocessing]\nstd = [0, 1, 1]", "line 5: std is [0, 1, 1]: give three numbers from"),
        ("[preprocessing]\nstd = [true, 1, 1]", "line 5: std is [True, 1, 1]: give three"),
        (
            '[preprocessing]\ninterpolation = "nearest"',
            "line 5: interpolation is 'nearest': give bilinear or bicubic",
        ),
        ("[preprocessing", "line 4: this is not TOML"),
        (f"a = {'[' * 9000}", "pond/model.toml is TOML that nobody writes"),
        (f"a = {'9' * 9000}", "pond/model.toml is TOML that nobody writes"),
        (f"num_classes = 0x{'f' * 9000}", "line 4: num_classes is a very long number, but 2"),
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
        (HEAD.replace('["a", "b"]', '["a"]'), "line 3: 1 classes are listed: list between 2"),
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


KEYS = ("title", "architecture", "classes", "num_classes", "licence", "accuracy", "anything")
INNER = ("crop", "resize", "mean", "std", "interpolation")


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
        "pond needs one file of weights (*.safetensors, *.pth or *.pt) beside model.toml, and "
        "there are 2 ('old.pth', 'weights.safetensors')."
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
    models.use_folder(tmp_path / "models")
    assert models.broken()["pond"].startswith(
        "pond/weights.pth is no state dict that can be read without running code from it"
    )
    with pytest.raises(ModelError, match="without running code"):
        models.load("pond")
    assert not mark.exists()


def test_weights_that_do_not_fit(tmp_path, weights):
    place = own.make(tmp_path, weights={"module.fc.weight": torch.ones(1)})
    sentence = broken(tmp_path)
    assert sentence.startswith(
        "pond/weights.safetensors does not fit the network: missing conv1.0.weight, "
    )
    assert "; not expected module.fc.weight. Check architecture" in sentence
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
    models.use_folder(tmp_path)
    torch.save({**weights, "fc.bias": torch.ones(7)}, place / "weights.pth")
    with pytest.raises(ModelError, match=r"^weights.pth is of a network with 7 outputs|not fit"):
        models.load("pond")
    (place / "weights.pth").unlink()
    with pytest.raises(ModelError, match=r"^The weights weights.pth are gone from "):
        models.load("pond")


@pytest.mark.parametrize("name", ["regnet_y_400mf", "maxvit_t", "vit_b_32", "inception_v3"])
def test_networks_that_are_built_in_a_way_of_their_own(name):
    crop = {"inception_v3": 96}.get(name, 224)
    network = Network(name, _options(name, 3, crop))
    laid_out = _layout(network, crop)
    assert all(tensor.is_meta for tensor in laid_out.values())
    if name == "regnet_y_400mf":  # the others are large
        built = network.build().state_dict()
        assert {key: value.shape for key, value in built.items()} == {
            key: value.shape for key, value in laid_out.items()
        }


def test_a_size_that_the_network_cannot_take(tmp_path):
    text = HEAD.replace("shufflenet_v2_x0_5", "vit_b_16") + "[preprocessing]\ncrop = 65\n"
    assert "line 2: vit_b_16 cannot take pictures of 65 × 65 pixels (" in described(tmp_path, text)
    assert "quantized_resnet18" not in _architectures()


def test_the_environment_names_a_folder_too(tmp_path, monkeypatch):
    from core.own_models import folder_or_default

    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert folder_or_default(None) is None
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert folder_or_default(None) == tmp_path
    assert folder_or_default(tmp_path / "other") == tmp_path / "other"


def test_how_weights_are_used_tells_models_apart(tmp_path, weights):
    """The cache on disk must not answer for the same weights behind other preprocessing."""
    from core.identity import identity

    own.make(tmp_path, weights=weights)
    models.use_folder(tmp_path)
    one = models.load("pond", "cpu")
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
    imports = "import json\nfrom pathlib import Path\nfrom core.own_models import read_folder"
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
