"""Classifiers: architecture, weights, preprocessing and class names as one record.

Comes in: the name of a model, or a folder of one's own. Goes out: a loaded `Classifier` whose
weights were checked, and the class that a person means by a word.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
