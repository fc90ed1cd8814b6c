"""What the person who starts the page gives on its command line, after ``--``."""

import argparse
import logging
import sys
from pathlib import Path

from core import models
from core.errors import UserError
from core.own_models import folder_or_default
from core.scenes import DEFAULT_TALK

_log = logging.getLogger(__name__)


def given() -> argparse.Namespace:
    """The talk's file, the folder of one's own models or None, and folders of results."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--talk", type=Path, default=DEFAULT_TALK)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--results", nargs="*", action="extend", default=[])
    return parser.parse_known_args(sys.argv[1:])[0]


def offer_models() -> list[str]:
    """Offer the models of that folder too; returns why some cannot be, in one sentence each."""
    try:
        models.use_folder(folder_or_default(given().models))
    except UserError as error:
        _log.warning("no models of one's own: %s", error)
        return [str(error)]
    return list(models.broken().values())
