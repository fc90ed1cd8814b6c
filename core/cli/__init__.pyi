from .console import as_process as as_process
from .console import make_log_visible as make_log_visible
from .console import say as say
from .parser import make_parser as make_parser
