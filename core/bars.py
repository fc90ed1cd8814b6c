"""A bar that shows how far a computation is, in a notebook and at a terminal."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import TqdmWarning

with warnings.catch_warnings():
    # Where ipywidgets is not installed there is a plain bar, which is no reason to warn. Captum
    # imports the same module: so this one has to be imported before it.
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm


@contextmanager
def bar(title: str, unit: str, wanted: bool | None) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that shows how much is done of how much; the bar is gone at the end.

    Args:
        title: what is done.
        unit: of the numbers; "B" for bytes.
        wanted: whether there is a bar; None: in a notebook, and where stderr is a terminal.
    """
    # To tqdm, None is: where stderr is a terminal.
    hidden = None if wanted is None and not in_notebook() else wanted is False
    with tqdm(desc=title, unit=unit, unit_scale=unit == "B", leave=False, disable=hidden) as shown:

        def show(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield show


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
