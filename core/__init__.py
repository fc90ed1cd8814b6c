"""Predictions of image classifiers and attribution maps that explain them.

For notebooks, for ``python -m core`` and for the dashboard. The names that a notebook needs are
here and load on first use; the sub-packages hold the rest.
"""

import os

import lazy_loader

# Before torch is imported, or it has no effect. After each operation torch's threads wait for the
# slowest of them. OpenMP lets them wait in a loop for milliseconds, and where another program has
# a core, such as the browser that shows the page, the loop takes the time of the very thread that
# is waited for: a survey of 1.6 s took 12. About 0.1 ms in the loop, then asleep: 4.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1500")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
