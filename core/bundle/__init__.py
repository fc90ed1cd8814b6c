"""A zip with maps, figures, report and manifest, and its verification.

Comes in: exhibits (a picture before a model, with its maps), or the untrusted bytes of a bundle.
Goes out: the bytes of a bundle, or a verdict after computing everything again.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
