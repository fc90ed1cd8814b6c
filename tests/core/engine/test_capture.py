"""Networks as people have them: scores are the module's own, or a sentence says why."""

import dataclasses
import functools
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim, export
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

from core.engine import watched_layers
from core.engine.capture import captured
from core.engine.remembered import memory
from core.engine.twin import private_twin
from core.errors import ModelError
from core.methods.gradient_methods import GradientSetting, IntegratedGradientsSetting
from core.methods.gradients import gradient_steps
from core.methods.occlusion import OcclusionSurvey
from core.methods.scores import Question
from core.methods.superpixels import SuperpixelSurvey
from tests.toys import CLASSES, head, network, picture, seeded, state

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # Of torch's own, about what is tried here on purpose.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning"),
]


class Small(nn.Module):
    """Two convolutions, a batch norm that has seen something, and a linear head."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 5, 3, stride=2, padding=1)
        self.head = head(5)
        nn.init.uniform_(self.norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def features(self, x):
        return F.relu(self.second(F.relu_(self.norm(self.first(x)))))

    def forward(self, x):
        return self.head(self.features(x))


def small():
    return seeded(Small)


def with_hook():
    module = small()
    module.first.register_forward_hook(lambda _part, _given, made: 2 * made + 1)
    return module


def with_pre_hook():
    module = small()
    module.register_forward_pre_hook(lambda _part, given: (given[0] * 0.5 - 0.1,))
    return module


def with_weight_norm():
    module = small()
    nn.utils.weight_norm(module.first)
    with torch.no_grad():
        module.first.weight_g.mul_(1.7)
    return module


def with_spectral_norm():
    """Loaded and not yet run: the weight that it normalises is not there before the first pass."""
    made = seeded(lambda: nn.utils.spectral_norm(nn.Conv2d(3, 6, 3, padding=1)))
    module = small()
    module.first = seeded(lambda: nn.utils.spectral_norm(nn.Conv2d(3, 6, 3, padding=1)), 1)
    module.first.load_state_dict(made.state_dict())
    return module


def pruned():
    module = small()
    prune.random_unstructured(module.second, "weight", 0.5)
    return module


def parametrized():
    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    module = small()
    parametrize.register_parametrization(module.first, "weight", Doubled())
    parametrizations.weight_norm(module.second)
    return module


def forward_replaced_at_the_root():
    module = small()
    before = module.forward
    module.forward = lambda x: before(2 * x) - 1
    return module


def forward_replaced_at_a_leaf():
    module = small()
    module.norm.forward = types.MethodType(
        lambda self, x: x * self.running_var.view(-1, 1, 1), module.norm
    )
    return module


def forward_replaced_at_a_child():
    module = small()

    def doubled(inner, x):
        return inner(2 * x)

    module.head.forward = functools.partial(doubled, module.head.forward)
    return module


def closure_over_the_module():
    """A replaced forward that closes over the module's own batch norm."""
    module = small()
    norm, first, rest = module.norm, module.first, module

    def forward(x):
        return rest.head(F.relu(rest.second(norm(first(x)))))

    module.forward = forward
    return module


class Standardised(Small):
    """Weight standardisation."""

    def forward(self, x):
        weight = self.first.weight
        mean, std = weight.mean((1, 2, 3), keepdim=True), weight.std((1, 2, 3), keepdim=True)
        x = F.conv2d(x, (weight - mean) / (std + 1e-5), self.first.bias, padding=1)
        return self.head(F.relu(self.second(F.relu(self.norm(x)))))


class Keeping(Small):
    """Keeps its last feature map, and counts."""

    def __init__(self):
        super().__init__()
        self.kept, self.all = None, []

    def forward(self, x):
        self.kept = self.features(x)
        self.all.append(self.kept)
        return self.head(self.kept)


class Made(Small):
    """Makes a module in its forward."""

    def forward(self, x):
        return self.head(nn.ReLU()(self.second(nn.ReLU(True)(self.norm(self.first(x))))))


class Returning(Small):
    """Returns its logits in some way."""

    def __init__(self, wrapped):
        super().__init__()
        self.wrapped = wrapped

    def forward(self, x):
        return self.wrapped(super().forward(x))


@dataclasses.dataclass
class Output:
    logits: torch.Tensor


class OneScore(Small):
    """(N,): a single score."""

    def forward(self, x):
        return super().forward(x)[:, 0]


class OnAMap(Small):
    """(N, C, 1, 1), as a convolution gives for a head."""

    def forward(self, x):
        return super().forward(x)[:, :, None, None]


class WritesIntoAView(Small):
    """Writes into a part of a value that is read again by its own name."""

    def forward(self, x):
        x = self.first(x)
        x[:, :2] += 1
        x.mul_(2)
        return self.head(F.relu(self.second(x)))


class WritesIntoItsInput(Small):
    def forward(self, x):
        x.sub_(0.3)
        return super().forward(x)


class CutsItsGradient(Small):
    """A frozen backbone."""

    def forward(self, x):
        with torch.no_grad():
            x = self.features(x)
        return self.head(x)


class Normed(Small):
    """Pixels of each channel normed by their own mean, or by a mean that was kept."""

    def __init__(self, kept=False):
        super().__init__()
        self.norm = nn.InstanceNorm2d(6, affine=True, track_running_stats=kept)
        if kept:
            nn.init.uniform_(self.norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(self.norm.running_var, 0.5, 2)


class ChannelsTogether(Small):
    """Splits, shuffles and selects channels."""

    def forward(self, x):
        left, right = self.first(x).chunk(2, 1)
        x = torch.cat([right, left.relu()], 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, 3, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        x = x + x[:, 2].unsqueeze(1)
        return self.head(F.relu(self.second(x)))


class Autocast(Small):
    """Sets its own precision inside."""

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            x = self.first(x)
        return self.head(F.relu(self.second(F.relu(self.norm(x.float())))))


def scripted():
    return torch.jit.script(small().eval())


def compiled():
    return torch.compile(small())


def parallel():
    return nn.DataParallel(small())


def exported():
    shapes = ({0: Dim("n", min=1, max=64)},)
    example = (torch.randn(2, 3, 12, 12),)
    return export(small().eval(), example, dynamic_shapes=shapes, strict=False)


def exported_for_one():
    return export(small().eval(), (torch.randn(1, 3, 12, 12),), strict=False)


class BatchOfOne(Small):
    """The batch is written into its code."""

    def forward(self, x):
        return self.head[-1](self.features(x).mean((2, 3)).view(1, -1))


class OfTheBatch(Small):
    """What else is in the batch counts."""

    def forward(self, x):
        x = self.features(x)
        return self.head(x - x.mean(0) + 0.5 * x)


def with_batch_statistics():
    module = small()
    module.norm = nn.BatchNorm2d(6, track_running_stats=False)
    return module


def quantised():
    return torch.ao.quantization.quantize_dynamic(small().eval(), {nn.Linear}, torch.qint8)


LOCAL = {
    "hook": with_hook,
    "pre-hook": with_pre_hook,
    "weight_norm": with_weight_norm,
    "spectral_norm": with_spectral_norm,
    "prune": pruned,
    "parametrizations": parametrized,
    "forward of the root": forward_replaced_at_the_root,
    "forward of a leaf": forward_replaced_at_a_leaf,
    "forward of a child": forward_replaced_at_a_child,
    "closure": closure_over_the_module,
    "weight standardisation": lambda: seeded(Standardised),
    "kept feature map": lambda: seeded(Keeping),
    "module made in forward": lambda: seeded(Made),
    "dict with logits": lambda: seeded(lambda: Returning(lambda y: {"loss": 0, "logits": y})),
    "dict with out": lambda: seeded(lambda: Returning(lambda y: {"out": y, "aux": 2 * y})),
    "dataclass": lambda: seeded(lambda: Returning(Output)),
    "tuple": lambda: seeded(lambda: Returning(lambda y: (y, 2 * y))),
    "list": lambda: seeded(lambda: Returning(lambda y: [y])),
    "aux outputs": lambda: seeded(
        lambda: Returning(lambda y: types.SimpleNamespace(logits=y, aux=y))
    ),
    "(N,)": lambda: seeded(OneScore),
    "(N, C, 1, 1)": lambda: seeded(OnAMap),
    "writes into a view": lambda: seeded(WritesIntoAView),
    "writes into its input": lambda: seeded(WritesIntoItsInput),
    "instance norm": lambda: seeded(lambda: Normed()),
    "instance norm that keeps statistics": lambda: seeded(lambda: Normed(True)),
    "frozen": lambda: seeded(CutsItsGradient),
    "channels": lambda: seeded(ChannelsTogether),
    "autocast": lambda: seeded(Autocast),
    "compiled": compiled,
    "parallel": parallel,
    "exported": exported,
    "exported for one": exported_for_one,
    "batch of one": lambda: seeded(BatchOfOne),
}
DENSE = {
    "scripted": (scripted, "cannot be exported"),
    "quantised": (quantised, "cannot be exported"),
    "control flow": (lambda: network("untraceable"), "cannot be exported"),
}
SINGLE = {
    "of the batch": lambda: seeded(OfTheBatch),
    "batch statistics": with_batch_statistics,
}


def own(module, pictures):
    """What the module itself says, one picture at a time."""
    if isinstance(module, torch.export.ExportedProgram):
        return torch.cat([module.module()(each) for each in pictures.split(1)]).detach()
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    found = []
    for each in pictures.split(1):
        with torch.no_grad():
            y = module(each.clone())
        if isinstance(y, dict):
            y = y.get("logits", y.get("out"))
        y = getattr(y, "logits", y)
        y = y[0] if isinstance(y, tuple | list) else y
        found.append(y.reshape(1, -1))
    for part, mode in modes:
        part.training = mode
    return torch.cat(found)


def surveyed(module, inputs, **settings):
    """A whole survey, and what the module itself says of the same windows."""
    survey = OcclusionSurvey(module, inputs, window=4, stride=4, **settings).run()
    pictures = []
    for top, left in survey.grid.corners.tolist():
        covered = inputs.clone()
        covered[..., top : top + 4, left : left + 4] = 0
        pictures.append(covered)
    return survey, own(module, torch.cat(pictures)).float()


@pytest.mark.parametrize("name", LOCAL)
def test_scores_are_the_modules_own(name):
    module, inputs = LOCAL[name](), picture()
    survey, expected = surveyed(module, inputs)
    assert survey.fallback is None
    scale = float(expected.abs().max())
    tolerance = 1e-1 if name == "autocast" else 1e-5
    torch.testing.assert_close(survey.scores, expected, atol=tolerance * scale, rtol=0)
    torch.testing.assert_close(
        survey.clean[None], own(module, inputs), atol=tolerance * scale, rtol=0
    )
    assert survey.agreement.windows == 1
    assert survey.agreement.difference <= tolerance * scale


@pytest.mark.parametrize("name", DENSE)
def test_what_cannot_be_exported_is_computed_by_itself(name):
    make, reason = DENSE[name]
    module = make()
    survey, expected = surveyed(module, picture())
    assert reason in survey.fallback
    torch.testing.assert_close(survey.scores, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SINGLE)
def test_what_depends_on_the_batch_is_computed_one_by_one(name):
    module = SINGLE[name]()
    survey, expected = surveyed(module, picture())
    torch.testing.assert_close(survey.scores, expected, atol=1e-5, rtol=1e-5)
    assert memory.prepared(module, picture()).network.single


class OfTheBatchRange(Small):
    """The range of the batch, which few windows change."""

    def forward(self, x):
        low, high = x.min(), x.max()
        return super().forward((x - low) / (high - low))


def test_what_a_batch_changes_for_some_windows_only():
    module, inputs = seeded(OfTheBatchRange), picture(seed=1)
    inputs[0, 0, 9, 9], inputs[0, 0, 9, 1] = 9, -9  # few windows cover the range
    survey, expected = surveyed(module, inputs)
    torch.testing.assert_close(survey.scores, expected, atol=1e-5, rtol=1e-5)
    assert memory.prepared(module, inputs).network.single


class OfALargeBatch(Small):
    """Reads the batch, if there are more pictures in it than are tried beforehand."""

    def forward(self, x):
        return super().forward(x - (x.mean() if len(x) > 6 else 0))


@pytest.mark.parametrize("survey", ["occlusion", "superpixels"])
def test_what_a_large_batch_changes(survey):
    module, inputs = seeded(OfALargeBatch), picture()
    if survey == "occlusion":
        found, expected = surveyed(module, inputs)
    else:
        patches = np.arange(9).reshape(3, 3).repeat(4, 0).repeat(4, 1) + 1
        found = SuperpixelSurvey(module, inputs, patches)
        assert [*found.steps()][-1] == (9, 9)
        expected = surveyed(module, inputs)[1]
    torch.testing.assert_close(found.scores, expected, atol=1e-5, rtol=1e-5)


class NoisyLater(Small):
    """Noise that begins after what is tried beforehand."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x):
        self.calls.append(1)
        return super().forward(x + torch.randn(x.shape) * (len(self.calls) > 4))


def test_scores_that_cannot_be_computed_again_are_refused():
    with pytest.raises(ModelError, match="The model gives other scores each time, by up to"):
        OcclusionSurvey(seeded(NoisyLater), picture(), window=1, stride=1).run()


class Noisy(Small):
    """Dropout that nobody switches off."""

    def forward(self, x):
        return super().forward(F.dropout(x, 0.3))


def test_other_scores_each_time_are_refused():
    with pytest.raises(ModelError, match="The model gives other scores each time, by up to"):
        OcclusionSurvey(seeded(Noisy), picture(), window=4, stride=4).run()


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-6), (torch.float16, 2e-2), (torch.bfloat16, 1e-1)],
)
def test_other_precisions(dtype, tolerance):
    module, inputs = small().to(dtype), picture().to(dtype)
    survey, expected = surveyed(module, inputs)
    assert survey.fallback is None
    scale = float(expected.abs().max())
    torch.testing.assert_close(survey.scores, expected, atol=tolerance * scale, rtol=0)


SALIENCY = GradientSetting("saliency")


@pytest.mark.parametrize("name", [*LOCAL, *SINGLE, "control flow"])
def test_gradients_are_the_modules_own(name):
    make = {**LOCAL, **SINGLE, "control flow": DENSE["control flow"][0]}[name]
    module, inputs = make(), picture()
    (step,) = gradient_steps(module, inputs, Question(0), SALIENCY)
    twin = private_twin(module)
    if name == "frozen":  # autograd itself would give nothing
        twin = seeded(Small).eval()
    given = inputs.clone().requires_grad_()
    y = twin(given.clone())
    y = y.get("logits", y.get("out")) if isinstance(y, dict) else getattr(y, "logits", y)
    y = y[0] if isinstance(y, tuple | list) else y
    (expected,) = torch.autograd.grad(y.reshape(-1)[0], given)
    expected = expected.abs().sum((0, 1)).numpy()
    tolerance = 1e-1 if name == "autocast" else 1e-5
    np.testing.assert_allclose(step.snapshot().values, expected, atol=tolerance * expected.max())


@pytest.mark.parametrize("setting", [SALIENCY, IntegratedGradientsSetting(2)])
@pytest.mark.parametrize("operation", ["uint8", "floor_divide", "heaviside"])
def test_what_has_no_derivative_is_said(operation, setting):
    class Without(Small):
        def forward(self, x):
            if operation == "uint8":
                x = (x.clamp(0, 1) * 255).to(torch.uint8).float() / 255
            elif operation == "heaviside":
                x = torch.heaviside(x, torch.tensor(0.5))
            else:
                x = torch.floor_divide(x, 0.3)
            return super().forward(x)

    with pytest.raises(ModelError, match=r"The model cannot be differentiated \(.*\): choose Occ"):
        list(gradient_steps(seeded(Without), picture(), Question(0), setting))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda y: y > 0, "scores of type bool: it has to return floating"),
        (lambda y: (10 * y).long(), "scores of type int64: it has to return floating"),
        (torch.fft.fft, "scores of type complex64: it has to return floating"),
        (lambda y: y[:, :0], "scores of no class: it has to return one at least"),
    ],
)
def test_scores_that_are_none(change, sentence):
    with pytest.raises(ModelError, match=sentence):
        OcclusionSurvey(seeded(lambda: Returning(change)), picture(), window=4, stride=4).run()


@pytest.mark.parametrize("name", ["hook", "weight_norm", "closure", "kept feature map", "frozen"])
def test_the_module_is_left_as_it_was(name):
    module = LOCAL[name]().train()
    before = state(module)
    names = {name: sorted(vars(part)) for name, part in module.named_modules()}
    OcclusionSurvey(module, picture(), window=4, stride=4).run()
    assert state(module) == before
    assert {name: sorted(vars(part)) for name, part in module.named_modules()} == names
    assert getattr(module, "kept", None) is None
    assert getattr(module, "all", []) == []


def test_an_attribute_that_was_changed_between_two_surveys():
    class Scaled(Small):
        def __init__(self):
            super().__init__()
            self.factor = torch.ones(3, 1, 1)

        def forward(self, x):
            return super().forward(x * self.factor)

    module, inputs = seeded(Scaled), picture()
    surveyed(module, inputs)
    module.factor[1] = 3.0
    survey, expected = surveyed(module, inputs)
    torch.testing.assert_close(survey.scores, expected, atol=1e-4, rtol=0)


class Configured(Small):
    """Holds settings, an array and a module where `nn.Module` does not look for them."""

    def __init__(self):
        super().__init__()
        self.settings = types.SimpleNamespace(scale=1.0, mean=[0.1, 0.2, 0.3])
        self.array = np.full((3, 1, 1), 1.5, np.float32)
        self.parts = [nn.Conv2d(3, 3, 1)]

    def forward(self, x):
        x = (x - torch.tensor(self.settings.mean)[:, None, None]) * self.settings.scale
        return super().forward(self.parts[0](x) * torch.tensor(self.array))


@pytest.mark.parametrize(
    "change",
    [
        lambda module: vars(module.settings).update(scale=3.0),
        lambda module: module.settings.mean.append(module.settings.mean.pop(0)),
        lambda module: module.array.fill(0.5),
        lambda module: module.parts[0].weight.data.mul_(2),
    ],
)
def test_what_a_plain_attribute_holds_was_changed(change):
    module, inputs = seeded(Configured), picture()
    surveyed(module, inputs)
    change(module)
    survey, expected = surveyed(module, inputs)
    torch.testing.assert_close(survey.scores, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("change", ["hook", "forward", "mode"])
def test_a_network_that_was_changed_in_another_way(change):
    module, inputs = small().eval(), picture()
    surveyed(module, inputs)
    if change == "hook":
        module.second.register_forward_hook(lambda _part, _given, made: made + 1)
    elif change == "forward":
        before = module.head.forward
        module.head.forward = lambda x: 2 * before(x)
    else:
        module.norm.train()
    survey, expected = surveyed(module, inputs)
    torch.testing.assert_close(survey.scores, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (torch.zeros(1, 4, 12, 12), r"an input of shape \(1, 4, 12, 12\) and type float32"),
        (torch.zeros(1, 3, 12, 12).double(), "type float64"),
        (torch.zeros(1, 3, 12, 12).half(), "type float16"),
    ],
)
def test_an_input_that_the_network_does_not_take(inputs, sentence):
    with pytest.raises(ModelError, match=sentence):
        OcclusionSurvey(small(), inputs, window=4, stride=4).run()


def test_two_inputs():
    class Two(Small):
        def forward(self, x, y):
            return super().forward(x + y)

    with pytest.raises(ModelError, match="missing 1 required positional argument"):
        OcclusionSurvey(seeded(Two), picture(), window=4, stride=4).run()


def test_lazy_layers():
    module = nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ModelError, match=r"0\.weight has no shape yet: run the model once"):
        OcclusionSurvey(module, picture(), window=4, stride=4).run()


def test_inside_of_inference_mode():
    module, inputs = small().eval(), picture()
    with torch.inference_mode():
        survey, expected = surveyed(module, inputs.clone())
        (step,) = gradient_steps(module, inputs.clone(), Question(0), SALIENCY)
    torch.testing.assert_close(survey.scores, expected, atol=1e-5, rtol=1e-5)
    assert np.abs(step.snapshot().values).max() > 0


def test_a_picture_of_one_pixel():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4, CLASSES))
    survey = OcclusionSurvey(seeded(lambda: module).eval(), picture(1, 1), window=1, stride=1).run()
    expected = own(module, torch.zeros(1, 3, 1, 1))
    torch.testing.assert_close(survey.scores, expected, atol=1e-6, rtol=1e-5)


def test_a_record_holds_no_weights():
    module = seeded(lambda: nn.Sequential(nn.Conv2d(3, 64, 3), nn.Flatten(), nn.LazyLinear(9)))
    module(picture())
    record = captured(private_twin(module), picture())
    assert sum(buffer.numel() for buffer in record.graph.buffers()) == 0
    inputs = torch.randn(3, 3, 12, 12)
    torch.testing.assert_close(record.of(private_twin(module))(inputs), module(inputs))


class WrittenBeforeItIsListed(Small):
    """Rectifies in place and lists the values afterwards, as a head behind a pooling does."""

    def __init__(self):
        super().__init__()
        self.pool, self.last = self.head[0], self.head[2]

    def forward(self, x):
        x = F.relu_(self.norm(self.first(x)))
        return self.last(torch.flatten(self.pool(self.second(x)).relu_(), 1))


class NormedBehindAView(WritesIntoAView):
    """Writes into a view and has a batch norm, which is then recorded in other words."""

    def forward(self, x):
        return super().forward(x) + self.head(self.second(self.norm(self.first(x))))


@pytest.mark.parametrize("make", [WrittenBeforeItIsListed, NormedBehindAView])
def test_maps_are_known_whatever_is_written_in_place(make):
    module, inputs = seeded(make).eval(), picture()
    survey, expected = surveyed(module, inputs)
    torch.testing.assert_close(survey.scores, expected, atol=1e-5, rtol=1e-5)
    found = watched_layers.layers(memory.prepared(module, inputs).network, inputs)
    assert "norm" in found
    assert "second" in found or make is NormedBehindAView  # which runs it twice
