"""Clusters of maps: what groups of a folder's maps have in common, and what hangs on it.

Comes in: rows of a table of results with their maps. Goes out: the groups that stand out (spectral
relevance analysis), what each is like, and what becomes of the answers without its region.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
