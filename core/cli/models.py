"""The command ``models``: lists the models, and whether their weights are on this machine."""

import argparse

from ..models import registry
from ..models.extras import INSTALLATION
from .console import print_table, say


def run(_: argparse.Namespace) -> int:
    """Print the registry, and what is wrong with models of one's own."""
    rows = [
        (
            record.name,
            record.title,
            "" if record.accuracy is None else f"{record.accuracy:.1f} %",
            "" if record.weights.megabytes is None else f"{record.weights.megabytes:.0f} MB",
            record.licence,
            "yes" if record.weights.present else "no",
            "default" if record.name == registry.DEFAULT_MODEL else "",
        )
        for record in registry.records().values()
    ]
    header = ("name", "title", "top-1", "size", "licence", "offline", "")
    print_table(header, rows, words=("name", "title", "licence", "offline", ""))
    for record in registry.records().values():
        for note in record.notes:
            say(f"{record.name}: {note}")
    for name, sentence in registry.broken().items():
        say(f"{name} is broken: {sentence}")
    say(
        "Also timm:NAME and hf:ORG/NAME or hf:FOLDER, as --model timm:resnet18.a1_in1k: they need "
        f"`{INSTALLATION}`."
    )
    return 0
