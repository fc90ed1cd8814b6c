"""Starts the dashboard: ``python -m dashboard``, with the options of ``streamlit run``.

``streamlit run dashboard/app.py`` works too, but runs nothing of ours until a browser comes.
"""

import sys
from pathlib import Path

from dashboard import loading


def main() -> None:
    """Load what takes long on a thread of its own, and start the server meanwhile."""
    loading.begin()
    from streamlit.web import cli  # half a second, in which the thread is at work

    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("app.py")), *sys.argv[1:]]
    cli.main()


if __name__ == "__main__":
    main()
