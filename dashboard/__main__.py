"""Starts the dashboard: ``python -m dashboard``, with the options of ``streamlit run``.

``streamlit run dashboard/app.py`` works too, but runs nothing of ours until a browser comes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from dashboard.session import loading


def main(argv: Sequence[str]) -> int:
    """Load what takes long on a thread of its own, and start the server meanwhile.

    Args:
        argv: options of ``streamlit run``, and after ``--`` those of the page.
    """
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("app.py")), *argv]
    if not _models_are_there():
        return 2
    loading.begin()
    from streamlit.web import cli  # half a second, in which the thread is at work

    try:
        return cli.main()
    finally:
        loading.end()


def _models_are_there() -> bool:
    """Whether the folder of models that was named can be read; if not, that is said."""
    if not any(each.startswith("--models") for each in sys.argv):
        return True
    from core.cli.console import say
    from core.errors import UserError
    from core.models import registry
    from dashboard.session import options

    try:
        registry.use_folder(options.given().models, read=False)
    except UserError as error:
        say(error, aside=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
