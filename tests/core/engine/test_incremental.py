import copy
import threading
from collections.abc import Callable, Iterator

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.folding import folded
from core.engine.incremental import IncrementalNetwork, record
from core.engine.operations import name as operation
from core.engine.twin import private_twin
from core.errors import ModelError, SettingError
from core.models.torchvision_compat import torchvision
from tests.toys import Shared, network

TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These maps are small: waiting for other threads costs more than they help."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Seeded weights that keep activations near one, and batch norms that do something."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None:
            part.running_mean.normal_(0, 0.2, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(part.bias, 0, 0.2, generator=generator)
        elif isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, generator=generator)
            if part.bias is not None:
                nn.init.normal_(part.bias, 0, 0.2, generator=generator)
    return module.eval()


def picture(channels: int, height: int, width: int, seed: int = 1) -> Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def covered(inputs: Tensor, patches: Tensor, tops: list[int], lefts: list[int]) -> Tensor:
    changed = inputs.repeat(len(patches), 1, 1, 1)
    for image, patch, top, left in zip(changed, patches, tops, lefts, strict=True):
        image[:, top : top + patch.shape[1], left : left + patch.shape[2]] = patch
    return changed


def check(
    module: nn.Module, inputs: Tensor, height: int, width: int, tops: list[int], lefts: list[int]
) -> IncrementalNetwork:
    """Rescored windows agree with the module itself, evaluated on whole pictures."""
    network = IncrementalNetwork(module, inputs)
    kept = network.keep(inputs)
    generator = torch.Generator().manual_seed(2)
    patches = torch.randn(len(tops), inputs.shape[1], height, width, generator=generator)
    with torch.no_grad():
        clean = copy.deepcopy(module).eval()(inputs)
        expected = copy.deepcopy(module).eval()(covered(inputs, patches, tops, lefts))
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(kept.scores, clean, atol=TOLERANCE * scale, rtol=0)
    actual = kept.rescore(patches, tops, lefts)
    torch.testing.assert_close(actual, expected, atol=TOLERANCE * scale, rtol=0)
    return network


# Toy networks, drawn one operation at a time.


class Residual(nn.Module):
    """Two paths of different reach, joined by a sum, a product or concatenation."""

    def __init__(self, left: nn.Module, right: nn.Module, join: str) -> None:
        super().__init__()
        self.left, self.right, self.join = left, right, join

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.left(x), self.right(x)
        if self.join == "cat":
            return torch.cat([a, b], dim=1)
        if self.join == "iadd":
            a += b
            return a
        return a + b if self.join == "add" else a * b.sigmoid()


class Functional(nn.Module):
    """Convolution and padding as functions, as in efficientnet-lite-pytorch."""

    def __init__(self, channels: int, padding: tuple[int, int, int, int], stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        nn.init.normal_(self.weight, 0, 0.2)
        self.padding, self.stride = padding, stride

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(F.pad(x, self.padding), self.weight, stride=self.stride)
        return F.relu6(x, inplace=True) * 0.5 + 1


@st.composite
def operations(draw: st.DrawFn, channels: int) -> nn.Module:
    kind = draw(
        st.sampled_from(["conv", "depthwise", "max", "average", "pad", "functional", "act"])
    )
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    if kind == "conv":
        if draw(st.booleans()):
            return nn.Conv2d(channels, channels, kernel, padding="same", dilation=dilation)
        groups = draw(st.sampled_from([1, 2]))
        return nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups)
    if kind == "depthwise":
        return nn.Sequential(
            nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
        )
    if kind == "max":
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=draw(st.booleans()))
    if kind == "average":
        ceil, count = draw(st.booleans()), draw(st.booleans())
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil, count_include_pad=count)
    sides = draw(st.tuples(*[st.integers(0, 2)] * 4))
    if kind == "pad":
        return nn.ConstantPad2d(sides, draw(st.sampled_from([0.0, 0.5])))
    if kind == "functional":
        return Functional(channels, sides, draw(st.integers(1, 2)))
    activations = [
        *(nn.ReLU(inplace=True), nn.SiLU(), nn.Hardswish(inplace=True), nn.GELU(), nn.PReLU()),
        nn.Sequential(nn.BatchNorm2d(channels), nn.LeakyReLU(0.1, inplace=True)),
        nn.Dropout(),
    ]
    return draw(st.sampled_from(activations))


@st.composite
def toys(draw: st.DrawFn) -> tuple[nn.Module, Tensor]:
    """A network and a picture that it takes."""
    channels = 4
    height, width = draw(st.integers(9, 40)), draw(st.integers(9, 40))
    parts: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=draw(st.integers(0, 1)))]
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.integers(0, 3)) == 0:
            join = draw(st.sampled_from(["cat", "add", "iadd", "mul"]))
            wide = nn.Sequential(
                nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(True), nn.Conv2d(4, 4, 3, padding=1)
            )
            narrow = nn.Conv2d(channels, 4, 1) if join != "iadd" else nn.MaxPool2d(3, 1, 1)
            if join != "iadd" or channels == 4:
                parts.append(Residual(wide, narrow, join))
                channels = 8 if join == "cat" else 4
        else:
            parts.append(draw(operations(channels)))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5)]
    network = randomised(nn.Sequential(*parts, *head), draw(st.integers(0, 99)))
    return network, picture(3, height, width)


# Torch warns that even kernels cost it a copy.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(toys(), st.data())
def test_agrees_with_the_plain_network(toy: tuple[nn.Module, Tensor], data: st.DataObject) -> None:
    module, inputs = toy
    with torch.no_grad():
        try:
            module(inputs)
        except RuntimeError:  # The maps have become smaller than the kernel.
            return
    height = data.draw(st.integers(1, inputs.shape[2]))
    width = data.draw(st.integers(1, inputs.shape[3]))
    tops = data.draw(st.lists(st.integers(0, inputs.shape[2] - height), min_size=1, max_size=6))
    lefts = [data.draw(st.integers(0, inputs.shape[3] - width)) for _ in tops]
    network = check(module, inputs, height, width, tops, lefts)
    assert network.fallback is None


def small_cnn(**kwargs: int) -> nn.Module:
    """In-place activations, a batch norm, pooling, and channels enough for Winograd's method."""
    return randomised(
        nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU6(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 10),
        ),
        **kwargs,
    )


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (31, 40), (63, 50)])
def test_winograd_layers_agree_at_every_position(size: tuple[int, int]) -> None:
    height, width = size
    places = [(a, b) for a in range(0, 64 - height, 9) for b in range(0, 51 - width, 7)]
    tops, lefts = zip(*places, strict=True)
    check(small_cnn(), picture(3, 63, 50), height, width, list(tops), list(lefts))


def lite0() -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0")


def zoo(name: str, **kwargs: object) -> Callable[[], nn.Module]:
    return lambda: getattr(torchvision.models, name)(weights=None, **kwargs)


ARCHITECTURES = {
    "resnet18": (zoo("resnet18"), 96),
    "mobilenet_v2": (zoo("mobilenet_v2"), 96),
    "vgg11": (zoo("vgg11", num_classes=10), 64),
    "densenet121": (zoo("densenet121"), 96),
    "squeezenet1_1": (zoo("squeezenet1_1"), 97),
    "googlenet": (zoo("googlenet", init_weights=False, aux_logits=False), 96),
    "googlenet, channels scaled": (
        zoo("googlenet", init_weights=False, aux_logits=False, transform_input=True),
        80,
    ),
    "regnet_x_400mf": (zoo("regnet_x_400mf"), 64),
    "mobilenet_v3_large": (zoo("mobilenet_v3_large"), 128),
    "efficientnet-lite0": (lite0, 101),
    "convnext_tiny": (zoo("convnext_tiny"), 64),
    "shufflenet_v2_x0_5": (zoo("shufflenet_v2_x0_5"), 64),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_real_architectures_change_locally(architecture: str) -> None:
    make, side = ARCHITECTURES[architecture]
    torch.manual_seed(0)
    module = randomised(make())
    tops, lefts = [0, side - 15, 40, 41, 7], [0, 20, side - 15, 3, 41]
    network = check(module, picture(3, side, side), 15, 15, tops, lefts)
    assert network.fallback is None
    kept = network.keep(picture(3, side, side))
    assert kept.multiply_adds(15, 15, tops, lefts) < 0.95 * len(tops) * kept.dense_multiply_adds


@pytest.mark.parametrize(
    ("make", "side", "cause"),
    [
        (zoo("efficientnet_b0"), 64, "Squeeze-and-excite mixes the whole picture after 2 of 82"),
        (
            lambda: torchvision.models.VisionTransformer(32, 16, 6, 2, 32, 64),
            32,
            "Attention mixes the whole picture after 1 of",
        ),
    ],
)
def test_networks_that_mix_early_are_evaluated_densely(
    make: Callable[[], nn.Module], side: int, cause: str
) -> None:
    torch.manual_seed(0)
    network = check(make().eval(), picture(3, side, side), 9, 9, [0, 30 % side - 9, 5], [2, 0, 9])
    assert network.fallback is not None
    assert cause in network.fallback
    kept = network.keep(picture(3, side, side))
    assert kept.multiply_adds(9, 9, [0, 1], [0, 1]) == 2 * kept.dense_multiply_adds


class DataDependent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = small_cnn()

    def forward(self, x: Tensor) -> Tensor:
        if x.mean() > 100:
            x = -x
        return self.features(x)


def test_a_network_that_cannot_be_exported_falls_back() -> None:
    network = check(DataDependent(), picture(3, 40, 40), 9, 7, [0, 20], [33, 3])
    assert network.fallback is not None
    assert "cannot be exported" in network.fallback


def test_batch_statistics_do_not_leak_between_windows() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.AdaptiveAvgPool2d(1)
    )
    module = randomised(nn.Sequential(nn.Conv2d(3, 3, 1), module, nn.ReLU(), nn.Flatten()))
    inputs, patches = picture(3, 20, 20), torch.zeros(2, 3, 9, 9)
    network = IncrementalNetwork(module, inputs)
    assert network.single
    actual = network.keep(inputs).rescore(patches, [0, 5], [4, 11])
    for row, changed in zip(actual, covered(inputs, patches, [0, 5], [4, 11]), strict=True):
        torch.testing.assert_close(row, module(changed[None]).detach()[0], atol=1e-5, rtol=0)


def state_of(module: nn.Module) -> dict[str, object]:
    state: dict[str, object] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        state[name] = (tensor.clone(), tensor.stride(), tensor.requires_grad, tensor.data_ptr())
    for name, part in module.named_modules():
        hooks = list(part._forward_hooks), list(part._forward_pre_hooks)
        state["module " + name] = (part.training, getattr(part, "inplace", None), hooks)
    return state


@pytest.mark.parametrize("make", [small_cnn, DataDependent])
def test_the_callers_module_is_left_as_it_was(make: Callable[[], nn.Module]) -> None:
    module = make().train()
    next(module.parameters()).requires_grad_(False)
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    before = state_of(module)
    network = IncrementalNetwork(module, picture(3, 40, 40))
    kept = network.keep(picture(3, 40, 40))
    kept.rescore(torch.zeros(2, 3, 5, 5), [0, 3], [8, 35])
    with pytest.raises(SettingError):
        network.keep(torch.zeros(2, 3, 40, 40))
    with pytest.raises(SettingError):
        kept.rescore(torch.zeros(1, 3, 5, 5), [36], [0])
    with pytest.raises(SettingError):
        network.keep(torch.zeros(1, 4, 40, 40))
    with pytest.raises(ModelError, match="cannot be computed on an input of shape"):
        IncrementalNetwork(module, torch.zeros(1, 4, 40, 40))
    after = state_of(module)
    assert before.keys() == after.keys()
    for name, old in before.items():
        for left, right in zip(old, after[name], strict=True):
            assert torch.equal(left, right) if isinstance(left, Tensor) else left == right
    assert not calls  # of the hook, which the twin has too: with a list of its own


def test_kept_pictures_do_not_disturb_each_other() -> None:
    network = IncrementalNetwork(small_cnn(), picture(3, 40, 40))
    patches, tops, lefts = torch.zeros(3, 3, 9, 9), [0, 20, 31], [5, 31, 0]
    pictures = [picture(3, 40, 40, seed) for seed in (1, 2)]
    alone = [network.keep(image).rescore(patches, tops, lefts) for image in pictures]
    kept = [network.keep(image) for image in pictures]
    for _ in range(2):
        for one, expected in zip(kept, alone, strict=True):
            assert torch.equal(one.rescore(patches, tops, lefts), expected)


def test_threads_share_a_kept_picture() -> None:
    kept = IncrementalNetwork(small_cnn(), picture(3, 48, 48)).keep(picture(3, 48, 48))
    patches, tops, lefts = torch.zeros(4, 3, 9, 9), [0, 20, 31, 8], [5, 31, 0, 8]
    expected = kept.rescore(patches, tops, lefts)
    results: list[Tensor] = []
    threads = [
        threading.Thread(
            target=lambda: results.extend(kept.rescore(patches, tops, lefts) for _ in range(5))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    for result in results:
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_nan_reaches_the_scores() -> None:
    kept = IncrementalNetwork(small_cnn(), picture(3, 40, 40)).keep(picture(3, 40, 40))
    patches = torch.zeros(2, 3, 5, 5)
    patches[1, 0, 2, 2] = float("nan")
    scores = kept.rescore(patches, [3, 3], [4, 4])
    assert scores[0].isfinite().all()
    assert scores[1].isnan().all()


def test_scores_can_be_used_with_autograd() -> None:
    inputs = picture(3, 40, 40).requires_grad_()
    kept = IncrementalNetwork(small_cnn(), inputs).keep(inputs)
    scores = kept.rescore(torch.zeros(1, 3, 5, 5), torch.tensor([3]), torch.tensor([4]))
    weight = torch.ones(10, requires_grad=True)
    for values in (scores, kept.scores):
        assert not values.is_inference()
        (values * weight).sum().backward()
    assert kept.rescore(torch.zeros(0, 3, 5, 5), [], []).shape == (0, 10)


def test_groups_hold_every_window_once_and_spare_work() -> None:
    kept = IncrementalNetwork(small_cnn(), picture(3, 64, 64)).keep(picture(3, 64, 64))
    places = [(top, left) for top in range(0, 56, 5) for left in range(0, 56, 5)]
    tops, lefts = [list(side) for side in zip(*places, strict=True)]
    groups = kept.groups(9, 9, tops, lefts, 8)
    assert sorted(i for group in groups for i in group) == list(range(len(places)))
    assert max(map(len, groups)) <= 8
    assert len(groups) == -(-len(places) // 8)

    def cost(lists: list[list[int]]) -> int:
        return sum(
            kept.multiply_adds(9, 9, [tops[i] for i in group], [lefts[i] for i in group])
            for group in lists
        )

    in_order = [list(range(i, min(i + 8, len(places)))) for i in range(0, len(places), 8)]
    assert cost(groups) < cost(in_order) < len(places) * kept.dense_multiply_adds


def test_multiply_adds_by_hand() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    module = nn.Sequential(*module, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 5))
    kept = IncrementalNetwork(module, picture(3, 20, 20)).keep(picture(3, 20, 20))
    assert kept.dense_multiply_adds == 400 * (27 * 4 + 36 * 2) + 10
    # One pixel in the middle reaches 3 x 3, then 5 x 5 outputs; in the corner 2 x 2, then 3 x 3.
    assert kept.multiply_adds(1, 1, [10], [10]) == 9 * 27 * 4 + 25 * 36 * 2 + 10
    assert kept.multiply_adds(1, 1, [0], [19]) == 4 * 27 * 4 + 9 * 36 * 2 + 10


@pytest.mark.parametrize(
    ("pad", "convolution", "left"),
    [
        (nn.ZeroPad2d((2, 2, 1, 1)), nn.Conv2d(3, 4, 3, stride=2), 0),
        (nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, padding="valid", padding_mode="reflect"), 0),
        (nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3), 1),  # not as much on each side
        (nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 3), 1),
        (nn.ZeroPad2d(-1), nn.Conv2d(3, 4, 3), 1),
        (nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, padding=1), 1),
    ],
)
def test_a_convolution_pads_by_itself_where_that_is_the_same(
    pad: nn.Module, convolution: nn.Module, left: int
) -> None:
    head = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module = randomised(nn.Sequential(pad, convolution, *head))
    traced = folded(record(module, picture(3, 14, 15), False).of(private_twin(module)))
    assert sum(operation(node) == "pad" for node in traced.graph.nodes) == left
    check(module, picture(3, 14, 15), 4, 3, [0, 5, 10], [0, 6, 12])


class Interrupted(nn.Module):
    """While it is traced, another thread works."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.work = work

    def forward(self, x: Tensor) -> Tensor:
        thread = threading.Thread(target=self.work)
        thread.start()
        thread.join()
        return self.layer(x).mean((2, 3))


def test_other_threads_compute_while_a_network_is_traced() -> None:
    other, inputs = network("residual"), torch.rand(1, 3, 12, 12)
    found: list[Tensor] = Shared()
    record(Interrupted(lambda: found.append(other(inputs))), inputs, False)
    assert len(found) == 1
    torch.testing.assert_close(found[0], other(inputs))
