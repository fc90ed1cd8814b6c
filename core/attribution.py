"""`core.methods.attribution`, by the name that older scripts import."""

from .methods.attribution import *  # noqa: F403
