"""What changes a network changes its fingerprint, and nothing else does."""

import copy
import functools
import types

import pytest
import torch
from torch import nn
from torch.export import export

from core.engine.fingerprint import digest, fingerprint, structure
from core.engine.twin import private_twin
from core.errors import ModelError
from tests.toys import network, picture, seeded


def test_digests_tell_values_shapes_and_types_apart():
    tensor = torch.arange(6.0)
    different = [
        tensor,
        tensor + 1,
        tensor.reshape(2, 3),
        tensor.double(),
        tensor.reshape(2, 3).T,
        tensor[:3],
        torch.tensor(1.0),
        torch.zeros(0),
        tensor.bfloat16(),
    ]
    assert len({digest(t) for t in different}) == len(different)
    assert digest(tensor) == digest(tensor.clone())
    assert digest(tensor.expand(4, 6)) == digest(tensor.repeat(4, 1))
    nchw = torch.randn(1, 3, 4, 5)
    assert digest(nchw) == digest(nchw.contiguous(memory_format=torch.channels_last))
    assert digest(nn.Parameter(tensor)) == digest(tensor)


class Holding(nn.Module):
    """Holds what changes its scores in plain attributes of all kinds."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("scale", torch.ones(1), persistent=False)
        self.tensor = torch.ones(3, 1, 1)
        self.factors = [1.0, [2.0, torch.ones(2)]]
        self.named = {"gain": 1.0, "inner": (torch.zeros(2), "same")}
        factor = 2.0
        self.function = lambda x: x * factor
        self.partial = functools.partial(torch.mul, other=2.0)
        self.method = self.shifted

    def shifted(self, x):
        return x + 1

    def forward(self, x):
        return self.partial(self.function(self.norm(self.layer(x)))).mean((2, 3))


def holding():
    return seeded(Holding).eval()


def closing_over(factor):
    return lambda x: x * factor


def replaced_forward(module):
    before = module.norm.forward
    module.norm.forward = lambda x: before(x) + 1


CHANGES = {
    "weight": lambda module: module.layer.weight.data[0, 0, 0, 0].add_(1),
    "bias": lambda module: module.layer.bias.data.neg_(),
    "statistics": lambda module: module.norm.running_mean.add_(1),
    "hidden buffer": lambda module: module.scale.add_(1),
    "precision": lambda module: module.double(),
    "tensor": lambda module: module.tensor.add_(1),
    "number in a list": lambda module: module.factors.__setitem__(0, 1.5),
    "number in a list of a list": lambda module: module.factors[1].__setitem__(0, 1.5),
    "tensor in a list of a list": lambda module: module.factors[1][1].add_(1),
    "longer list": lambda module: module.factors.append(None),
    "number in a dict": lambda module: module.named.update(gain=1.5),
    "another key": lambda module: module.named.update(other=None),
    "tensor in a tuple": lambda module: module.named["inner"][0].add_(1),
    "new attribute": lambda module: setattr(module, "extra", 1),
    "attribute gone": lambda module: delattr(module, "tensor"),
    "setting": lambda module: setattr(module.layer, "padding", (1, 1)),
    "number of a layer": lambda module: setattr(module.norm, "eps", 0.1),
    "string": lambda module: setattr(module.layer, "padding_mode", "reflect"),
    "layer": lambda module: setattr(module, "norm", nn.Identity()),
    "another layer": lambda module: module.add_module("after", nn.Identity()),
    "mode": lambda module: module.train(),
    "mode of a layer": lambda module: module.norm.train(),
    "forward hook": lambda module: module.layer.register_forward_hook(lambda *_: None),
    "forward pre-hook": lambda module: module.register_forward_pre_hook(lambda *_: None),
    "replaced forward": replaced_forward,
    "closure": lambda module: setattr(module, "function", closing_over(3.0)),
    "partial": lambda module: setattr(module, "partial", functools.partial(torch.mul, other=3.0)),
    "bound method": lambda module: setattr(
        module, "method", types.MethodType(lambda _, x: x - 1, module)
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_gives_another_fingerprint(name):
    module = holding()
    before = fingerprint(module)
    CHANGES[name](module)
    assert fingerprint(module) != before


VALUES = ("weight", "bias", "statistics", "hidden buffer")


@pytest.mark.parametrize("name", CHANGES)
def test_the_structure_is_all_but_the_values_of_weights(name):
    module = holding()
    before = structure(module)
    CHANGES[name](module)
    assert (structure(module) == before) == (name in VALUES)


def test_a_value_that_a_function_closes_over():
    module, cell = holding(), [2.0]
    module.function = lambda x: x * cell[0]
    before = fingerprint(module)
    cell[0] = 3.0
    assert fingerprint(module) != before


def test_the_default_of_a_function():
    module = holding()

    def scaled(x, factor=2.0):
        return x * factor

    module.function = scaled
    before = fingerprint(module)
    scaled.__defaults__ = (3.0,)
    assert fingerprint(module) != before


def test_a_default_by_keyword_of_a_function():
    module = holding()

    def scaled(x, *, factor=2.0):
        return x * factor

    module.function = scaled
    before = fingerprint(module)
    scaled.__kwdefaults__["factor"] = 3.0
    assert fingerprint(module) != before


class Unregistered(nn.Module):
    """Holds a layer in a plain list, where torch does not find it."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(3, 4, 3)]

    def forward(self, x):
        return self.layers[0](x).mean((2, 3))


def test_a_layer_that_is_not_registered():
    module = seeded(Unregistered)
    before = fingerprint(module)
    assert fingerprint(copy.deepcopy(module)) == before
    module.layers[0].weight.data[0, 0, 0, 0] += 1
    changed = fingerprint(module)
    assert changed != before
    module.layers[0].stride = (2, 2)
    assert fingerprint(module) != changed


def test_a_hook_that_is_gone_again_leaves_no_trace():
    module = holding()
    before = fingerprint(module)
    hook = module.norm.register_forward_hook(lambda *_: None)
    assert fingerprint(module) != before
    hook.remove()
    assert fingerprint(module) == before


def test_a_second_call_gives_the_same():
    module = holding()
    assert fingerprint(module) == fingerprint(module)
    before = fingerprint(module)
    module(picture())
    assert fingerprint(module) == before


@pytest.mark.parametrize("name", ["residual", "grouped", "untraceable"])
def test_a_copy_has_the_same(name):
    module = network(name)
    assert fingerprint(copy.deepcopy(module)) == fingerprint(module)
    assert structure(copy.deepcopy(module)) == structure(module)


def test_a_copy_of_what_holds_values_of_all_kinds_has_the_same():
    module = holding()
    assert fingerprint(copy.deepcopy(module)) == fingerprint(module)


def test_gradients_do_not_count():
    module = holding()
    before = fingerprint(module)
    module(picture()).sum().backward()
    module.layer.requires_grad_(False)
    assert fingerprint(module) == before


def test_what_refers_to_itself_comes_to_an_end():
    module = holding()
    module.factors.append(module.factors)
    module.named["owner"] = [module]
    assert fingerprint(module) == fingerprint(module)


def test_lazy_layers_and_tensors_without_values():
    module = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    module.placeholder = torch.empty(2, 2, device="meta")
    before = fingerprint(module)
    assert fingerprint(module) == before
    module(picture())
    assert fingerprint(module) != before


@pytest.mark.parametrize("name", ["layer.weight", "scale"])
def test_weights_without_values_are_refused(name):
    module = holding()
    if name == "scale":
        module.scale = module.scale.to("meta")
    else:
        module.layer.to("meta")
    for refuse in (fingerprint, private_twin):
        with pytest.raises(ModelError) as refused:
            refuse(module)
        assert str(refused.value) == (
            f"The model's {name} is on the meta device, where it has a shape but no values: load "
            "the weights onto the CPU or a GPU before."
        )


def test_exported_programs():
    def program(seed):
        module = network("strided", seed)
        return export(module, (picture(),), strict=False)

    first, again, other = program(0), program(0), program(1)
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    assert structure(first) == structure(other)
    deeper = export(network("dilated"), (picture(),), strict=False)
    assert structure(first) != structure(deeper)
