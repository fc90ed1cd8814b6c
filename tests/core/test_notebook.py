"""The call for notebooks: right numbers, every kind of input, nothing touched, nothing mixed up."""

import base64
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from PIL import Image
from torch import nn

import core
from core import bars, notebook, notebook_inputs
from core.bundle.verification import verify
from core.errors import ImageError, ModelError, SettingError
from core.methods.gradients import integrated_gradients
from core.methods.occlusion import OcclusionSurvey
from core.models.classifiers import Classifier
from core.models.modules import IMAGENET, classifier_of
from core.pictures.images import open_image
from core.pictures.preprocessing import Preprocessing
from core.pictures.samples import samples
from tests.toys import Linear, network, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")

SWAN = samples()["swan"].path
PHOTO = open_image(Path(SWAN).read_bytes(), trusted=True)
SMALL = Preprocessing(32, 28, (0.5,) * 3, (0.25,) * 3, "bilinear")
NAMES = ("a swan", "a penguin", "<script>alert(1)</script>", "nothing")
WINDOWS = {"window": 8, "stride": 4}


@pytest.fixture(autouse=True)
def own_explainer():
    """What one test has computed is new to the next."""
    notebook.explainer.cache_clear()
    yield
    notebook.explainer.cache_clear()


def small(image=SWAN, module=None, **given):
    """An explanation by a network of four classes that looks at 28 pixels a side."""
    if given.get("method", "occlusion") == "occlusion":
        given = {**WINDOWS, **given}
    module = network("residual") if module is None else module
    return core.explain(image, module, **{"preprocessing": SMALL, **given})


@pytest.fixture(scope="module")
def inputs():
    return SMALL.tensor(PHOTO)


# The numbers.


def test_occlusion_is_that_of_the_survey_and_of_captum(inputs):
    module = network("residual")
    found = small(module=module, target=2, contrast=1)
    survey = OcclusionSurvey(module, inputs, window=8, stride=4).run()
    np.testing.assert_array_equal(found.values, survey.attribution(2, contrast=1).numpy())
    captum = Occlusion(lambda x: module(x)[:, 2] - module(x)[:, 1]).attribute(
        inputs, sliding_window_shapes=(3, 8, 8), strides=(3, 4, 4), baselines=0.0
    )
    np.testing.assert_allclose(found.values, captum[0, 0].detach().numpy(), atol=1e-5)
    assert found.values.dtype == np.float32
    assert not found.values.flags.writeable


@pytest.mark.parametrize("method", ["ig", "integrated_gradients"])
def test_integrated_gradients_are_those_of_the_function(inputs, method):
    module = network("residual")
    found = small(module=module, method=method, target=1, steps=9, score="probability")
    expected = integrated_gradients(module, inputs, target=1, steps=9, score="probability")
    np.testing.assert_array_equal(found.values, expected.values)


def test_scores_are_the_networks_and_the_target_is_its_answer(inputs):
    module = network("residual")
    found = small(module=module)
    with torch.no_grad():
        logits = module(inputs)[0]
    np.testing.assert_allclose(found.scores, logits.numpy(), atol=1e-5)
    assert (found.scores.dtype, found.scores.shape) == (np.float32, (4,))
    assert found.target == int(logits.argmax())
    top = found.top(2)
    assert [each.index for each in top] == logits.argsort(descending=True)[:2].tolist()
    assert found.target_name == top[0].name == f"class {found.target}"
    assert len(found.top(9)) == 4


def test_a_model_of_the_registry_by_name_and_loaded():
    found = core.explain(SWAN, window=40, stride=40)
    assert found.target_name == "king penguin"
    assert found.top(1)[0].probability == pytest.approx(0.528, abs=0.01)
    assert found.sentence.startswith(
        "EfficientNet-Lite0 says king penguin, 53 %. No single window of 40 × 40 pixels changes "
    )
    assert found.notes == ()
    assert repr(found) == (
        "<Explanation: occlusion of 'king penguin' by EfficientNet-Lite0, 224 × 224 pixels>"
    )
    loaded = core.load("efficientnet_lite0")
    assert core.explain(SWAN, loaded, window=40, stride=40).attribution is found.attribution
    assert core.explain(SWAN, target="goose", window=40, stride=40).target == 99
    assert core.explain(SWAN, target=np.int64(99), window=40, stride=40).target == 99


def test_a_loaded_model_that_was_changed_is_not_the_registrys():
    before = core.explain(SWAN, window=56, stride=56)
    changed = core.load("efficientnet_lite0")
    with torch.no_grad():
        changed.module._fc.weight.neg_()
    after = core.explain(SWAN, changed, window=56, stride=56)
    assert after.target != before.target
    with pytest.raises(ModelError, match="no name in the registry"):
        after.save("changed.zip")
    again = core.explain(SWAN, window=56, stride=56)
    assert again.attribution is before.attribution


# What is given.


@pytest.mark.parametrize(
    "image",
    [
        SWAN,
        str(SWAN),
        Path(SWAN).read_bytes(),
        PHOTO,
        np.asarray(PHOTO),
        np.asarray(PHOTO) / 255,
        (np.asarray(PHOTO) / 255).astype(np.float32),
        PHOTO.convert("RGBA"),
    ],
    ids=["path", "text", "bytes", "PIL", "uint8", "float64", "float32", "RGBA"],
)
def test_a_picture_in_any_form_gives_the_same_map(image):
    expected, found = small(), small(image)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.picture.size == (28, 28)
    assert found.picture.mode == "RGB"


def test_a_pil_image_is_turned_and_laid_on_white_as_its_file_would_be_and_left_alone(tmp_path):
    image = Image.new("RGBA", (64, 40), (200, 10, 10, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[0x112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    expected = small(tmp_path / "turned.png")
    with Image.open(tmp_path / "turned.png") as opened:
        found = small(opened)
        assert (opened.size, opened.mode) == ((64, 40), "RGBA")
        assert opened.getexif()[0x112] == 6
    np.testing.assert_array_equal(np.asarray(found.picture), np.asarray(expected.picture))
    assert found.notes == expected.notes == ("Its transparent parts were laid on white.",)


@pytest.mark.parametrize("batch", [True, False], ids=["1CHW", "CHW"])
def test_a_tensor_is_the_networks_input_itself(inputs, batch):
    module = network("residual")
    found = core.explain(inputs if batch else inputs[0], module, **WINDOWS)
    np.testing.assert_array_equal(found.values, small(module=module).values)
    assert found.notes == (
        "The input was given as a tensor; it is shown with ImageNet's mean and standard deviation.",
    )


@pytest.mark.parametrize("baseline", ["grey", "blur:2", "noise", "white"])
def test_a_tensor_need_not_be_square(baseline):
    found = core.explain(
        picture(9, 14),
        network("residual"),
        preprocessing=SMALL,
        window=4,
        stride=2,
        baseline=baseline,
    )
    assert found.values.shape == (9, 14)
    assert found.picture.size == (14, 9)
    assert found.notes == ()


def test_a_tensor_need_not_have_three_channels():
    module = seeded(lambda: Linear((1, 6, 8)))
    found = core.explain(picture(6, 8, channels=1), module, window=2, stride=2)
    assert found.values.shape == (6, 8)
    assert found.picture.size == (8, 6)
    with pytest.raises(SettingError, match=r"The input has 1 channels, so that only .* grey"):
        core.explain(picture(6, 8, channels=1), module, window=2, stride=2, baseline="blur")


def test_two_tensors_are_two_pictures():
    module = network("residual")
    found = [core.explain(picture(seed=seed), module, window=4, stride=4) for seed in (0, 1)]
    assert np.abs(found[0].values - found[1].values).max() > 0


def test_regions_in_place_of_superpixels(tmp_path):
    labels = np.zeros(PHOTO.size[::-1], np.int64)
    labels[:200], labels[200:, 100:] = 3, 700
    Image.fromarray(labels.astype(np.uint16)).save(tmp_path / "regions.png")
    (tmp_path / "names.csv").write_text("3,sky\n700,bird\n", "utf-8")
    names = {"region_names": tmp_path / "names.csv"}
    found = small(method="superpixels", regions=str(tmp_path / "regions.png"), **names)
    same = small(method="superpixels", regions=labels, **names)
    np.testing.assert_array_equal(same.values, found.values)
    assert len(np.unique(found.values)) <= 3
    assert small(method="kernel_shap", regions=labels > 0).values.any()
    bundled = core.explain(SWAN, method="superpixels", regions=labels, **names)
    path = bundled.save(tmp_path / "one.zip")
    with zipfile.ZipFile(path) as bundle:
        told = bundle.read("manifest.json")
    assert b"bird" in told
    assert b"sky" in told
    assert verify(path.read_bytes()).equal
    for wrong in (3, labels / 2, labels[None], labels[:0], labels - 1, labels + 2**16):
        with pytest.raises(SettingError, match=r"^regions= "):
            small(method="lime", regions=wrong)
    with pytest.raises(SettingError, match="make both the same size"):
        small(method="lime", regions=labels[1:])
    with pytest.raises(SettingError, match="regions"):
        small(method="saliency", regions=labels)


def test_another_picture_as_baseline():
    found = small(target=0, baseline=f"picture:{samples()['penguin'].path}")
    assert np.abs(found.values - small(target=0).values).max() > 0
    with pytest.raises(SettingError, match="baseline= is another picture, and the image is a"):
        core.explain(picture(), network("residual"), baseline="picture:somewhere.jpg")


def test_a_single_output_without_a_head_is_taken_for_a_value():
    module = nn.Sequential(network("residual"), nn.Linear(4, 1, bias=False)).eval()
    found = small(module=module)
    assert found.attribution.question.head.kind == "value"
    assert found.notes[-1] == (
        'Sequential has one output, which is taken for a value: give head="binary" if it is the '
        "logit of two outcomes."
    )
    np.testing.assert_array_equal(found.values, small(module=module, head="value").values)
    assert np.abs(found.values).max() > 0
    assert "%" not in found.sentence
    with pytest.raises(SettingError, match="A softmax over one output is always 100 %: give the"):
        small(module=module, head="softmax")
    with pytest.raises(SettingError, match="probability"):
        small(module=module, score="probability")
    assert small(module=module, head="sigmoid", score="probability").values.any()


def test_a_network_for_imagenet_needs_no_preprocessing_and_no_names():
    module = nn.Sequential(nn.AvgPool2d(56), nn.Flatten(), nn.Linear(48, 1000))
    found = core.explain(SWAN, module, target="goose", window=56, stride=56)
    assert found.target == 99
    assert found.picture.size == (224, 224)
    assert found.notes == (notebook_inputs.BY_DEFAULT,)
    assert IMAGENET.resize == 256
    assert "256 pixels (bilinear), the centre of 224" in found.notes[0]
    assert found.sentence.startswith("Sequential says ")


SENTENCES = [
    (ImageError, {"image": 3}, r"The image is int: give a path, bytes, a PIL image, an array"),
    (ImageError, {"image": "no.jpg"}, r"no\.jpg cannot be read \(No such file or directory\)"),
    (ImageError, {"image": b"GIF"}, r"The file is not a picture of a known format"),
    (ImageError, {"image": np.zeros((3, 9, 9))}, r"shape \(3, 9, 9\): give \(H, W, 3\)"),
    (ImageError, {"image": np.zeros((0, 9, 3))}, r"shape \(0, 9, 3\): it holds no pixel"),
    (ImageError, {"image": np.full((9, 9, 3), 255.0)}, r"go from 255 to 255: give .* from 0 to 1"),
    (ImageError, {"image": np.full((9, 9, 3), np.nan)}, r"go from nan to nan"),
    (ImageError, {"image": np.zeros((9, 9, 3), int)}, r"of int64: give uint8, uint16 or floating"),
    (ImageError, {"image": Image.new("F", (9, 9))}, r"floating-point values"),
    (ImageError, {"image": Image.new("RGB", (0, 9))}, r"The picture is 0 × 9 pixels: it has none"),
    (ImageError, {"image": Image.new("RGB", (900, 9))}, r"at most 20 times its short side"),
    (SettingError, {"image": torch.zeros(9)}, r"shape \(9,\): give one picture, \(1, C, H, W\)"),
    (SettingError, {"image": torch.zeros(2, 3, 9, 9)}, r"give one picture"),
    (SettingError, {"image": torch.full((3, 9, 9), torch.nan)}, r"not finite numbers"),
    (ImageError, {"image": torch.zeros(3, 9, 9), "module": "resnet18"}, r"which only a torch\.nn"),
    (ModelError, {"module": "alexnet"}, r'There is no model "alexnet": choose one of efficient'),
    (ModelError, {"module": 7}, r"The model is int: give a model's name, the path of its file"),
    (SettingError, {"module": "resnet18", "device": "abacus"}, r'There is no device "abacus"'),
    (SettingError, {"device": "abacus"}, r'There is no device "abacus": choose one of auto, cuda'),
    (
        SettingError,
        {"method": "limes"},
        r'There is no method "limes" \(did you mean lime\?\): choose one of integrated_gra',
    ),
    (SettingError, {"method": ["ig"]}, r"There is no method"),
    (
        SettingError,
        {"method": "saliency", "window": 3},
        r"^window= does not belong to saliency, but to occlusion: leave it out, or choose another",
    ),
    (
        SettingError,
        {"windows": 3},
        r"^There is no option windows=: occlusion has baseline=, stride=, window=\.",
    ),
    (SettingError, {"method": "saliency", "windows": 3}, r"windows=: saliency has none\."),
    (SettingError, {"window": "9"}, r"^window= is '9': give a whole number\."),
    (SettingError, {"window": 9.5}, r"^window= is 9\.5: give a whole number\."),
    (SettingError, {"window": 29}, r"Window height: 29 pixels; choose between 1 and 28"),
    (SettingError, {"stride": 0}, r"Stride for window height: 0 pixels; choose between 1 and 8"),
    (SettingError, {"method": "ig", "steps": "many"}, r"^steps= is 'many': give a whole number or"),
    (SettingError, {"method": "ig", "steps": 0}, r"steps: 0; choose between 1 and 1000"),
    (SettingError, {"method": "smoothgrad", "stdev": "x"}, r"^stdev= is 'x': give a number\."),
    (SettingError, {"method": "smoothgrad", "samples": True}, r"^samples= is True: give a whole"),
    (SettingError, {"method": "grad_cam", "layer": 3}, r"^layer= is 3: give the name of a layer"),
    (SettingError, {"baseline": 0.0}, r"^baseline= is 0\.0: give a name\."),
    (SettingError, {"baseline": "pink"}, r'There is no baseline "pink": choose one of grey'),
    (SettingError, {"target": "a heron"}, r'This model has no class "a heron" among its 4'),
    (SettingError, {"target": 4}, r"The target is class 4: choose one between 0 and 3"),
    (SettingError, {"target": 1.5}, r"The target is 1\.5: give the index of a class"),
    (SettingError, {"target": 1, "contrast": 1}, r"Target and contrast are the same class"),
    (SettingError, {"score": "odds"}, r'There is no score "odds": choose one of logit'),
    (SettingError, {"class_names": ("a", "b")}, r"2 class names for a network of 4 outputs"),
    (SettingError, {"class_names": "abcd"}, r"class_names holds something else than names"),
    (SettingError, {"preprocessing": "resnet"}, r"preprocessing= is str: give a core\.pictures"),
]


@pytest.mark.parametrize(
    ("kind", "given", "sentence"), SENTENCES, ids=[each[2][:40] for each in SENTENCES]
)
def test_what_cannot_be_is_said_in_a_sentence(kind, given, sentence):
    if isinstance(given.get("module"), str | int):
        given = {"preprocessing": None, **WINDOWS, **given}
        model = given.pop("module")
        with pytest.raises(kind, match=sentence):
            core.explain(given.pop("image", SWAN), model, **given)
        return
    with pytest.raises(kind, match=sentence) as caught:
        small(**given)
    assert "\n" not in str(caught.value)


def test_preprocessing_is_for_networks_of_ones_own():
    with pytest.raises(SettingError, match=r"are for a torch\.nn\.Module: leave them out"):
        core.explain(SWAN, class_names=NAMES)


def test_a_network_that_cannot_take_the_picture_says_so():
    with pytest.raises(ModelError, match=r"on an input of shape \(1, 3, 28, 28\)"):
        small(module=nn.Linear(9, 4))


# What is left alone, and kept apart.


@pytest.mark.parametrize("method", ["occlusion", "ig", "superpixels", "grad_cam", "saliency"])
def test_a_module_is_left_as_it_was(method):
    module = network("residual").train()
    module.long.eval()
    called = []
    module.register_forward_hook(lambda *_: called.append(1))
    before = state(module), {name: each.clone() for name, each in module.state_dict().items()}
    options = {"steps": 3} if method == "ig" else {}
    found = small(module=module, method=method, target=0, **options)
    assert found.values.any()
    assert state(module) == before[0]
    assert all(torch.equal(each, before[1][n]) for n, each in module.state_dict().items())
    assert module.training
    assert not module.long.training
    assert not called


class Counting(nn.Module):
    """Counts the pictures that go through it, or through its copies; it cannot be exported."""

    seen = 0

    def __init__(self):
        super().__init__()
        self.network = network("residual")

    def forward(self, x):
        Counting.seen += len(x)
        return self.network(-x if x.sum() > 1e30 else x)


@pytest.mark.parametrize("question", [{"target": 1}, {"contrast": 3}, {"score": "probability"}])
def test_another_question_to_the_same_occlusion_costs_no_pass(question):
    module = Counting()
    small(module=module, target=0)
    before = Counting.seen
    assert before >= 36
    again = small(module=module, **{"target": 0, **question})
    assert Counting.seen == before
    assert again.attribution.forward_passes == 0 or question == {}
    direct = OcclusionSurvey(network("residual"), SMALL.tensor(PHOTO), window=8, stride=4).run()
    asked = {"target": 0, **question}
    expected = direct.attribution(asked.pop("target"), **asked).numpy()
    np.testing.assert_allclose(again.values, expected, atol=1e-5)


@pytest.mark.parametrize("method", ["occlusion", "saliency"])
def test_two_networks_of_one_class_are_kept_apart(method):
    maps = [small(module=network("residual", seed), method=method, target=0) for seed in (0, 1)]
    assert np.abs(maps[0].values - maps[1].values).max() > 1e-3
    assert len({each.attribution.provenance.model for each in maps}) == 2
    assert len({each.attribution.provenance.weights_sha256 for each in maps}) == 2


@pytest.mark.parametrize("method", ["occlusion", "saliency"])
def test_a_network_whose_weights_changed_is_another(inputs, method):
    module = network("residual")
    before = small(module=module, method=method, target=0)
    with torch.no_grad():
        module.stem.weight.mul_(-0.5)
    after = small(module=module, method=method, target=0)
    fresh = network("residual")
    fresh.load_state_dict(module.state_dict())
    notebook.explainer.cache_clear()
    expected = small(module=fresh, method=method, target=0)
    np.testing.assert_allclose(after.values, expected.values, atol=1e-5)
    assert np.abs(after.values - before.values).max() > 1e-3
    with torch.no_grad():
        np.testing.assert_allclose(after.scores, module(inputs)[0].numpy(), atol=1e-5)
    weights = after.attribution.provenance.weights_sha256
    assert weights == expected.attribution.provenance.weights_sha256
    assert weights != before.attribution.provenance.weights_sha256


def test_a_new_network_where_an_old_one_lay_is_another():
    names = set()
    for seed in range(6):
        module = network("residual", seed % 2)
        names.add(classifier_of(module, picture(28, 28), SMALL).record.name)
        del module
    assert len(names) == 6


def test_a_network_that_is_not_changed_is_the_same():
    module = network("residual")
    made = [classifier_of(module, picture(28, 28), SMALL) for _ in range(2)]
    assert made[0].record.name == made[1].record.name
    assert made[0].module is made[1].module
    assert isinstance(made[0], Classifier)


# What is shown and saved.


@pytest.fixture
def named():
    return small(class_names=NAMES, target=2)


def test_html_holds_its_pictures_and_foreign_text_does_nothing(named):
    html = named._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "http" not in html
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    pictures = [Image.open(io.BytesIO(base64.b64decode(each))) for each in sources]
    assert len(pictures) == 3  # what the model sees, the map, the colour bar
    assert pictures[1].width >= 448
    assert html.count("<div") == html.count("</div>")
    assert html.count("<span") == html.count("</span>")


def test_html_has_the_sentence_and_the_notes():
    found = small(np.zeros((20, 20, 3), np.uint8))
    html = found._repr_html_()
    assert found.sentence in html
    assert found.notes == ("It is only 20 × 20 pixels: expect little from it.",)
    assert found.notes[0] in html


def test_what_of_the_question_has_no_effect_is_noted():
    found = small(method="eigen_cam", target=1, contrast=2)
    assert found.notes[-1] == (
        "target= and contrast= have no effect on Eigen-CAM, whose map does not depend on them."
    )
    assert found.notes[-1] in found._repr_html_()
    for given in ({"method": "eigen_cam"}, {"method": "grad_cam", "target": 1}):
        assert not any("no effect" in note for note in small(**given).notes)


def test_png_is_a_picture_and_repr_one_line(named):
    drawn = Image.open(io.BytesIO(named._repr_png_()))
    assert drawn.width > 1200
    assert "\n" not in repr(named)
    assert "alert" in repr(named)


def test_png_and_npz_are_read_back(named, tmp_path):
    assert named.save(tmp_path / "map.png") == tmp_path / "map.png"
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.width > 1200
    with np.load(named.save(str(tmp_path / "new" / "map.NPZ"))) as kept:
        assert set(kept) == {"values", "scores", "corners", "clean"}
        np.testing.assert_array_equal(kept["values"], named.values)
        assert kept["scores"].shape == (36, 4)
        assert kept["corners"].shape == (36, 2)
        np.testing.assert_allclose(kept["clean"], named.scores, atol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"map.png", "new"}


def test_npz_of_a_gradient_method_holds_the_map_alone(tmp_path):
    found = small(method="saliency")
    with np.load(found.save(tmp_path / "map.npz")) as kept:
        assert list(kept) == ["values"]


def test_a_bundle_is_computed_again_and_equal(tmp_path):
    found = core.explain(SWAN, method="ig", steps=3)
    path = found.save(tmp_path / "map.zip")
    with zipfile.ZipFile(path) as archive:
        assert "report.html" in archive.namelist()
    verdict = verify(path.read_bytes())
    assert verdict.equal
    assert not verdict.different


def test_a_bundle_of_a_picture_that_was_no_file(tmp_path):
    found = core.explain(np.asarray(PHOTO), method="saliency")
    verdict = verify(found.save(tmp_path / "map.zip").read_bytes())
    assert verdict.equal
    assert not verdict.different


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("map.zip", ModelError, "this network has no name in the registry: save a .png or an .npz"),
        ("map.jpg", SettingError, '"map.jpg" has no ending that says what to write: choose .png'),
        ("map", SettingError, "choose .png, .npz or .zip"),
        ("blocked/map.png", SettingError, "The files cannot be written to .*blocked"),
    ],
)
def test_what_cannot_be_saved_leaves_nothing(named, tmp_path, name, kind, sentence):
    (tmp_path / "blocked").write_text("no folder")
    with pytest.raises(kind, match=sentence):
        named.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_top_of_nothing_is_refused(named, k):
    with pytest.raises(SettingError, match="give a whole number from 1 on"):
        named.top(k)


# Progress.


def test_a_bar_is_shown_when_asked_for_and_not_where_no_terminal_is(capsys):
    small(target=0)
    assert capsys.readouterr().err == ""
    small(target=1, window=7, progress=False)
    assert capsys.readouterr().err == ""
    small(target=0, window=6, progress=True)
    assert "Occlusion" in capsys.readouterr().err


def test_in_a_notebook_there_is_a_bar_unless_it_is_not_wanted(capsys, monkeypatch):
    monkeypatch.setattr(bars, "in_notebook", lambda: True)
    small(target=0, window=5)
    assert "Occlusion" in capsys.readouterr().err
    small(target=0, window=4, progress=False)
    assert capsys.readouterr().err == ""


def test_settings_are_the_methods_own_where_none_are_given():
    found = small(method="ig")
    assert found.attribution.parameters["steps"] == "enough"
