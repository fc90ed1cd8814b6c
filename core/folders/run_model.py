"""The model that made a table: known by the table's own word, or named where that is not enough.

A table may come from anywhere. So a function or a file that it names is not run or opened on its
word, but only where the command line names it too; and that has then to be the one of the run.
"""

from pathlib import Path

from ..errors import FolderError, ModelError, SettingError
from ..models import registry
from ..models.catalogue import ModelRecord
from ..text import PROGRAM, quoted
from .results_table import ResultsTable

_LIBRARIES = ("timm:", "hf:")


def model_of(results: ResultsTable, named: str | None = None) -> ModelRecord:
    """The model that made a table.

    Args:
        results: the table.
        named: the model as the command line names it, with `registry.allow_model`; None if it does
            not. Its weights are then compared with those of the run, where they are here.

    Raises:
        FolderError: the table does not say which model it was, or that is not known here.
        SettingError: another one is named.
        ModelError: it cannot be used, or its weights are others now.
    """
    made_by = results.model
    if made_by is None:
        raise FolderError(
            f"{results.name} does not say which model made it: give the folder that "
            f"`{PROGRAM} batch --out` wrote to."
        )
    if named is not None and not _is_same(named, made_by):
        raise SettingError(
            f"--model names {quoted(named)}, and {results.name} was made with {quoted(made_by)}: "
            "name that, or leave --model out."
        )
    if named is None:
        _check_known(results, made_by)
        return registry.record(made_by)
    record = registry.record(named)
    if record.weights.present:
        check_weights(results, record.name, record.weights.load()[1])
    return record


def check_weights(results: ResultsTable, name: str, sha256: str) -> None:
    """Refuse other weights than those of a table's run.

    Args:
        results: the table.
        name: of the model.
        sha256: the digest of its weights.

    Raises:
        ModelError: they are others.
    """
    if sha256 != results.manifest.get("weights_sha256"):
        raise ModelError(
            f"The weights of {name} are not those that made {results.name}: bring those back, or "
            f"run `{PROGRAM} batch` again."
        )


def _is_same(named: str, made_by: str) -> bool:
    """Whether two names mean one model: of a file, its name counts and not its folder."""
    if named == made_by:
        return True
    both_files = all(map(registry.is_file, (named, made_by)))
    return both_files and Path(named).name == Path(made_by).name


def _check_known(results: ResultsTable, name: str) -> None:
    """Say how to name a model that is not known yet.

    Raises:
        FolderError: it is a function, a file, or one of a folder that was not given.
    """
    if registry.is_listed(name):
        return
    library, colon, place = name.partition(":")
    if library == "hf" and Path(place).is_dir():
        what, done = "folder", "opened"
    elif library + colon in _LIBRARIES:
        return
    elif registry.is_file(name):
        what, done = "file", "opened"
    elif registry.is_named_by_path(name):
        what, done = "function", "run"
    else:
        raise FolderError(
            f"{results.name} was made with {quoted(name)}, which is not on the list of models: "
            "give --models too, with the folder that holds it."
        )
    raise FolderError(
        f"{results.name} was made with the {what} {quoted(name)}, which is {done} only where the "
        f"command names it: give --model {quoted(name)} too."
    )
