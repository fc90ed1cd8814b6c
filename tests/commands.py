"""What the tests of the commands have in common."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SWAN = ROOT / "sample_images" / "swan.jpg"
KING_PENGUIN, GOOSE = 145, 99
COARSE = ("--method", "occlusion", "--window", "112", "--stride", "80")  # 9 windows
QUICK = ("--method", "ig", "--steps", "2")


def record_in(folder, name):
    return json.loads((folder / f"{name}.json").read_text("utf-8"))
