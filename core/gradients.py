"""`core.methods.gradients`, by the name that older scripts import."""

from .methods.gradients import *  # noqa: F403
