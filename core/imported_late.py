"""What no prediction needs and every map does; its modules import it only where they use it."""

from importlib import import_module


def load() -> None:
    """Import all of it now, before somebody waits for a map."""
    # `torch.export._trace` is what the first export imports: with 1.5 s by far the most.
    for name in (
        "torch.export._trace",
        "scipy.interpolate",
        "scipy.spatial",
        "matplotlib.colors",
    ):
        import_module(name)
