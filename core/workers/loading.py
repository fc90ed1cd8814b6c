"""The model that a worker is to compute with, as the process that it works for has it."""

import socket

from ..errors import ModelError
from ..models import classifiers, registry
from ..models.classifiers import Classifier
from ..models.registry import Offer


def load_as(offered: Offer, name: str, device: str, weights_sha256: str) -> Classifier:
    """Load a model in a worker's process.

    Args:
        offered: what the process that asks offers: its folder of models, and the files and
            functions that its operator has named.
        name: of the model.
        device: to put it on.
        weights_sha256: of the weights that the process that asks has.

    Raises:
        ModelError: it is not available on this machine, or has other weights here.
    """
    try:
        registry.take_over(offered)
        found = classifiers.load(name, device)
    except ModelError as error:
        raise ModelError(
            f"The worker on {socket.gethostname()} cannot load {name}: have the same files at the "
            f"same paths, and the same packages, on all machines ({str(error).rstrip('.')})."
        ) from error
    check_weights(found, name, weights_sha256)
    return found


def check_weights(classifier: Classifier, name: str, weights_sha256: str) -> None:
    """Refuse to compute with another network than the process that asks has.

    Raises:
        ModelError: it is another.
    """
    if classifier.weights_sha256 != weights_sha256:
        raise ModelError(
            f"A worker has other weights of {name} than this process: use the same files on all "
            "machines, and a function that builds the same network each time."
        )
