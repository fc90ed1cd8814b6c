"""Checks of inputs, baselines and logits, shared by all methods."""

from numbers import Real

from torch import Tensor

from ..errors import ModelError, SettingError

_NO_VALUES = "is on the meta device, where it has a shape but no values"


def check_inputs(inputs: Tensor) -> None:
    """Accept exactly one model input.

    Raises:
        SettingError: not a floating point tensor (1, C, H, W), or its values are not finite or not
            there.
    """
    if not isinstance(inputs, Tensor):
        raise SettingError(f"The input is {type(inputs).__name__}: give a tensor, (1, C, H, W).")
    if inputs.ndim != 4 or inputs.shape[0] != 1:
        raise SettingError(
            f"The input has shape {tuple(inputs.shape)}: give one picture, (1, C, H, W)."
        )
    if not inputs.is_floating_point():
        raise SettingError(f"The input is {inputs.dtype}: give a floating point tensor.")
    if inputs.is_meta:
        raise SettingError(f"The input {_NO_VALUES}: give a picture on the model's device.")
    if not inputs.isfinite().all():
        raise SettingError("The input holds values that are not finite numbers.")


def baseline_like(baseline: float | Tensor, inputs: Tensor) -> Tensor:
    """A baseline as a tensor of the input's shape, dtype and device.

    Raises:
        SettingError: it is no number and no tensor that can be expanded to the input's shape, or
            its values are not finite or not there.
    """
    if not isinstance(baseline, Tensor):
        if isinstance(baseline, bool) or not isinstance(baseline, Real):
            raise SettingError(f"The baseline is {baseline!r}: give a number or a tensor.")
        baseline = inputs.new_full((), float(baseline))
    sides = zip(baseline.shape, inputs.shape, strict=False)
    if baseline.ndim not in (0, inputs.ndim) or any(own not in (1, side) for own, side in sides):
        raise SettingError(
            f"The baseline has shape {tuple(baseline.shape)}: give a number, or a tensor of the "
            f"input's shape {tuple(inputs.shape)} or with 1 in place of some of its sides."
        )
    if baseline.is_meta:
        raise SettingError(f"The baseline {_NO_VALUES}: give a number, or a tensor with values.")
    if not baseline.isfinite().all():
        raise SettingError("The baseline holds values that are not finite numbers.")
    return baseline.to(inputs).expand_as(inputs)


def check_values(name: str, tensor: Tensor) -> None:
    """Accept a parameter or buffer of a network that has values.

    Raises:
        ModelError: it has a shape alone.
    """
    if tensor.is_meta:
        raise ModelError(
            f"The model's {name} {_NO_VALUES}: load the weights onto the CPU or a GPU before."
        )


def finite(logits: Tensor) -> Tensor:
    """Logits (n, classes) as float32 on the CPU.

    Raises:
        ModelError: they are not all finite.
    """
    logits = logits.detach().float().cpu()
    bad = int((~logits.isfinite()).any(-1).sum())
    if bad:
        raise ModelError(
            f"The model gave scores that are not finite numbers for {bad} of {len(logits)} inputs: "
            "choose another model, picture or baseline."
        )
    return logits
