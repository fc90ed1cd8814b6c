"""The arguments of the commands for folders: batch, clusters and export; loads no torch."""

import argparse
from pathlib import Path
from typing import Any, get_args

from ..clusters.grids import SIGNS
from ..folders.job import MOST_AT_ONCE, Only, Target
from ..methods.options import OPTIONS
from .arguments import add_baseline, add_device, add_model, add_said, add_settings, read

EXPORTS = ("fiftyone", "coco", "html")
ONLY: tuple[Only, ...] = get_args(Only)
TARGETS: tuple[Target, ...] = get_args(Target)


def batch(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``batch``."""
    command.add_argument(
        "folder",
        metavar="FOLDER",
        help="folder of pictures, in sub-folders named by class if there are labels; or a CSV with "
        "path and label; or an address such as s3://bucket/pictures",
    )
    command.add_argument("--out", type=Path, required=True, metavar="OUT", help="output folder")
    command.add_argument(
        "--methods",
        default="",
        metavar="NAMES",
        help="attribution methods, separated by commas, such as occlusion,ig (none)",
    )
    command.add_argument(
        "--regions",
        dest="label_images",
        metavar="DIR",
        help="folder of label images in place of superpixels, as --regions of explain takes them: "
        "that of birds/a.jpg is birds/a.jpg.png, or birds/a.png if no other picture is called a "
        "(superpixels)",
    )
    command.add_argument(
        "--masks",
        dest="mask_images",
        action=_FolderOrNumber,
        metavar="DIR",
        help="folder of masks of the objects, which maps are compared with: that of birds/a.jpg is "
        "birds/a.png, a PNG whose pixels are black or on the object (none); or a whole number: "
        f"{OPTIONS['masks'].help}",
    )
    command.add_argument(
        "--maps",
        metavar="DIR",
        help="folder of maps made elsewhere, as --map of trust takes them: that of birds/a.jpg is "
        "birds/a.jpg.npy, or birds/a.npy if it can be no other's, or ends with .npz or .png (none)",
    )
    add_said(command)
    command.add_argument(
        "--trust",
        action="store_true",
        help="add the trust measures of each map to the table, seconds each; see the command trust",
    )
    command.add_argument(
        "--only", choices=ONLY, default="all", help="which pictures to explain (all)"
    )
    command.add_argument(
        "--target",
        choices=TARGETS,
        default="predicted",
        help="class, label or value that is explained; contrast: the predicted class minus the "
        "label or, if they are the same, minus the second class (predicted)",
    )
    command.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="run on a Ray cluster, or with local in processes of this machine",
    )
    for option, words in (
        ("workers", "workers on Ray (as many as the CPUs allow)"),
        ("batch", "pictures per forward pass (suited to the device)"),
        (
            "threads",
            "threads for decoding and prediction (torch's default; 1 for each worker on Ray)",
        ),
    ):
        command.add_argument(f"--{option}", type=_count, metavar="N", help=words)
    command.add_argument(
        "--again", action="store_true", help="delete the results of an earlier run in OUT"
    )
    add_model(command)
    add_settings(command, without=("masks",))
    add_baseline(command)


def clusters(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``clusters``."""
    command.add_argument(
        "results", type=Path, metavar="RESULTS", help="folder that batch wrote, with maps"
    )
    command.add_argument(
        "--class",
        dest="label",
        metavar="NAME",
        help="pictures that are said to show this class; of labels and values, the one explained",
    )
    command.add_argument("--predicted", metavar="NAME", help="pictures that are called this class")
    command.add_argument(
        "--confusion",
        nargs=2,
        metavar=("A", "B"),
        help="pictures of class A that are called B (all pictures)",
    )
    command.add_argument("--method", metavar="M", help="method of the maps (the first)")
    command.add_argument(
        "--sign",
        choices=SIGNS,
        default=SIGNS[0],
        help=f"what counts: evidence for the answer, or of either kind ({SIGNS[0]})",
    )
    command.add_argument(
        "--anywhere",
        action="store_true",
        help="compare shapes wherever they lie: maps that differ by a shift are alike",
    )
    command.add_argument(
        "--clusters", type=int, metavar="N", help="number of clusters (those that stand out)"
    )
    command.add_argument("--seed", type=int, default=0, metavar="S", help="seed (0)")
    command.add_argument(
        "--masks",
        metavar="FOLDER",
        help="PNG masks by the pictures' paths: how much relevance lies outside of them",
    )
    command.add_argument(
        "--cover",
        action="store_true",
        help="cover each cluster's region in its pictures, and count the answers that change",
    )
    add_baseline(command)
    _add_model_of_results(command)
    add_device(command)
    command.add_argument("--out", type=Path, metavar="DIR", help="output folder")


def export(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``export``."""
    command.add_argument(
        "results", type=Path, metavar="RESULTS", help="the folder that batch wrote"
    )
    command.add_argument(
        "--to",
        required=True,
        choices=EXPORTS,
        help="fiftyone: a dataset with heatmaps; coco: JSON with the region that each map marks; "
        "html: a summary with mistakes, mean maps and settings",
    )
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help="a folder for fiftyone, else a file",
    )
    command.add_argument(
        "--share",
        type=float,
        metavar="SHARE",
        help="coco: the region is the smallest that holds this share of a map's positive values "
        "(0.5)",
    )
    _add_model_of_results(command)


def _add_model_of_results(command: argparse.ArgumentParser) -> None:
    """The model of results, whose own word runs no function and opens no file."""
    command.add_argument(
        "--model",
        metavar="NAME",
        help="the model that made the results, if it is a function MODULE:FACTORY, the path of a "
        ".pt2, .onnx or TorchScript file, or hf:FOLDER; its weights must be the same (what RESULTS "
        "says)",
    )


class _FolderOrNumber(argparse.Action):
    """Takes a folder; a whole number is the method's option of the same name instead."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        name = self.option_strings[0].lstrip("-")
        if not values.lstrip("-").isdecimal():
            setattr(namespace, self.dest, values)
            return
        try:
            setattr(namespace, name, read(name, values))
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument {option}: {error}")


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"give a whole number from 1 to {MOST_AT_ONCE:,}")
    return number
