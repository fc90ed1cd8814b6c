"""Maps and judgements computed by other processes or machines.

Comes in: a task as plain arrays and settings. Goes out: parts of its result as they are known.
Only the modules named ``ray_*`` import Ray.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
