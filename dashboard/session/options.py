"""Command-line options of the dashboard, after ``--``."""

import argparse
import ipaddress
import logging
import re
import sys
from pathlib import Path

import streamlit as st

from core.errors import ModelError, UserError
from core.models import registry
from core.models.registry import folder_or_default
from core.talks.scenes import DEFAULT_TALK
from core.text import quoted

_log = logging.getLogger(__name__)
_BY_NAME = re.compile(r"timm:\w[\w.-]{0,100}|hf:\w[\w.-]{0,100}/\w[\w.-]{0,100}", re.ASCII)


def given() -> argparse.Namespace:
    """The talk's file, one's own models, whether their functions may be run, and so on."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--talk", type=Path, default=DEFAULT_TALK)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--results", nargs="*", action="extend", default=[])
    parser.add_argument("--factories", action="store_true")
    parser.add_argument("--downloads", action=argparse.BooleanOptionalAction)
    words = sys.argv[1:]
    if "--" in words:  # before the server runs the page
        words = words[words.index("--") + 1 :]
    return parser.parse_known_args(words)[0]


def may_download() -> bool:
    """Whether visitors may name models of libraries, which are downloaded.

    They fill the disk and take bandwidth. So where the server is reached over a network, itself
    or through a proxy that passes another host name on, its operator has to allow it.
    """
    asked = given().downloads
    if asked is not None:
        return asked
    names = (st.get_option("server.address"), *st.get_option("server.allowedHosts"))
    return all(_is_this_machine(each) for each in names)


def check_model(name: str) -> None:
    """Accept a model that is on the list, or one that a visitor may name.

    One in the operator's folder that is broken, or needs ``--factories``, says why.

    Raises:
        ModelError: it may not be used here.
    """
    if name in registry.records():
        return
    if name in registry.broken():
        raise ModelError(
            f"{name} of the folder of models cannot be used: {registry.broken()[name]}"
        )
    if not may_download():
        raise ModelError(
            f"{quoted(name)} is not on the list: choose a model of the list. Whoever runs this "
            "page can allow others by --downloads."
        )
    if not is_of_library(name):
        raise ModelError(
            f"{quoted(name)} is no model's name: choose one of the list, or give timm:NAME or "
            "hf:ORG/NAME."
        )


def is_of_library(name: str) -> bool:
    """Whether it is the name of a library's model: neither a function nor a folder.

    A path would let visitors ask what lies on this machine.
    """
    return bool(_BY_NAME.fullmatch(name)) and not Path(name.partition(":")[2]).exists()


def _is_this_machine(address: str | None) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def offer_models() -> list[str]:
    """Offer the models of that folder too; returns why some cannot be, in one sentence each."""
    asked = given()
    registry.allow_factories(described=asked.factories)
    try:
        registry.use_folder(folder_or_default(asked.models))
    except UserError as error:
        _log.warning("no models of one's own: %s", error)
        return [str(error)]
    return list(registry.broken().values())
