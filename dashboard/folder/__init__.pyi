from .page import draw_folder as draw_folder
