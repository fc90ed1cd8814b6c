from . import components as components
from . import history as history
from .messages import read_number as read_number
