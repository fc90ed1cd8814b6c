"""Arguments that several commands have; loads no torch."""

import argparse
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import SettingError
from ..methods.baselines import BASELINES
from ..methods.cover_methods import REGIONS
from ..methods.given_setting import MAP_OF, NO_UNIT, SCORE_UNIT, SIGN_WORDS
from ..methods.options import OPTIONS
from ..methods.registry import METHOD_ALIASES, METHODS, method_named
from ..methods.scores import SCORE_KINDS
from ..models import registry
from ..pictures.given_map import CHANNELS
from ..text import quoted


class Several(argparse.Action):
    """Collects the given values in place of the default; "append" would add to the default."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        """Add a value to those before."""
        before = getattr(namespace, self.dest)
        given = [] if before is self.default else before
        setattr(namespace, self.dest, [*given, values])


def add_picture_and_model(command: argparse.ArgumentParser) -> None:
    """A picture, and the arguments of its model."""
    command.add_argument("image", type=Path, metavar="IMAGE", help="a picture file")
    add_model(command)


def add_model(command: argparse.ArgumentParser, several: bool = False) -> None:
    """The model, or several, and the device."""
    command.add_argument(
        "--model",
        default=[registry.DEFAULT_MODEL] if several else registry.DEFAULT_MODEL,
        action=Several if several else "store",
        metavar="NAME",
        help=f"name of a model, see `models` ({registry.DEFAULT_MODEL}); timm:NAME, hf:ORG/NAME, "
        "hf:FOLDER, the path of a .pt2, .onnx or TorchScript file, or a function MODULE:FACTORY "
        "that returns a torch module" + ("; may be given several times" if several else ""),
    )
    add_device(command)


def add_device(command: argparse.ArgumentParser) -> None:
    """The device."""
    command.add_argument(
        "--device", choices=registry.DEVICES, default="auto", help="device to compute on (auto)"
    )


def add_method(command: argparse.ArgumentParser, required: bool = True) -> None:
    """The method, its settings, and the question."""
    command.add_argument(
        "--method",
        required=required,
        default=[],
        action="append",
        type=_method,
        choices=[*METHOD_ALIASES, *METHODS],
        help="attribution method; may be given several times",
    )
    add_settings(command)
    command.add_argument(
        "--regions",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help=f"{OPTIONS[REGIONS].help} (superpixels)",
    )
    command.add_argument(
        "--region-names", type=Path, metavar="FILE", help="CSV of values or colours, and names"
    )
    add_baseline_and_target(command)
    command.add_argument(
        "--contrast",
        metavar="CLASS",
        help="class, label or value whose score is subtracted: a name or an index",
    )


def _method(name: str) -> str:
    """The name of a method as it was given, for argparse."""
    try:
        method_named(name)
    except SettingError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name


def add_settings(command: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """The options of methods, and the kind of score."""
    # No defaults: an option that was not given can be told from one that was.
    for name in OPTIONS:
        # Those that are files or have longer words are added apart.
        if name not in ("baseline", REGIONS, *without):
            add_option(command, name, argparse.SUPPRESS)
    command.add_argument(
        "--score", choices=SCORE_KINDS, default="logit", help="score that is explained (logit)"
    )


def add_option(command: argparse.ArgumentParser, name: str, default: Any) -> None:
    """An option of methods."""
    option = OPTIONS[name]
    how: dict[str, Any] = {"type": partial(read, name)}
    if option.kinds == (bool,):
        how = {"action": "store_true"}
    command.add_argument(f"--{name}", default=default, help=option.help, **how)


def read(name: str, text: str) -> Any:
    """The value of an option, for argparse."""
    option = OPTIONS[name]
    try:
        return option.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{quoted(text)}: give {option.allowed}.") from error


def add_baseline_and_target(command: argparse.ArgumentParser) -> None:
    """Baseline and target."""
    add_baseline(command)
    command.add_argument(
        "--target",
        default="predicted",
        metavar="CLASS",
        help="class, label or value that is explained: a name, an index, or predicted: the most "
        "probable, or the first value (predicted)",
    )


def add_baseline(command: argparse.ArgumentParser) -> None:
    """The baseline."""
    command.add_argument(
        "--baseline",
        default=argparse.SUPPRESS,
        help=f"what replaces covered pixels, or where the path begins: {', '.join(BASELINES)}, "
        "blur:SIGMA, noise:SEED or picture:PATH (grey)",
    )


def add_said(command: argparse.ArgumentParser) -> None:
    """What has to be said of maps that were made elsewhere, and what can be."""
    command.add_argument(
        "--map-of", choices=MAP_OF, help="what a map covers (known by its size, but for a grid)"
    )
    command.add_argument(
        "--adds-up",
        action="store_true",
        help="the map's values are said to sum to the change of the score from --baseline",
    )
    command.add_argument(
        "--sign",
        metavar="SIGN",
        help="what the map's sign means: "
        + ", ".join(f"{name} ({words})" for name, words in SIGN_WORDS.items()),
    )
    command.add_argument(
        "--unit",
        help=f"what its values count: {SCORE_UNIT} (the units of the explained score), {NO_UNIT}, "
        "or a name",
    )
    command.add_argument(
        "--channels",
        choices=CHANNELS,
        help="how the channels of a map become one: "
        + ", ".join(f"{name} ({words})" for name, words in CHANNELS.items()),
    )
