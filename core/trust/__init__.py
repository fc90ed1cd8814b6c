"""How far to trust a map: deletion and insertion, infidelity, weight randomisation, stability.

Comes in: a map and the network it explains. Goes out: a `Judgement`, its badges, sentences and
figure.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
