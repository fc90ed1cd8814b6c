"""What all visitors share and what each keeps: options, login, state, loading, live work."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
