"""Exact incremental inference, and the threads and memory it may use.

Comes in: any `torch.nn.Module` and a picture. Goes out: logits for pictures that differ from a
kept one inside a rectangle, equal to the module's own within float rounding, and a simplified
network for gradients. Knows nothing of methods or class names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
