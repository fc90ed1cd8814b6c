"""Joining a Ray cluster, or starting one on this machine alone."""

import logging
import os
import secrets
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import RayError

from ..errors import ResourceError

LOCAL = "local"
_STORE_BYTES = 256 << 20  # what waits to be taken: a part of a batch takes some 10 MB
# The outermost package, whatever it is called: what workers have to find.
_PACKAGE = Path(__file__).resolve().parents[__name__.count(".") - 1]
_TOKEN, _TOKEN_PATH = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


def connect(address: str, cpus: int) -> None:
    """Join a cluster, or start one on this machine alone; nothing is reported to anybody.

    Args:
        address: of the cluster as host:port, or "auto" for the one that this machine belongs to,
            or "local" to start one.
        cpus: how many a local one has.

    Raises:
        ResourceError: there is none, or it does not accept the token.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")  # else a line for each second of trying
    try:
        if address == LOCAL:
            if _token_is_missing():
                os.environ[_TOKEN] = secrets.token_hex(32)  # else Ray leaves a file in the home
            ray.init(
                address="local",  # its own, also where a cluster runs on this machine
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                runtime_env={"env_vars": {"PYTHONPATH": str(_PACKAGE.parent)}},
                _node_ip_address="127.0.0.1",
                **_QUIET,
            )
        else:
            _knock(address)
            # This package travels to the workers; what it needs must be there.
            environment = {"py_modules": [str(_PACKAGE)]}
            ray.init(address=address, runtime_env=environment, **_QUIET)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        advice = f"check the address, or give {LOCAL}"
        if address != LOCAL:
            advice += (
                "; a cluster with a token also needs RAY_AUTH_MODE=token, and in "
                "~/.ray/auth_token what `ray get-auth-token` prints on its head node"
            )
        raise ResourceError(
            f"Ray cannot be reached at {address} ({first_line(error).rstrip('.')}): {advice}."
        ) from error


def first_line(error: Exception) -> str:
    """What an error of Ray's says, without its traceback."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _token_is_missing() -> bool:
    path = Path(os.environ.get(_TOKEN_PATH) or Path.home() / ".ray" / "auth_token")
    return _TOKEN not in os.environ and not path.is_file()


def _knock(address: str) -> None:
    """Fail at once where nobody answers; Ray by itself tries for minutes.

    Raises:
        OSError: nobody answers.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=10).close()
