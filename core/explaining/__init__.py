"""The cached front: pictures, models and settings in, predictions, maps and judgements out.

Page, command line and notebook ask here. What was computed is kept in memory and on disk; what
was stopped is continued.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
