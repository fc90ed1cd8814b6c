"""A talk as scenes in a TOML file, and the study that the project grew from.

Comes in: a TOML file. Goes out: checked `Scene` records, and everything they show computed before
the talk.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
