"""The command ``models``."""

import re

from core.models import registry
from tests.commands import ROOT


def test_models_lists_the_registry(run):
    code, lines, err = run("models")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in lines[1:-1]] == list(registry.records())
    assert lines[-1].startswith("Also timm:NAME")
    assert lines[1].split() == [
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        *("75.1", "%", "19", "MB", "Apache-2.0", "yes", "default"),
    ]
    assert sum("default" in line for line in lines) == 1
    for line, record in zip(lines[1:-1], registry.records().values(), strict=True):
        assert ("yes" in line.split()) == record.weights.present


def test_the_documentation_gives_the_sizes_that_are_printed():
    table = (ROOT / "docs" / "command-line.md").read_text("utf-8").split("## Models")[1]
    said = dict(re.findall(r"^\| `(\w+)`[^|]*\|[^|]*\| (\d+) (?:and \d+ )?MB", table, re.M))
    printed = {name: f"{each.weights.megabytes:.0f}" for name, each in registry.records().items()}
    second = re.search(r"`efficientnet_lite2` \|[^|]*\| \d+ and (\d+) MB", table).group(1)
    assert {**said, "efficientnet_lite2": second} == printed
