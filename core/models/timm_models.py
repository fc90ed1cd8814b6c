"""Models of timm's, by its own names: ``timm:resnet18.a1_in1k``.

Architecture, preprocessing and class names are timm's; the weights come through the hub's cache.
"""

import difflib
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..pictures.preprocessing import Preprocessing, Size
from ..text import line, quoted
from .catalogue import TIMM, ModelRecord, imagenet_classes
from .checkpoints import Checkpoint, digest_of
from .extras import need
from .hub import AbsentError, Repository
from .preprocessing_configs import from_timm
from .reasons import reason_of
from .state_dicts import read_state
from .weights import Progress

if TYPE_CHECKING:
    from torch import nn

_FILES = ("model.safetensors", "pytorch_model.bin")
_NEAREST = 4


@dataclass(frozen=True)
class TimmWeights:
    """The weights of a model of timm's, on the hub or in its cache.

    Attributes:
        model: timm's name, with the tag of the weights.
        repository: where they are.
    """

    model: str
    repository: Repository

    @property
    def name(self) -> str:
        """What sentences call them."""
        return f"{self.repository.name}/{self._file or _FILES[0]}"

    @property
    def present(self) -> bool:
        """Whether they are in the cache."""
        return self._file is not None

    @property
    def megabytes(self) -> float | None:
        """Their size, once they are here."""
        path = self.repository.cached(self._file) if self._file else None
        return None if path is None else path.stat().st_size / 1e6

    def download(self) -> Generator[Progress, None, None]:
        """Bring them into the cache.

        Raises:
            ModelError: they are not available.
        """
        try:
            yield from self.repository.fetch(_FILES[0])
        except AbsentError:
            yield from self.repository.fetch(_FILES[1])

    def load(self) -> tuple[Checkpoint, str]:
        """The state dict as timm brings it into its network, and a digest of it.

        Raises:
            ModelError: they are not here, damaged, or not of that network.
        """
        file = self._file
        path = None if file is None else self.repository.cached(file)
        if path is None:
            raise ModelError(f"The weights {self.name} are not on this machine.")
        held = read_state(path, self.name)
        try:
            network = need("timm").create_model(
                self.model, pretrained=True, pretrained_cfg_overlay={"state_dict": held.state}
            )
        except Exception as error:  # each architecture has its own way to refuse weights
            reason = reason_of(error)
            raise ModelError(
                f"{self.name} does not fit timm's {self.model} ({reason}): install the timm that "
                "it was made for, or choose other weights."
            ) from error
        state = network.state_dict()
        return Checkpoint(state, held.notes), digest_of(state)

    @property
    def _file(self) -> str | None:
        return next((file for file in _FILES if self.repository.cached(file) is not None), None)


@lru_cache(16)
def timm_record(name: str) -> ModelRecord:
    """What is known of a model of timm's; its weights need not be here.

    Args:
        name: timm's own behind `TIMM`; without a tag, of the weights that timm takes then.

    Raises:
        ModelError: timm is not installed, has no such model or no weights for it, or it is no
            classifier of photos.
    """
    timm = need("timm")
    wanted = name.removeprefix(TIMM)
    config = _config(timm, wanted)
    model = f"{config.architecture}.{config.tag}" if config.tag else str(config.architecture)
    if not config.num_classes:
        raise ModelError(
            f"timm's {model} is no classifier: its output is features. Choose weights that were "
            "trained on classes, such as those with in1k in their name."
        )
    if not config.hf_hub_id:
        where = f": timm takes them from {config.url}" if config.url else ""
        raise ModelError(
            f"There are no weights of timm's {model} on the hub{where}. Choose another of "
            f"{_listed(_others(timm, str(config.architecture), model))}."
        )
    # timm writes an owner's name alone where the repository is called as the model.
    where = config.hf_hub_id + (model if config.hf_hub_id.endswith("/") else "")

    def architecture() -> "nn.Module":
        return timm.create_model(model, pretrained=False)

    fixed = config.to_dict()
    names, notes = _class_names(timm, model, fixed)
    licence = config.license if config.license not in (None, "unknown") else ""
    return ModelRecord(
        name=f"{TIMM}{model}",
        title=f"{model} (timm)",
        architecture=architecture,
        weights=TimmWeights(model, Repository.named(where)),
        preprocessing=from_timm(timm.data.resolve_data_config(pretrained_cfg=fixed)),
        class_names=names,
        licence=licence,
        accuracy=None,
        source=line(f"timm, {where}" + (f", {config.origin_url}" if config.origin_url else "")),
        notes=notes,
        code=f"timm {timm.__version__}",
    )


def usual_preprocessing(name: str) -> Preprocessing:
    """How timm shows a picture to an architecture, by its name behind `TIMM`.

    Raises:
        ModelError: timm is not installed, or has no such model.
    """
    timm = need("timm")
    config = _config(timm, name.removeprefix(TIMM))
    return from_timm(timm.data.resolve_data_config(pretrained_cfg=config.to_dict()))


def fixed_size(name: str) -> Size | None:
    """The input's size that an architecture is built for; None if it takes any.

    Raises:
        ModelError: as `usual_preprocessing`.
    """
    config = _config(need("timm"), name.removeprefix(TIMM))
    return tuple(config.input_size[1:]) if config.fixed_input_size else None


def timm_names() -> list[str]:
    """What `timm_record` takes, as ``timm:NAME``: every classifier with weights, about 1,500.

    Raises:
        ModelError: timm is not installed.
    """
    return [f"{TIMM}{name}" for name in need("timm").list_pretrained()]


def _config(timm: Any, wanted: str) -> Any:
    """timm's description of weights, or a sentence with the nearest names."""
    architecture, _, tag = wanted.partition(".")
    known = timm.is_model(architecture)
    if known:
        try:
            config = timm.get_pretrained_cfg(wanted, allow_unregistered=False)
        except (RuntimeError, AttributeError, ValueError):
            config = None
        if config is not None:
            return config
    if known and tag:
        others = _others(timm, architecture, wanted)
        raise ModelError(
            f"timm has no weights {quoted(tag)} of {architecture}: choose "
            f"{_listed(others) if others else architecture}."
        )
    listed = [*timm.list_pretrained(), *timm.list_models()]
    near = difflib.get_close_matches(wanted, listed, _NEAREST, 0.5)
    advice = f"did you mean {_listed(near)}?" if near else "timm.list_pretrained() lists all."
    raise ModelError(f"timm has no model {quoted(wanted)}: {advice}")


def _others(timm: Any, architecture: str, model: str) -> list[str]:
    """Nearest names with weights, those of the same architecture first."""
    same = [name for name in timm.list_pretrained(f"{architecture}.*") if name != model]
    return same or difflib.get_close_matches(model, timm.list_pretrained(), _NEAREST, 0.3)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NEAREST])


def _class_names(
    timm: Any, model: str, config: dict[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the outputs, and notes."""
    count = config["num_classes"]
    if config.get("label_names"):
        told = config.get("label_descriptions") or {}
        names = tuple(line(str(told.get(name, name))) for name in config["label_names"])
        if len(names) == count:
            return names, ()
    if count == len(imagenet_classes()):
        return imagenet_classes(), ()
    subset = timm.data.infer_imagenet_subset(config)
    if subset is not None:
        info = timm.data.ImageNetInfo(subset)
        if info.num_classes() == count:
            return tuple(map(line, info.label_descriptions())), ()
    unnamed = tuple(f"class {number}" for number in range(count))
    return unnamed, (
        f"timm has no names for the {count:,} outputs of {model}: they are called class 0 to "
        f"class {count - 1}.",
    )
