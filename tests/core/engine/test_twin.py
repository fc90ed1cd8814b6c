"""A twin computes what the network computes, and writes nothing that the network reads."""

import functools
import threading
import types

import pytest
import torch
from torch import nn
from torch.export import export
from torch.nn import functional as F

from core.engine.twin import private_twin
from core.errors import ModelError
from tests.toys import CLASSES, head, network, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.head = head(6)

    def forward(self, x):
        return self.head(F.relu(self.norm(self.first(x))))


def small():
    return seeded(Small)


def parts_in(value, seen=None):
    """Every module that functions, partials and methods refer to."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    inside = ()
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, types.MethodType):
        inside = (value.__self__, value.__func__)
    elif isinstance(value, types.FunctionType):
        inside = [cell.cell_contents for cell in value.__closure__ or ()]
    elif isinstance(value, functools.partial):
        inside = (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, list | tuple | set):
        inside = value
    for each in inside:
        yield from parts_in(each, seen)


def with_closure():
    module = small()
    first, norm = module.first, module.norm
    module.forward = lambda x: module.head(F.relu(norm(first(2 * x))))
    return module


def with_closure_in_a_closure():
    module = small()
    before = module.forward

    def doubled(x):
        return before(2 * x)

    module.forward = lambda x: doubled(x) + 1
    return module


def with_partial():
    module = small()

    def scaled(inner, x, *, by):
        return inner(by * x)

    module.head.forward = functools.partial(scaled, module.head.forward, by=3.0)
    return module


def with_bound_method():
    module = small()
    module.norm.forward = types.MethodType(
        lambda self, x: x * self.running_var[:, None, None] + 1, module.norm
    )
    return module


def with_method_of_another_part():
    module = small()
    module.head.register_forward_hook(lambda _part, _given, made: made + 1)
    module.alias = module.first.forward
    module.forward = lambda x: module.head(module.alias(x))
    return module


def with_hooks():
    module = small()
    module.first.register_forward_hook(lambda _part, _given, made: 2 * made)
    module.norm.register_forward_pre_hook(lambda _part, given: (given[0] + module.norm.eps,))
    return module


def with_a_defaulted_keyword():
    module = small()
    inner = module.forward

    def forward(x, *, factor=2.0):
        return inner(factor * x)

    module.forward = forward
    return module


MAKERS = {
    "plain": small,
    "closure": with_closure,
    "closure in a closure": with_closure_in_a_closure,
    "partial": with_partial,
    "bound method": with_bound_method,
    "method of another part": with_method_of_another_part,
    "hooks": with_hooks,
    "keyword": with_a_defaulted_keyword,
    "residual": lambda: network("residual"),
    "grouped": lambda: network("grouped"),
    "untraceable": lambda: network("untraceable"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_twin_says_the_same_in_eval_mode(name):
    module, inputs = MAKERS[name]().train(), picture()
    before = state(module)
    values = {key: value.clone() for key, value in module.state_dict().items()}
    twin = private_twin(module)
    found = twin(inputs)
    assert not any(part.training for part in twin.modules())
    assert state(module) == before
    for key, value in module.state_dict().items():
        assert torch.equal(value, values[key])
    torch.testing.assert_close(found, module.eval()(inputs))


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_in_a_twin_reaches_back(name):
    module = MAKERS[name]()
    twin = private_twin(module)
    own = set(module.modules())
    assert own.isdisjoint(twin.modules())
    for part in twin.modules():
        assert own.isdisjoint(parts_in(list(vars(part).values())))


def test_parameters_are_shared_and_buffers_are_copied():
    module = small()
    twin = private_twin(module)
    for (name, ours), (_, theirs) in zip(
        twin.named_parameters(), module.named_parameters(), strict=True
    ):
        assert ours is theirs, name
    for (name, ours), (_, theirs) in zip(twin.named_buffers(), module.named_buffers(), strict=True):
        assert ours is not theirs, name
        assert ours.data_ptr() != theirs.data_ptr(), name
        assert torch.equal(ours, theirs), name


def test_parameters_and_layers_that_are_used_twice_stay_one():
    module = small()
    module.again = module.first
    module.tied = nn.Conv2d(3, 6, 3)
    module.tied.weight = module.first.weight
    twin = private_twin(module)
    assert twin.again is twin.first
    assert twin.tied.weight is twin.first.weight is module.first.weight


def test_a_buffer_that_is_held_twice_stays_one():
    module = small()
    module.view = module.norm.running_mean
    twin = private_twin(module)
    assert twin.view is twin.norm.running_mean


class Storing(Small):
    """Leaves its feature map and more behind, wherever it can."""

    def __init__(self):
        super().__init__()
        self.kept, self.all, self.named = None, [], {}
        self.count = torch.zeros(1)
        self.nested = {"all": [[]]}

    def forward(self, x):
        self.kept = self.first(x)
        self.all.append(self.kept)
        self.named["map"] = self.kept
        self.nested["all"][0].append(self.kept)
        self.count += 1
        self.late = self.kept
        return self.head(self.kept)


def test_no_attribute_is_left_behind():
    module = seeded(Storing)
    names = sorted(vars(module))
    twin = private_twin(module)
    twin(picture())
    assert twin.count.item() == 1
    assert sorted(vars(module)) == names
    assert module.kept is None
    assert (module.all, module.named, module.nested) == ([], {}, {"all": [[]]})
    assert module.count.item() == 0


def test_a_list_that_a_hook_closes_over_is_the_twins():
    module, kept = small(), []
    module.first.register_forward_hook(lambda _part, _given, made: kept.append(made))
    private_twin(module)(picture())
    assert kept == []
    module(picture())
    assert len(kept) == 1


class Locked(Small):
    """Holds what cannot be copied."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()
        self.held = {"lock": self.lock, "generator": (n for n in range(3))}

    def forward(self, x):
        with self.lock:
            return super().forward(x)


def test_what_cannot_be_copied_is_shared():
    module = seeded(Locked)
    twin = private_twin(module)
    assert twin.lock is module.lock
    assert twin.held["lock"] is module.lock
    assert twin.held is not module.held
    torch.testing.assert_close(twin(picture()), module.eval()(picture()))


class Refusing:
    """Raises whenever it is copied."""

    def __init__(self):
        self.values = [1]

    def __deepcopy__(self, memo):
        raise RuntimeError("not to be copied")


def test_an_object_that_refuses_to_be_copied_is_shared():
    module = small()
    module.extra = [Refusing()]
    twin = private_twin(module)
    assert twin.extra is not module.extra
    assert twin.extra[0] is module.extra[0]


class Slotted(Small):
    def __init__(self):
        super().__init__()
        self.sizes = torch.Size([1, 2])
        self.point = types.SimpleNamespace(part=self.first)
        self.frozen = frozenset([1, 2])


def test_objects_of_other_types_refer_to_the_twin():
    module = seeded(Slotted)
    twin = private_twin(module)
    assert twin.sizes == module.sizes
    assert type(twin.sizes) is torch.Size
    assert twin.point.part is twin.first
    assert twin.frozen == module.frozen


def test_a_variable_that_is_not_filled_yet():
    module = small()

    def make():
        def forward(x):
            return module.head(F.relu(module.norm(module.first(x)))) if x is not None else later

        module.forward = forward
        if module is None:
            later = 1

    make()
    torch.testing.assert_close(private_twin(module)(picture()), module.eval()(picture()))


def test_what_refers_to_itself():
    module = small()
    module.loop = [module]
    module.loop.append(module.loop)
    object.__setattr__(module, "parent", module)
    twin = private_twin(module)
    assert twin.loop[0] is twin
    assert twin.loop[1] is twin.loop
    assert twin.parent is twin


def test_a_twin_of_a_twin():
    module = with_closure()
    twin = private_twin(private_twin(module))
    torch.testing.assert_close(twin(picture()), module.eval()(picture()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, torch.compile, lambda m: torch.compile(nn.DataParallel(m))]
)
def test_wrappers_are_taken_off(wrap):
    module = small().eval()
    twin = private_twin(wrap(module))
    assert type(twin) is Small
    torch.testing.assert_close(twin(picture()), module(picture()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_modules():
    module = small().eval()
    scripted = torch.jit.script(module)
    inside = nn.Sequential(scripted, nn.Linear(CLASSES, CLASSES)).eval()
    torch.testing.assert_close(private_twin(scripted)(picture()), module(picture()))
    twin = private_twin(inside)
    assert twin[0] is not inside[0]
    torch.testing.assert_close(twin(picture()), inside(picture()))


def test_exported_programs():
    module = small().eval()
    program = export(module, (picture(),), strict=False)
    torch.testing.assert_close(private_twin(program)(picture()), module(picture()))


def test_a_layer_without_a_shape():
    with pytest.raises(ModelError) as refused:
        private_twin(nn.Sequential(nn.LazyConv2d(4, 3)))
    assert str(refused.value) == (
        "The parameter 0.weight has no shape yet: run the model once on a picture before."
    )
