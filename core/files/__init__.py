"""Opening, writing and keeping files, and parsing untrusted ones.

Comes in: paths, open files, untrusted bytes. Goes out: bytes and arrays within stated limits,
files that are whole or absent, values kept on disk, or one sentence saying why not. Knows nothing
of pictures or models.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
