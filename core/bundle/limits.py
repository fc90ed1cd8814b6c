"""Limits on the size of an untrusted bundle, and on the work that verifying it may take."""

MAX_PACKED = 300 * 1000 * 1000  # bytes, decimal
MAX_UNPACKED = 500 * 1000 * 1000
MAX_FILES = 2000
MAX_MANIFEST = 5 * 1000 * 1000

MOST_PASSES = 20_000
"""Passes that are made unasked: some minutes on two cores."""
