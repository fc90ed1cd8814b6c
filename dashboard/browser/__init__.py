"""Small browser components that Streamlit lacks, and checks of what they send back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
