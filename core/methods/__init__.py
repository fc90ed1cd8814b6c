"""Attribution methods: a question to a network -> a map of numbers.

Comes in: a module, an input, a setting and a question (target, contrast, kind of score). Goes out:
steps that can be shown and stopped, the last of which holds the finished `Attribution`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
