"""The logits in whatever a network returns, or the one sentence that says what it has to return."""

import collections
import dataclasses
import types
from typing import NamedTuple

import pytest
import torch

from core.engine.outputs import logits_of
from core.errors import ModelError

LOGITS = torch.arange(6.0).view(2, 3)


@dataclasses.dataclass
class Output:
    logits: object
    aux_logits: object = None


class Named(NamedTuple):
    logits: object
    aux_logits: object = None


class NamedOtherwise(NamedTuple):
    scores: object
    features: object = None


class HuggingFace(collections.OrderedDict):
    """A mapping whose keys are attributes too, as transformers' `ModelOutput` is."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


OTHER = torch.full((2, 3), 9.0)

CONTAINERS = {
    "tensor": LOGITS,
    "parameter": torch.nn.Parameter(LOGITS),
    "dict with logits": {"loss": OTHER, "logits": LOGITS},
    "dict with out": {"aux": OTHER, "out": LOGITS},
    "logits before out": {"out": OTHER, "logits": LOGITS},
    "logits that are none": {"logits": None, "out": LOGITS},
    "ordered dict": collections.OrderedDict(out=LOGITS, aux=OTHER),
    "read-only mapping": types.MappingProxyType({"logits": LOGITS}),
    "model output": HuggingFace(loss=OTHER, logits=LOGITS),
    "dataclass": Output(LOGITS, OTHER),
    "named tuple": Named(LOGITS, OTHER),
    "named tuple of other names": NamedOtherwise(LOGITS, OTHER),
    "namespace": types.SimpleNamespace(logits=LOGITS, hidden=OTHER),
    "tuple": (LOGITS, OTHER),
    "list": [LOGITS],
    "tuple of dict": ({"logits": LOGITS}, OTHER),
    "list of a tuple": [(LOGITS, OTHER), OTHER],
    "tuple of dataclass": (Output(LOGITS),),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(name):
    assert torch.equal(logits_of(CONTAINERS[name]), LOGITS)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1, 1)])
def test_one_row_for_each_picture(shape):
    assert torch.equal(logits_of(LOGITS.view(shape)), LOGITS)


def test_one_score_for_each_picture():
    assert logits_of(torch.tensor([1.0, 2.0])).tolist() == [[1.0], [2.0]]
    assert logits_of({"logits": torch.tensor([1.0, 2.0])}).tolist() == [[1.0], [2.0]]
    assert logits_of(torch.ones(2, 1)).shape == (2, 1)
    assert logits_of(torch.ones(2, 1, 1, 1)).shape == (2, 1)


def test_gradients_flow_back():
    x = torch.ones(2, 3, 1, 1, requires_grad=True)
    logits_of(({"logits": 2 * x},)).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [2.0] * 6


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((), "(N)"),
        ((2, 3, 4), "(N, 3, 4)"),
        ((2, 3, 4, 4), "(N, 3, 4, 4)"),
        ((2, 3, 1, 2), "(N, 3, 1, 2)"),
        ((2, 1, 1, 3, 3), "(N, 1, 1, 3, 3)"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda y: y, lambda y: {"out": y}, lambda y: [y]])
def test_other_shapes(shape, said, wrap):
    with pytest.raises(ModelError) as refused:
        logits_of(wrap(torch.zeros(shape)))
    assert str(refused.value) == (
        f"The model returns scores of shape {said} for N pictures: "
        "it has to return (N, classes), (N, classes, 1, 1) or (N,)."
    )


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (None, "NoneType"),
        (1.5, "float"),
        ({}, "dict"),
        ({"scores": LOGITS}, "dict"),
        ({"logits": [1.0, 2.0]}, "dict"),
        ((), "tuple"),
        ([], "list"),
        ((None, LOGITS), "tuple"),
        (types.SimpleNamespace(scores=LOGITS), "SimpleNamespace"),
        (Output(None), "Output"),
        ("logits", "str"),
    ],
)
def test_nothing_to_take(output, kind):
    with pytest.raises(ModelError) as refused:
        logits_of(output)
    assert str(refused.value) == (
        f"The model returns {kind} without scores: it has to return a tensor, "
        "or one under logits or out, or one as the first of several."
    )
