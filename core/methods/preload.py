"""Imports, ahead of time, the libraries that maps need and predictions do not."""

from importlib import import_module


def load() -> None:
    """Import all of them now, before the first map is asked for."""
    # `torch.export._trace` is what the first export imports: with 1.5 s by far the most.
    for name in (
        "torch.export._trace",
        "scipy.interpolate",
        "scipy.spatial",
        "matplotlib.colors",
    ):
        import_module(name)
