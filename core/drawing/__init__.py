"""Numbers -> colours, words and figures.

Comes in: attributions, class names, display settings. Goes out: images, colour bars, sentences
and pages. Computes no attribution.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
