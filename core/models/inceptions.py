"""``transform_input`` of torchvision's GoogLeNet and Inception v3.

Their trained weights come from another library, which normalised pictures otherwise. torchvision
has such a network turn ImageNet's mean and standard deviation into 0.5 and 0.5 itself. A state dict
does not say whether it was trained so, and answers differ.
"""

from ..files.toml import Table
from ..text import quoted

INCEPTIONS = ("googlenet", "inception_v3")


def transform_input(table: Table, architecture: str, channels: int) -> tuple[bool, tuple[str, ...]]:
    """What a description of a model says of it.

    Args:
        table: the description.
        architecture: of the model.
        channels: of its input.

    Returns:
        Whether the network transforms its input, and what was assumed, in sentences.

    Raises:
        UserError: the network cannot do that; with the file and the line.
    """
    words = "true or false"
    usual = architecture in INCEPTIONS and channels == 3
    given = table.take("transform_input", bool, words, usual)
    if "transform_input" in table and architecture not in INCEPTIONS:
        table.refuse(
            "transform_input",
            f"transform_input belongs to {' and '.join(INCEPTIONS)}, and the architecture is "
            f"{quoted(architecture)}: leave it out.",
        )
    if given and architecture in INCEPTIONS and channels != 3:
        table.refuse(
            "transform_input",
            f"transform_input is true, and the model takes {channels} channels, while torchvision "
            "transforms red, green and blue: say false.",
        )
    if not usual or "transform_input" in table:
        return given, ()
    note = (
        f"{table.file.name} does not say transform_input: true is assumed, as for torchvision's "
        "trained weights; say false if the network was trained from the start."
    )
    return given, (note,)
