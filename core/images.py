"""`core.pictures.images`, by the name that older scripts import."""

from .pictures.images import *  # noqa: F403
