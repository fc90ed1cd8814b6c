"""The command ``where-it-looked``: all of ``python -m core``, and the page.

where-it-looked                             the page, on http://localhost:8501
where-it-looked page --talk mine.toml --models mine --results OUT --server.port 9000
where-it-looked predict swan.jpg
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from . import ROOT

_PAGE = {"page": "start the dashboard (also without a command)"}


def main(argv: Sequence[str] | None = None) -> int:
    """Start the page, or run another command; the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] in ([], ["page"]):
        return _page(argv[1:])
    command = import_module(".core.__main__", __package__)
    return command.main(argv, prog="where-it-looked", more=_PAGE)


def _page(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="where-it-looked page",
        description="Start the dashboard. Options of `streamlit run` work too: --server.port 9000.",
        allow_abbrev=False,
    )
    for option, metavar, words in (
        ("talk", "FILE", "the scenes of a talk, as TOML (the swan's)"),
        ("models", "FOLDER", "offer your own models too, one in each sub-folder"),
    ):
        parser.add_argument(f"--{option}", type=Path, metavar=metavar, help=words)
    parser.add_argument(
        "--results",
        nargs="+",
        action="extend",
        default=[],
        metavar="OUT",
        help="what `batch` wrote, for the Folder page",
    )
    parser.add_argument(
        "--downloads",
        action=argparse.BooleanOptionalAction,
        help="whether visitors may name models of timm and Hugging Face, which are downloaded "
        "(only where the page is reached from this machine alone)",
    )
    parser.add_argument(
        "--factories",
        action="store_true",
        help="run the functions that descriptions of your own models name as architecture",
    )
    ours, theirs = parser.parse_known_args(argv)
    files = (("talk", ours.talk), ("models", ours.models))
    given = [f"--{name}={path}" for name, path in files if path is not None]
    if ours.downloads is not None:
        given.append("--downloads" if ours.downloads else "--no-downloads")
    if ours.factories:
        given.append("--factories")
    if ours.results:
        given += ["--results", *ours.results]
    # As in a checkout, the page's own process knows the packages as `core` and `dashboard`.
    sys.path.insert(0, str(ROOT))
    from dashboard.__main__ import main as start

    return start([*theirs, "--", *given])


def run() -> int:
    """What the installed command runs: `main`, with an output that may go anywhere."""
    console = import_module(".core.cli.console", __package__)
    return console.as_process(main)


if __name__ == "__main__":
    sys.exit(run())
