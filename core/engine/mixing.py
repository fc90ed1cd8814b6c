"""Finds the operation of a network after which a local change is no longer local."""

from typing import Any

from .compilation import Program
from .layers import Step
from .operations import arguments, name, shape
from .positions import Places

_NORMS = ("group_norm", "layer_norm", "instance_norm", "rms_norm")


def mixing(program: Program) -> str | None:
    """From where on a local change is everywhere, in words; None if only a pooling ends locality.

    For example: "squeeze-and-excite mixes the whole picture after 2 of 82 layers".
    """
    layers = [step for step in program.steps if step.node in program.layers]
    local = sum(step.node in program.local for step in layers)
    after = f"after {local} of {len(layers)} layers"
    for step in program.steps:
        if step.node not in program.local and (cause := _cause(program, step)):
            return f"{cause} mixes the whole picture {after}"
    return None if local >= len(layers) - 2 else f"the whole picture is mixed {after}"


def _cause(program: Program, step: Step) -> str | None:
    kind = name(step.node)
    places = program.places.get(step.node)
    if kind == "scaled_dot_product_attention" or (kind == "softmax" and places is None):
        return "attention"
    if kind in _NORMS and places is not None and not _by_pixel(step, places):
        return "a norm over all pixels"
    others = [node for node in step.inputs if node not in program.local]
    gated = kind == "mul" and places is not None and places.is_map and len(step.inputs) > 1
    if gated and len(others) == 1 and _is_one_place(shape(others[0]), places):
        return "squeeze-and-excite"
    return None


def _is_one_place(sides: tuple[Any, ...] | None, places: Places | None) -> bool:
    """Whether a value has one number for each channel of a map."""
    if sides is None or places is None or len(sides) != 4:
        return False
    return all(sides[places.axes.index(axis)] == 1 for axis in "HW")


def _by_pixel(step: Step, places: Places) -> bool:
    """Whether a norm is over the channels of each place alone."""
    sides = arguments(step.node).get("normalized_shape")
    return places.grid == (1, 1) or (
        sides is not None and len(sides) == 1 and places.axes[-1] == "C"
    )
