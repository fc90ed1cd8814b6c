"""From untrusted bytes to an upright sRGB picture and to a model's input, and back.

Comes in: bytes or paths of pictures, a region, a painted mask. Goes out: `Picture` records,
float32 inputs (1, C, H, W), and the geometry that leads from a map back to the photo.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
