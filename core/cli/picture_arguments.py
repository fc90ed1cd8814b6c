"""The arguments of the commands for single pictures and their bundles; loads no torch."""

import argparse
from pathlib import Path

from ..bundle.limits import MOST_PASSES
from ..methods.registry import METHODS
from ..trust.settings import FaithfulnessSetting
from .arguments import (
    Several,
    add_baseline_and_target,
    add_device,
    add_method,
    add_model,
    add_option,
    add_picture_and_model,
    add_said,
)


def predict(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``predict``."""
    add_picture_and_model(command)
    command.add_argument("--top", type=int, help="number of classes (5)")


def explain(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``explain``."""
    command.add_argument(
        "image", type=Path, metavar="IMAGE", nargs="+", help="one or more picture files"
    )
    add_model(command, several=True)
    add_method(command)
    command.add_argument(
        "--engine",
        choices=("incremental", "captum"),
        default=argparse.SUPPRESS,
        help="implementation of occlusion; captum is slower and keeps one class (incremental)",
    )
    command.add_argument("--out", type=Path, metavar="FOLDER", help="output folder for the maps")
    _add_bundle(command)


def verify(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``verify``."""
    command.add_argument(
        "bundle", type=Path, metavar="BUNDLE", help="a zip written by explain or the page"
    )
    command.add_argument(
        "--image", type=Path, metavar="IMAGE", help="the photo, if the bundle does not contain it"
    )
    command.add_argument(
        "--passes",
        type=int,
        default=MOST_PASSES,
        metavar="N",
        help=f"maximum number of forward passes ({MOST_PASSES})",
    )
    command.add_argument(
        "--model",
        action=Several,
        default=[],
        metavar="MODULE:FACTORY",
        help="a function that may be run to build a network of the bundle",
    )
    add_device(command)


def trust(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``trust``."""
    add_picture_and_model(command)
    add_method(command, required=False)
    _add_given(command)
    defaults = FaithfulnessSetting()
    for option, value, words in (
        ("block", defaults.block, "side of the blocks that are covered or revealed, in pixels"),
        ("points", defaults.points, "points of a deletion or insertion curve"),
        ("repeats", defaults.repeats, "number of random orders for comparison"),
        ("order-seed", defaults.seed, "seed of the random orders"),
    ):
        command.add_argument(f"--{option}", type=int, default=value, help=f"{words} ({value})")
    command.add_argument(
        "--reveal",
        default=defaults.baseline,
        metavar="BASELINE",
        help="baseline of the blocks, in the form of --baseline; or road, noisy linear imputation "
        f"from what is not covered, or road:SEED ({defaults.baseline})",
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="output folder")


def compare(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``compare``."""
    add_picture_and_model(command)
    for name in ("window", "stride"):
        add_option(command, name, getattr(METHODS["occlusion"].setting, name))
    add_baseline_and_target(command)


def _add_bundle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bundle",
        type=Path,
        metavar="FILE",
        help="write one zip with maps, figures for print, report, manifest, script to check it",
    )
    command.add_argument(
        "--no-photo", action="store_true", help="leave the photo out of the bundle"
    )
    command.add_argument(
        "--original",
        action="store_true",
        help="include the photo's file unchanged, with location and camera data",
    )
    command.add_argument(
        "--same-scale",
        action="store_true",
        help="use one colour scale for all maps in the same units",
    )
    command.add_argument(
        "--trust",
        action="store_true",
        help="add the trust measures of each map, about ten seconds each; see the command trust",
    )
    command.add_argument(
        "--link", metavar="URL", help="address of the page, for a link in the report"
    )


def _add_given(command: argparse.ArgumentParser) -> None:
    """The arguments of a map that was made elsewhere; none has a default that means something."""
    command.add_argument(
        "--map",
        type=Path,
        metavar="FILE",
        help="a map made elsewhere, .npy, .npz or a PNG of greys, of the size of the model's input "
        "or of the photo; beside the maps of --method, or alone",
    )
    add_said(command)
    command.add_argument("--title", help="what the map is called (the name of its file)")
