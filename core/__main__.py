"""The command line.

    python -m core predict swan.jpg
    python -m core explain swan.jpg --method occlusion --window 15 --stride 8 --out maps
    python -m core explain penguin.jpg swan.jpg --method ig --method occlusion --bundle both.zip
    python -m core verify both.zip
    python -m core compare swan.jpg
    python -m core batch pictures --out results --methods occlusion --only wrong
    python -m core trust swan.jpg --method ig --out trust
    python -m core study --out study
    python -m core models
    python -m core warm --talk talks/swan.toml
    python -m core predict swan.jpg --models mine --model pond

What a user can do wrong ends in one sentence on stderr and exit code 2.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from core import batching, commands, evaluations, exporting, models
from core.baselines import BASELINES
from core.console import as_process, make_log_visible, say
from core.errors import UserError
from core.faithfulness import FaithfulnessSetting
from core.methods import METHODS
from core.own_models import FOLDER_VARIABLE, folder_or_default
from core.samples import FOLDER as SAMPLES
from core.scenes import DEFAULT_TALK
from core.scores import SCORE_KINDS
from core.settings import ENOUGH, Steps
from core.text import line
from core.verify import MOST_PASSES
from core.work import METHOD_ALIASES, STRIDE, WINDOW


def _steps(text: str) -> Steps:
    return ENOUGH if text == ENOUGH else int(text)


_OPTIONS: tuple[tuple[str, Callable[[str], Any], str], ...] = (
    ("steps", _steps, f"points on the path of integrated gradients, or {ENOUGH} ({ENOUGH})"),
    ("samples", int, "noisy copies of the smoothed methods, samples of gradient_shap"),
    ("stdev", float, "of the noise, in units of the model's normalised input"),
    ("seed", int, "of the noise (0)"),
    ("segments", int, "about how many superpixels"),
    ("layer", str, "of grad_cam (the last with a map)"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 not equal, 2 refused, 130 interrupted."""
    make_log_visible()
    arguments = _parser().parse_args(argv)
    try:
        models.use_folder(folder_or_default(arguments.models))
        return arguments.run(arguments)
    except UserError as error:
        say(error, aside=True)
        return 2
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """Quotes what it refuses so that no terminal acts on it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and exit with code 2."""
        super().error(line(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m core",
        description="See which pixels drove an image classifier's prediction.",
    )
    names = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = names.add_parser("predict", help="what a model says of a picture")
    _add_picture_and_model(command)
    command.add_argument("--top", type=int, help="how many classes (5)")
    command.set_defaults(run=commands.predict)

    command = names.add_parser("explain", help="write maps as numbers, pictures and record")
    command.add_argument(
        "image", type=Path, metavar="IMAGE", nargs="+", help="one or several picture files"
    )
    _add_model(command, several=True)
    _add_method(command, several=True)
    command.add_argument(
        "--engine",
        choices=("incremental", "captum"),
        default=argparse.SUPPRESS,
        help="what computes occlusion; captum is slower and keeps one class (incremental)",
    )
    command.add_argument("--out", type=Path, metavar="FOLDER", help="where to write each map")
    _add_bundle(command)
    command.set_defaults(run=exporting.explain)

    command = names.add_parser("batch", help="predict and explain a folder of pictures")
    batching.add_options(command)
    _add_model(command)
    _add_settings(command)
    _add_baseline(command)
    command.set_defaults(run=batching.batch)

    command = names.add_parser("verify", help="compute a bundle again: is it what it says?")
    command.add_argument("bundle", type=Path, metavar="BUNDLE", help="a zip by explain or the page")
    command.add_argument(
        "--image", type=Path, metavar="IMAGE", help="the photo, where the bundle does not hold it"
    )
    command.add_argument(
        "--passes",
        type=int,
        default=MOST_PASSES,
        metavar="N",
        help=f"how many passes through its networks may be made ({MOST_PASSES})",
    )
    _add_device(command)
    command.set_defaults(run=exporting.check)

    command = names.add_parser("trust", help="how far to trust a map: curves beside controls")
    _add_picture_and_model(command)
    _add_method(command)
    defaults = FaithfulnessSetting()
    for option, value, words in (
        ("block", defaults.block, "side of the blocks that are covered or revealed, in pixels"),
        ("points", defaults.points, "how often the model is asked along a curve"),
        ("repeats", defaults.repeats, "random orders to compare with"),
        ("order-seed", defaults.seed, "of the random orders"),
    ):
        command.add_argument(f"--{option}", type=int, default=value, help=f"{words} ({value})")
    command.add_argument(
        "--reveal",
        default=defaults.baseline,
        metavar="BASELINE",
        help=f"what covered blocks become, as for --baseline ({defaults.baseline})",
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write")
    command.set_defaults(run=evaluations.judge)

    command = names.add_parser("compare", help="the occlusion survey beside Captum's Occlusion")
    _add_picture_and_model(command)
    _add_window(command, WINDOW, STRIDE)
    _add_baseline_and_target(command)
    command.set_defaults(run=commands.compare)

    command = names.add_parser("study", help="the six maps of the study of penguin and swan")
    command.add_argument(
        "--images",
        type=Path,
        default=SAMPLES,
        metavar="FOLDER",
        help="with penguin.jpg and swan.jpg (the sample pictures)",
    )
    _add_model(command)
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write")
    command.set_defaults(run=evaluations.reproduce)

    command = names.add_parser("warm", help="compute what the scenes of a talk show, and keep it")
    command.add_argument(
        "--talk",
        type=Path,
        default=DEFAULT_TALK,
        metavar="FILE",
        help=f"the scenes ({DEFAULT_TALK.name})",
    )
    command.set_defaults(run=commands.make_ready)

    command = names.add_parser("models", help="list the models, and which are here offline")
    command.set_defaults(run=commands.list_models)
    for command in names.choices.values():
        command.add_argument(
            "--models",
            type=Path,
            metavar="FOLDER",
            help=f"offer your own models too, one in each sub-folder (${FOLDER_VARIABLE})",
        )
    return parser


def _add_picture_and_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("image", type=Path, metavar="IMAGE", help="a picture file")
    _add_model(command)


def _add_model(command: argparse.ArgumentParser, several: bool = False) -> None:
    command.add_argument(
        "--model",
        default=[models.DEFAULT_MODEL] if several else models.DEFAULT_MODEL,
        action=_Several if several else "store",
        metavar="NAME",
        help=f"one that `models` lists ({models.DEFAULT_MODEL})"
        + ("; may be given several times" if several else ""),
    )
    _add_device(command)


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device", choices=models.DEVICES, default="auto", help="where to compute (auto)"
    )


def _add_bundle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bundle",
        type=Path,
        metavar="FILE",
        help="write one zip: maps, figures for print, report, record, script to check them",
    )
    command.add_argument(
        "--no-photo", action="store_true", help="leave the photo out of the bundle"
    )
    command.add_argument(
        "--original",
        action="store_true",
        help="put the photo's file into the bundle as it is, place and camera included",
    )
    command.add_argument(
        "--same-scale",
        action="store_true",
        help="one scale for all maps of the bundle in the same units",
    )
    command.add_argument(
        "--trust",
        action="store_true",
        help="judge each map too: some ten seconds each, as the command trust does",
    )
    command.add_argument("--link", metavar="URL", help="of the page, for the report to open")


class _Several(argparse.Action):
    """Collects what is given, in place of the default: "append" would add to it."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        given = [] if before is self.default else before
        setattr(namespace, self.dest, [*given, values])


def _add_method(command: argparse.ArgumentParser, several: bool = False) -> None:
    command.add_argument(
        "--method",
        required=True,
        action="append" if several else "store",
        choices=[*METHOD_ALIASES, *METHODS],
        help="how to explain" + ("; may be given several times" if several else ""),
    )
    _add_settings(command)
    _add_baseline_and_target(command)
    command.add_argument(
        "--contrast", metavar="CLASS", help="subtract this class's score: a name or an index"
    )


def _add_settings(command: argparse.ArgumentParser) -> None:
    _add_window(command, argparse.SUPPRESS, argparse.SUPPRESS)
    for option, kind, words in _OPTIONS:
        command.add_argument(f"--{option}", type=kind, default=argparse.SUPPRESS, help=words)
    command.add_argument(
        "--score", choices=SCORE_KINDS, default="logit", help="scale of the score (logit)"
    )


def _add_window(command: argparse.ArgumentParser, window: int | str, stride: int | str) -> None:
    command.add_argument(
        "--window",
        type=int,
        default=window,
        metavar="PIXELS",
        help=f"side of the occlusion window ({WINDOW})",
    )
    command.add_argument(
        "--stride",
        type=int,
        default=stride,
        metavar="PIXELS",
        help=f"from one window to the next ({STRIDE})",
    )


def _add_baseline_and_target(command: argparse.ArgumentParser) -> None:
    _add_baseline(command)
    command.add_argument(
        "--target",
        default="predicted",
        metavar="CLASS",
        help="class to explain: a name, an index, or predicted (predicted)",
    )


def _add_baseline(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--baseline",
        default=argparse.SUPPRESS,
        help=f"what covered pixels become, or where the path begins: {', '.join(BASELINES)}, "
        "blur:SIGMA, noise:SEED or picture:PATH (grey)",
    )


if __name__ == "__main__":
    sys.exit(as_process(main))
