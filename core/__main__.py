"""The entry point of the command line: ``python -m core COMMAND``.

    python -m core predict swan.jpg
    python -m core explain swan.jpg --method occlusion --window 15 --stride 8 --out maps
    python -m core explain penguin.jpg swan.jpg --method ig --method occlusion --bundle both.zip
    python -m core verify both.zip
    python -m core compare swan.jpg
    python -m core batch pictures --out results --methods occlusion --only wrong
    python -m core clusters results --confusion goose "king penguin" --cover --out clusters
    python -m core export results --to html --out summary.html
    python -m core trust swan.jpg --method ig --out trust
    python -m core study --out study
    python -m core models
    python -m core warm --talk talks/swan.toml
    python -m core predict swan.jpg --models mine --model pond
    python -m core predict swan.jpg --model my_nets:build

Errors that a user can cause print one sentence on stderr and end with exit code 2.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

from .cli.console import as_process, make_log_visible, say
from .cli.parser import make_parser
from .errors import UserError
from .models import registry

_NONE: Mapping[str, str] = MappingProxyType({})


def main(
    argv: Sequence[str] | None = None,
    *,
    prog: str = "python -m core",
    more: Mapping[str, str] = _NONE,
) -> int:
    """Run one command. Exit codes: 0 done, 1 not equal, 2 refused, 130 interrupted.

    Args:
        argv: the arguments; by default those of the process.
        prog: what the program is called.
        more: commands that ``prog`` does itself, by name, and what they are for.
    """
    make_log_visible()
    arguments = make_parser(prog, more).parse_args(argv)
    try:
        model = getattr(arguments, "model", None) or ()
        asked = (model,) if isinstance(model, str) else model
        registry.allow_factories(asked, arguments.factories)
        registry.use_folder(registry.folder_or_default(arguments.models), read=False)
        # Each command loads what it needs, and no other what it does not.
        command = import_module(f".cli.{arguments.run}", __package__)
        return command.run(arguments)
    except UserError as error:
        say(error, aside=True)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(as_process(main))
