"""The command line: one module per command.

`core.__main__` reads the arguments; a command's own module is imported when it runs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
