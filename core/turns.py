"""Whose turn it is to compute.

Torch starts as many threads as there are cores for each Python thread that calls it. Two surveys at
once would have twice as many threads as cores and both be slower than in turn, so heavy work takes
this lock for one batch at a time: everything advances, nothing is oversubscribed.
"""

import threading

turn = threading.Lock()
