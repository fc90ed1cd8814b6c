"""The exceptions whose messages are shown to the user.

Each message is one sentence: what was wrong, what is allowed, what to do. The page and the command
line show it unchanged, without a traceback.
"""


class UserError(ValueError):
    """Base of all errors whose message is meant for the user."""


class ImageError(UserError):
    """The bytes are not a picture that can be shown to a classifier."""


class MapError(UserError):
    """A map made elsewhere cannot be used: its file, its size or its values."""


class ChannelsError(MapError):
    """A map has channels, and how they become one was not said."""


class SettingError(UserError):
    """A setting (window, stride, steps, target, baseline, device, ...) is out of its range."""


class ModelError(UserError):
    """A model is unknown, wrongly described, or its weights are not available or do not fit."""


class ResourceError(UserError):
    """This machine cannot do what was asked: not even the smallest batch fits into memory."""


class BundleError(UserError):
    """A file is not a bundle that `core.bundle` made, or one that is too large to be taken."""


class TalkError(UserError):
    """The file of a talk cannot be used: which line, and why."""


class FolderError(UserError):
    """A folder of pictures cannot be listed, a label is not clear, or results cannot be kept."""
