"""Results of a folder in the formats of other tools, and as one page to hand on.

Comes in: a table of results with its maps and pictures. Goes out: a dataset of FiftyOne, COCO's
JSON with the region that each map marks, or a summary in one HTML file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
