"""The command ``verify``: recomputes a bundle and compares the results with its contents."""

import argparse
import errno

from ..bundle.limits import MAX_PACKED
from ..bundle.verification import verify
from ..errors import BundleError
from ..files.io import read_bytes
from ..pictures.picture import read_picture
from ..text import counted
from .console import progress_line, say


def run(arguments: argparse.Namespace) -> int:
    """Recompute a bundle and report the differences; exit code 1 if there are any."""
    try:
        data = read_bytes(arguments.bundle, MAX_PACKED)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise BundleError(
                f"{arguments.bundle} is larger than a bundle can be ({MAX_PACKED:,} bytes): "
                "check the path."
            ) from error
        raise BundleError(
            f"{arguments.bundle} cannot be read ({error.strerror}): check the path."
        ) from error
    image = None if arguments.image is None else read_picture(arguments.image)
    with progress_line() as show:
        verdict = verify(
            data,
            image=image,
            device=arguments.device,
            passes=arguments.passes,
            report=show,
        )
    for sentence in (*verdict.equal, *verdict.notes, *verdict.different):
        say(sentence)
    if verdict.different:
        count = len(verdict.different)
        say(f"Not equal: {counted(count, 'difference')}.")
        return 1
    say("Equal.")
    return 0
