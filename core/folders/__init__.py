"""Many pictures: predicted, explained, kept as one table, and read back.

Comes in: a folder, a CSV or an address such as ``s3://``. Goes out: a Parquet table of results,
maps beside it, and selections and mean maps of both.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
