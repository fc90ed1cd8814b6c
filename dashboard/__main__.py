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
    loading.begin()
    from streamlit.web import cli  # half a second, in which the thread is at work

    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("app.py")), *argv]
    try:
        return cli.main()
    finally:
        loading.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
