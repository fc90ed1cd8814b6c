"""Any network as a classifier: one that somebody built or trained, and that no registry names.

A module can be changed at any time, and its name says nothing of its weights. So each state of each
module has a number of its own, which is part of the classifier's name: whatever is remembered by
model never meets another module, or the same one with other weights.
"""

import hashlib
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..engine.agreement import own_scores
from ..engine.fingerprint import fingerprint
from ..engine.free_memory import memory_for
from ..engine.outputs import TwoOutcomes
from ..engine.twin import private_twin
from ..errors import ModelError, SettingError
from ..files.cache import BoundedCache
from ..pictures.preprocessing import Preprocessing
from ..text import plain
from .catalogue import ModelRecord, imagenet_classes
from .classifiers import Classifier
from .heads import Head, assumed_head
from .weights import WeightsFile

IMAGENET = Preprocessing(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")
"""How most networks that were trained on ImageNet see a picture."""

_lock = threading.Lock()
_numbers = itertools.count(1)
_states: WeakKeyDictionary[nn.Module, tuple[str, int]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class _Known:
    """What is kept of a state of a module: its private twin, and a digest of its weights."""

    twin: nn.Module
    weights_sha256: str


_known: BoundedCache[_Known] = BoundedCache(3)
_classes: BoundedCache[int] = BoundedCache(64)


def classifier_of(
    module: nn.Module,
    inputs: Tensor,
    preprocessing: Preprocessing,
    class_names: Sequence[str] | None = None,
    title: str | None = None,
    head: Head | None = None,
) -> Classifier:
    """A module as a classifier. The module is left as it is: what runs is a private twin.

    Args:
        module: (N, C, H, W) -> logits (N, classes), as `core.engine.outputs` finds them.
        inputs: an input (1, C, H, W) on which the module is tried.
        preprocessing: from a picture to the module's input.
        class_names: one for each output, in order. By default ImageNet's for 1000 outputs, and
            "class 0", "class 1", ... for another number.
        title: for people; by default the name of the module's class.
        head: what the outputs mean; "binary" takes a module with one output. By default a softmax
            over several outputs; a single output is taken for a value, which a note says.

    Returns:
        A classifier on the module's device, in eval mode. Its name belongs to the module as it is
        now; after a change of its weights, mode or structure the name is another.

    Raises:
        ModelError: the module cannot be computed on the input, or returns no logits.
        SettingError: there is another number of names than of outputs, or a softmax over one.
    """
    number = _number(module)
    binary = head is not None and head.kind == "binary"
    known = _known.get_or_make((number, binary), lambda: _prepared(module, binary))
    device = device_of(module)
    asked = (number, binary, tuple(inputs.shape), inputs.dtype)
    count = _classes.get_or_make(asked, lambda: _outputs(known.twin, inputs.to(device)))
    title = title or type(module).__name__
    notes: tuple[str, ...] = ()
    if head is None and count == 1:
        notes = (
            f'{plain(title)} has one output, which is taken for a value: give head="binary" if it '
            "is the logit of two outcomes.",
        )
    head = head or assumed_head(count)
    if head.kind == "softmax" and count == 1:
        raise SettingError(
            "A softmax over one output is always 100 %: give the head binary for the logit of two "
            "outcomes, sigmoid for one label, or value."
        )
    record = ModelRecord(
        name=f"{title}-{number}",
        title=title,
        architecture=_not_known,
        weights=WeightsFile(Path(), "", 0.0),
        preprocessing=preprocessing,
        class_names=_names(class_names, count, head),
        licence="",
        accuracy=None,
        source="",
        head=head,
        notes=notes,
    )
    return Classifier(record, known.twin, device, known.weights_sha256)


def device_of(module: nn.Module) -> torch.device:
    """Where a module's weights lie; the CPU for one without."""
    held = itertools.chain(module.parameters(), module.buffers())
    return next((tensor.device for tensor in held), torch.device("cpu"))


def _number(module: nn.Module) -> int:
    """The number of a module's present state."""
    now = fingerprint(module)
    with _lock:
        state = _states.get(module)
        if state is None or state[0] != now:
            state = _states[module] = (now, next(_numbers))
        return state[1]


def _prepared(module: nn.Module, binary: bool) -> _Known:
    with memory_for("The model"):
        twin = private_twin(module)
        if binary:
            twin = TwoOutcomes(twin)
    found = hashlib.sha256()
    for name, tensor in [*twin.named_parameters(), *twin.named_buffers()]:
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        plain_values = tensor.detach().cpu().contiguous().reshape(-1)
        found.update(plain_values.view(torch.uint8).numpy().data)
    return _Known(twin, found.hexdigest())


def _outputs(twin: nn.Module, inputs: Tensor) -> int:
    """How many classes a network knows."""
    with memory_for("A pass through the model"):
        return own_scores(twin, inputs).shape[1]


def _names(given: Sequence[str] | None, count: int, head: Head) -> tuple[str, ...]:
    """The names of so many outputs."""
    binary = head.kind == "binary"
    if binary and count != 2:
        raise ModelError(
            f"The head is binary, and the network has {count // 2} outputs: it takes a network "
            "with one logit."
        )
    if given is None and binary:
        return "negative", "positive"
    if given is None:
        known = imagenet_classes()
        return known if count == len(known) else tuple(f"{head.noun} {i}" for i in range(count))
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise SettingError("class_names holds something else than names: give a list of texts.")
    if len(given) != count:
        raise SettingError(
            f"There are {len(given):,} class names for a network of {count:,} outputs: give one "
            f"for each, in their order."
        )
    return tuple(given)


def _not_known() -> NoReturn:
    raise ModelError("This network was given as a module, and nobody said how to build it.")
