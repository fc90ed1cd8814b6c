"""`core.methods.occlusion`, by the name that older scripts import."""

from .methods.occlusion import *  # noqa: F403
