"""The argument parser of the command line; it does not load torch."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ..models.registry import FOLDER_VARIABLE
from ..pictures.samples import FOLDER as SAMPLES
from ..talks.scenes import DEFAULT_TALK
from ..text import did_you_mean, line
from . import folder_arguments, picture_arguments
from .arguments import add_model


class _Parser(argparse.ArgumentParser):
    """Takes options by their whole names, and quotes what it refuses for the terminal."""

    def __init__(self, **how: Any) -> None:
        """Make a parser; see `argparse.ArgumentParser`.

        A shortened name would take ``--model`` for ``--models`` where there is no ``--model``.
        """
        super().__init__(**how, allow_abbrev=False)

    def parse_known_args(  # type: ignore[override]  # its overloads are for other namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; a command refuses what it does not know itself, and names itself."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [name for name in self._option_string_actions if name.startswith("--")]
            named = (
                name + did_you_mean(name, options) if name.startswith("--") else name
                for name in unknown
            )
            self.error(f"unrecognized arguments: {' '.join(named)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and exit with code 2.

        Without the list of all options, below which the sentence would be lost.
        """
        usage = f"usage: {self.prog} ...; {self.prog} --help lists the arguments"
        self.exit(2, f"{usage}\n{self.prog}: error: {line(message)}\n")


def make_parser(prog: str, more: Mapping[str, str]) -> argparse.ArgumentParser:
    """Build the parser; in its result, ``run`` names the module of `core.cli` for the command.

    Args:
        prog: what the program is called.
        more: commands besides those of `core.cli`, by name, and what they are for.
    """
    parser = _Parser(
        prog=prog,
        description="Show which pixels drove an image classifier's prediction.",
    )
    names = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (words, add_arguments) in _COMMANDS.items():
        command = names.add_parser(name, help=words)
        add_arguments(command)
        command.set_defaults(run=name)
    command = names.add_parser(
        "models", help="list the models, and whether their weights are on this machine"
    )
    command.set_defaults(run="models")
    for name, words in more.items():
        names.add_parser(name, help=words)
    for command in names.choices.values():
        command.add_argument(
            "--models",
            type=Path,
            metavar="FOLDER",
            help=f"folder of your own models, one in each sub-folder (${FOLDER_VARIABLE})",
        )
        command.add_argument(
            "--factories",
            action="store_true",
            help="run the functions that their descriptions name as architecture, and open .pt2 "
            "and TorchScript files, which can hold code",
        )
    return parser


def _study(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``study``."""
    command.add_argument(
        "--images",
        type=Path,
        default=SAMPLES,
        metavar="FOLDER",
        help="folder with penguin.jpg and swan.jpg (the sample pictures)",
    )
    add_model(command)
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="output folder")


def _warm(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``warm``."""
    command.add_argument(
        "--talk",
        type=Path,
        default=DEFAULT_TALK,
        metavar="FILE",
        help=f"TOML file with the scenes ({DEFAULT_TALK.name})",
    )


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "predict": (
        "print the most probable classes of a picture, or its values",
        picture_arguments.predict,
    ),
    "explain": (
        "compute attribution maps and write them as numbers, pictures and JSON",
        picture_arguments.explain,
    ),
    "batch": ("predict and explain a folder of pictures", folder_arguments.batch),
    "clusters": (
        "find clusters of a folder's maps, and whether they show a shortcut",
        folder_arguments.clusters,
    ),
    "export": (
        "write the results of batch for other tools, or as a summary in one HTML file",
        folder_arguments.export,
    ),
    "verify": (
        "recompute a bundle and compare the results with its contents",
        picture_arguments.verify,
    ),
    "trust": (
        "measure how far to trust a map: deletion, insertion, completeness, infidelity, "
        "weight randomisation, noise stability",
        picture_arguments.trust,
    ),
    "compare": (
        "compare the occlusion survey with Captum's Occlusion: time and values",
        picture_arguments.compare,
    ),
    "study": ("compute the six maps of the penguin and swan study", _study),
    "warm": ("precompute the scenes of a talk and keep them on disk", _warm),
}
"""What each command is for, and what adds its arguments."""
