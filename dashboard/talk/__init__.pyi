from .page import draw_talk as draw_talk
