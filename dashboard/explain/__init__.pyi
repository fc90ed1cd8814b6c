from .controls import NOTHING as NOTHING
from .controls import PREDICTED as PREDICTED
from .page import draw_page as draw_page
from .skeleton import CLASSES as CLASSES
from .skeleton import draw_skeleton as draw_skeleton
from .skeleton import draw_style as draw_style
