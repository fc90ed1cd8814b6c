"""Networks in files: exported programs, ONNX and TorchScript give the scores of what was saved."""

import pytest
import torch
from captum import attr

from core.errors import ModelError
from core.methods.availability import why_not
from core.methods.gradient_methods import GradientSetting
from core.methods.gradients import gradient_steps
from core.methods.occlusion import OcclusionSurvey
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.methods.survey import survey_steps
from core.models import classifiers, registry
from core.trust.randomisation import Networks
from tests import programs
from tests.programs import SIDE

KINDS = ["static.pt2", "dynamic.pt2", "static.onnx", "dynamic.onnx", "script.pt", "trace.pth"]
QUESTION = Question(1)


@pytest.fixture(autouse=True)
def leave():
    yield
    registry.allow_factories()
    registry.use_folder(None)


@pytest.fixture(scope="module")
def network():
    return programs.network()


@pytest.fixture(scope="module")
def files(tmp_path_factory, network):
    """The same network in a file of each kind."""
    folder = tmp_path_factory.mktemp("programs")
    for name in KINDS:
        programs.save(network, folder / name)
    return folder


def loaded(path):
    registry.allow_factories([str(path)])
    return classifiers.load(str(path), "cpu")


def refused(path):
    registry.allow_factories([str(path)])
    with pytest.raises(ModelError) as caught:
        registry.record(str(path))
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def pictures(count=3, channels=3):
    return torch.randn(count, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", KINDS)
def test_the_scores_are_those_of_the_network(files, network, name):
    found = loaded(files / name)
    torch.testing.assert_close(found.logits(pictures()), network(pictures()), rtol=0, atol=1e-5)
    assert found.class_names == tuple(f"class {number}" for number in range(5))
    assert found.record.head.kind == "softmax"
    told = name.endswith((".pt2", ".onnx"))
    assert found.record.preprocessing.size == ((SIDE, SIDE) if told else (224, 224))
    assert not found.record.network.alone


@pytest.mark.parametrize("name", KINDS)
def test_maps_are_captums_of_the_network(files, network, name):
    module = loaded(files / name).module
    x = pictures(1)
    survey = OcclusionSurvey(module, x, window=9, stride=6)
    for step in survey_steps(survey, QUESTION):
        last = step
    expected = attr.Occlusion(lambda batch: network(batch)[:, 1]).attribute(
        x, sliding_window_shapes=(3, 9, 9), strides=(3, 6, 6), perturbations_per_eval=4
    )[0, 0]
    values = torch.tensor(last.snapshot().values)
    torch.testing.assert_close(values, expected.float(), rtol=0, atol=1e-4)
    if name.endswith((".pt2", ".onnx")):  # which the engine knows as a graph
        assert survey.fallback is None
    else:
        assert "cannot be exported" in survey.fallback
    slopes = (
        attr.Saliency(lambda batch: network(batch)[:, 1]).attribute(x.requires_grad_())[0].sum(0)
    )
    for step in gradient_steps(module, x, QUESTION, GradientSetting("saliency")):
        last = step
    made = torch.tensor(last.snapshot().values)
    torch.testing.assert_close(made, slopes, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_every_method_works_or_says_why_not(files, network, name):
    module = loaded(files / name).module
    reasons = {each: why_not(module, pictures(1), each) for each in METHODS}
    missing = {each: reason for each, reason in reasons.items() if reason}
    if name.endswith((".pt2", ".onnx")):
        own = {each: why_not(network, pictures(1), each) for each in METHODS}
        assert reasons == own
        assert not {"deep_lift", "guided_backprop", "grad_cam"} & missing.keys()
    else:
        not_exported = "the network cannot be exported"
        assert {missing[each] for each in ("deep_lift", "guided_backprop")} == {not_exported}
        assert "none of its layers returns one map" in missing["grad_cam"]


@pytest.mark.parametrize("name", KINDS)
def test_weights_can_be_randomised(files, name):
    module = loaded(files / name).module
    networks = Networks(module)
    assert networks.layers >= 3
    before = module(pictures())
    assert not torch.allclose(networks(1)(pictures()), before)
    assert torch.equal(module(pictures()), before)


@pytest.mark.parametrize("kind", ["static.pt2", "dynamic.onnx"])
@pytest.mark.parametrize(
    ("ending", "outputs", "head"),
    [
        (torch.nn.Softmax(1), 4, "softmax"),
        (torch.nn.Sigmoid(), 4, "sigmoid"),
        (torch.nn.Sigmoid(), 1, "binary"),
        (None, 1, "value"),
    ],
)
def test_what_ends_a_network_is_left_out(tmp_path, kind, ending, outputs, head):
    made = programs.network(outputs=outputs, ending=ending)
    programs.save(made, tmp_path / kind)
    found = loaded(tmp_path / kind)
    assert found.record.head.kind == head
    told = found.ranking(found.logits(pictures())[0], len(found.class_names))
    truth = made(pictures())[0].double()
    if head == "value":
        assert told[0].logit == pytest.approx(float(truth[0]), abs=1e-5)
        return
    assert any("at its end is left out" in note for note in found.record.notes)
    by_class = {each.index: each.probability for each in told}
    first = 1 - truth[0] if head == "binary" else truth[0]
    assert by_class[0] == pytest.approx(float(first), abs=1e-5)


def test_probabilities_of_torchscript_are_not_taken_for_logits(tmp_path):
    path = tmp_path / "script.pt"
    programs.save(programs.network(ending=torch.nn.Softmax(1)), path)
    assert "script.pt ends with a softmax, which cannot be taken off TorchScript" in refused(path)
    (tmp_path / "model.toml").write_text('title = "Shares"\nhead = "value"\n')
    found = loaded(path)
    assert found.record.title == "Shares"
    assert float(found.logits(torch.zeros(1, 3, 224, 224)).sum()) == pytest.approx(1, abs=1e-6)


def test_a_head_that_is_not_that_of_the_ending(tmp_path):
    programs.save(programs.network(ending=torch.nn.Softmax(1)), tmp_path / "static.onnx")
    (tmp_path / "model.toml").write_text('title = "Labels"\nhead = "sigmoid"\n')
    assert "ends with a softmax, which is not that of the head sigmoid" in refused(
        tmp_path / "static.onnx"
    )


class Fixed(torch.nn.Module):
    """A network whose code fixes the batch."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3 * 16, 4)

    def forward(self, x):
        x = torch.nn.functional.avg_pool2d(x, SIDE // 4)
        return self.head(x.reshape(1, 48))


@pytest.mark.parametrize("name", ["static.pt2", "static.onnx", "trace.pt"])
def test_a_fixed_batch_is_run_one_by_one(tmp_path, name):
    made = Fixed().eval().requires_grad_(False)
    programs.save(made, tmp_path / name)
    toml = f'title = "Fixed"\n[preprocessing]\nsize = {SIDE}\n'
    (tmp_path / "model.toml").write_text(toml)
    found = loaded(tmp_path / name)
    assert found.record.network.alone
    assert f"{name} takes one picture at a time." in found.record.notes
    expected = torch.cat([made(each) for each in pictures().split(1)])
    torch.testing.assert_close(found.logits(pictures()), expected, rtol=0, atol=1e-5)
    survey = OcclusionSurvey(found.module, pictures(1), window=24, stride=24)
    for step in survey_steps(survey, QUESTION):
        last = step
    values = torch.tensor(last.snapshot().values)
    expected = attr.Occlusion(lambda one: made(one)[:, 1]).attribute(
        pictures(1), sliding_window_shapes=(3, 24, 24), strides=(3, 24, 24)
    )[0, 0]
    torch.testing.assert_close(values, expected.float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["static.pt2", "static.onnx", "trace.pt"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_types_of_numbers(tmp_path, name, dtype):
    made = programs.network().to(dtype)
    programs.save(made, tmp_path / name, dtype=dtype)
    if (name, dtype) == ("static.onnx", torch.float64):
        assert "onnxruntime does not compute what it asks for" in refused(tmp_path / name)
        return
    found = loaded(tmp_path / name)
    side = found.record.preprocessing.size[0]
    x = torch.randn(2, 3, side, side)
    limit = 1e-2 if dtype == torch.float16 else 1e-5
    torch.testing.assert_close(found.logits(x), made(x.to(dtype)).float(), rtol=0, atol=limit)
    said = str(dtype).removeprefix("torch.")
    assert f"{name} computes in {said}." in found.record.notes


def test_one_channel(tmp_path):
    made = programs.network(channels=1)
    programs.save(made, tmp_path / "static.pt2", channels=1)
    found = loaded(tmp_path / "static.pt2")
    assert found.record.preprocessing.channels == 1
    x = pictures(channels=1)
    torch.testing.assert_close(found.logits(x), made(x), rtol=0, atol=1e-5)
    programs.save(programs.network(channels=4), tmp_path / "four.pt2", channels=4)
    assert refused(tmp_path / "four.pt2") == (
        "four.pt2 takes 4 channels (NCHW), and a photo has 3: give what they are, [preprocessing] "
        "with mean and std, in a model.toml beside it."
    )
    toml = 'title = "Four"\n[preprocessing]\nmean = 0.5\nstd = 0.25\n'
    (tmp_path / "model.toml").write_text(toml)
    assert loaded(tmp_path / "four.pt2").record.preprocessing.channels == 4


class Two(torch.nn.Module):
    """A network of two inputs, or of two outputs."""

    def __init__(self, inputs):
        super().__init__()
        self.inputs = inputs

    def forward(self, x, y):
        return (x + y).mean((2, 3)) if self.inputs == 2 else (x.mean((2, 3)), y.mean((2, 3)))


def test_several_inputs(tmp_path):
    x = pictures(1)
    program = torch.export.export(Two(2), (x, x))
    torch.export.save(program, tmp_path / "two.pt2")
    assert refused(tmp_path / "two.pt2") == (
        "two.pt2 takes 2 inputs, and a picture is one: export a network that takes the picture "
        "alone."
    )


def test_a_program_of_training(tmp_path):
    program = torch.export.export(programs.Net().train(), (pictures(2),))
    torch.export.save(program, tmp_path / "train.pt2")
    assert "was exported in training mode, as its batch_norm shows" in refused(
        tmp_path / "train.pt2"
    )


def test_files_that_hold_no_network(tmp_path, files):
    torch.save(programs.network().state_dict(), tmp_path / "state.pt")
    assert "state.pt holds weights alone: put it into a folder" in refused(tmp_path / "state.pt")
    torch.save(programs.network(), tmp_path / "whole.pth")
    assert refused(tmp_path / "whole.pth") == (
        "whole.pth is no state dict that can be read without running code from it: save the state "
        "dict alone, with torch.save(model.state_dict(), FILE) or as safetensors, or the whole "
        "network with torch.export.save."
    )
    assert "cannot be read (No such file or directory): check its path." in refused(
        tmp_path / "absent.onnx"
    )
    for name in KINDS:
        held = (files / name).read_bytes()
        for part, torn in (("cut", held[: len(held) // 2]), ("none", b"")):
            path = tmp_path / f"{part}.{name}"
            path.write_bytes(torn)
            assert path.name in refused(path)


def test_nothing_is_opened_that_nobody_named(files):
    for name in KINDS:
        with pytest.raises(ModelError, match="it is opened only where the command line names it"):
            registry.record(str(files / name))
