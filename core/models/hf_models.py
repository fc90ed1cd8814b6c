"""Image classifiers of the Hugging Face hub: ``hf:ORG/NAME``, or ``hf:FOLDER`` as it is saved.

Of a repository, two JSON files and the weights are read. Nothing in it is run: one that asks for
code of its own is refused, the image processor is followed by what its file says, and torch's
weights are read as any that nobody vouches for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ..errors import ModelError
from ..text import line, plain, quoted
from .catalogue import ModelRecord
from .checkpoints import few, outputs_instead, shapes_told
from .extras import need
from .heads import SOFTMAX, VALUE, Head
from .hf_weights import Folder, HfWeights, json_of
from .hub import AbsentError, Repository
from .model_cards import licence_in
from .preprocessing_configs import assumed_processor, from_transformers
from .reasons import reason_of

if TYPE_CHECKING:
    from torch import nn

PREFIX = "hf:"
_CONFIG, _PROCESSORS = "config.json", ("preprocessor_config.json", "processor_config.json")
_CARD = "README.md"
_LONGEST = 200


@dataclass(frozen=True, eq=False)
class HfNetwork:
    """A class of transformers, and the configuration for it."""

    kind: Any
    config: Any

    def build(self) -> "nn.Module":
        """The network, with random weights."""
        with _quiet():
            return self.kind(self.config)

    def filled(self, state: Mapping[str, Any], file: str) -> dict[str, Any]:
        """The state dict of the network with these weights, which may have older names.

        Raises:
            ModelError: they do not fit, or are of the network below a classifier.
        """
        import torch

        try:
            with _quiet():
                network, found = self.kind.from_pretrained(
                    None,
                    config=self.config,
                    state_dict=dict(state),
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # refused below, by their names
                    dtype=torch.float32,
                )
        except Exception as error:  # each architecture has its own way to refuse weights
            raise ModelError(
                f"{file} does not fit {self.kind.__name__} ({reason_of(error)}): check that "
                f"{_CONFIG} belongs to it."
            ) from error
        if found["mismatched_keys"]:
            self._refuse_shapes(file, found["mismatched_keys"])
        missing = sorted(found["missing_keys"])
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ModelError(
                f"{file} is no trained {self.kind.__name__}: it has no {plain(missing[0])}{more}. "
                "Choose a model that was trained to classify."
            )
        return network.state_dict()

    def _refuse_shapes(self, file: str, mismatched: Iterable[tuple[str, Any, Any]]) -> NoReturn:
        others = sorted((name, tuple(theirs), tuple(own)) for name, theirs, own in mismatched)
        classes = self.config.num_labels
        outputs = outputs_instead(others, classes)
        if outputs is not None:
            raise ModelError(
                f"{file} is of a network with {outputs} outputs, but {_CONFIG} names {classes} "
                "classes (id2label): name one for each output there."
            )
        raise ModelError(
            f"{file} does not fit {self.kind.__name__}: {few(shapes_told(others))}. Check "
            f"that {_CONFIG} belongs to it."
        )


def hf_record(name: str) -> ModelRecord:
    """What is known of a classifier; its weights need not be here.

    Args:
        name: a repository's or a folder's, behind `PREFIX`.

    Raises:
        ModelError: transformers is not installed, the repository is not available, or it is no
            image classifier whose code transformers has.
    """
    need("transformers")
    return _known(name, _place(name.removeprefix(PREFIX)))


@lru_cache(16)
def _known(name: str, place: Repository | Folder) -> ModelRecord:
    transformers = need("transformers")
    new = place.cached(_CONFIG) is None
    path = place.get(_CONFIG)
    if isinstance(place, Repository):
        place = place.at(path)  # all files are of one commit
    told = json_of(path, place.name)
    network = _network(transformers, told, place.name)
    names, notes = _class_names(network.config, place.name)
    processor, assumed = _processor(place, network.config)
    preprocessing = from_transformers(processor)
    channels = getattr(network.config, "num_channels", None) or 3
    if channels != preprocessing.channels:
        raise ModelError(
            f"{plain(place.name)} takes {channels} channels, and its preprocessing gives "
            f"{preprocessing.channels}: choose a model for photos."
        )
    called = plain(place.name if isinstance(place, Repository) else Path(place.name).name)
    where = (
        f"Hugging Face hub, {place.name}, commit {place.revision[:12]}"
        if isinstance(place, Repository)
        else "a folder of this machine"
    )
    return ModelRecord(
        name=name,
        title=f"{called} (Hugging Face)",
        architecture=network.build,
        weights=HfWeights(place, network),
        preprocessing=preprocessing,
        class_names=names,
        licence=_licence(place, new),
        accuracy=None,
        source=where,
        head=_head(network.config),
        notes=(*notes, *assumed),
        code=f"transformers {transformers.__version__}",
    )


def _place(given: str) -> Repository | Folder:
    try:
        folder = Path(given).expanduser()
        if given and folder.is_dir():
            return Folder.at(folder.resolve())
    except (ValueError, RuntimeError, OSError):  # no name of a folder
        pass
    return Repository.named(given)


def _network(transformers: Any, told: dict[str, Any], name: str) -> HfNetwork:
    """Class and configuration, if it is an image classifier that transformers has code for."""
    name = plain(name)
    if told.get("auto_map"):
        raise ModelError(
            f"{name} asks to run code of its own, which is never done: choose a model whose code "
            "is part of transformers."
        )
    if quantised := told.get("quantization_config"):
        raise ModelError(
            f"{name} is quantised{_how(quantised)}, and such weights have no gradients: choose the "
            "model that it was made from, with its full weights."
        )
    if "model_type" not in told and "architecture" in told:
        raise ModelError(f"{name} is a model of timm's: give timm:NAME, by timm's own name for it.")
    kind = told.get("model_type")
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ModelError(
            f"transformers {transformers.__version__} has no model of the type {quoted(kind)}, "
            f"which {name} is: choose another model."
        )
    listed = told.get("architectures")
    first = listed[0] if isinstance(listed, list) and listed else ""
    known = transformers.AutoModelForImageClassification._model_mapping
    made = CONFIG_MAPPING[kind]
    classes = known.get(made, ())
    classes = classes if isinstance(classes, tuple) else (classes,)
    if not classes or (first and "ForImageClassification" not in str(first)):
        raise ModelError(
            f"{name} is no image classifier: it is {quoted(first or kind)}. Choose a model that "
            "the hub lists under image classification."
        )
    try:
        with _quiet():
            config = made.from_dict(told)
    except Exception as error:  # a configuration can be wrong in any way
        raise ModelError(
            f"{_CONFIG} of {name} is not one of {kind} ({reason_of(error)})."
        ) from error
    return HfNetwork(next((c for c in classes if c.__name__ == first), classes[0]), config)


def _how(quantised: object) -> str:
    """How weights are quantised, in words; empty if it is not said."""
    if not isinstance(quantised, dict):
        return ""
    bits = quantised.get("bits") or next(
        (bits for bits in (4, 8) if quantised.get(f"load_in_{bits}bit")), None
    )
    method = quantised.get("quant_method")
    words = [quoted(method)] if isinstance(method, str) else []
    words += [f"{bits} bits"] if isinstance(bits, int) else []
    return f" ({', '.join(words)})" if words else ""


def _licence(place: Repository | Folder, new: bool) -> str:
    """What the model's card says; it is asked of the hub only with a model that is new here."""
    try:
        path = place.get(_CARD) if new else place.cached(_CARD)
    except ModelError:
        return ""
    return "" if path is None else licence_in(path)


def _processor(
    place: Repository | Folder, config: Any
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """What the image processor's file says; without one, what is usual, and a note of it."""
    for file in _PROCESSORS:
        try:
            found = json_of(place.get(file), place.name)
        except AbsentError:
            continue
        inner = found.get("image_processor")
        return (inner if isinstance(inner, dict) else found), ()
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    usual = IMAGE_PROCESSOR_MAPPING_NAMES.get(config.model_type) or {}
    processor, source = assumed_processor(usual.values(), getattr(config, "image_size", None))
    shown = from_transformers(processor)
    high, wide = shown.size
    mean, std = (", ".join(f"{each:g}" for each in values) for values in (shown.mean, shown.std))
    return processor, (
        f"{plain(place.name)} has no {_PROCESSORS[0]}, which says how it sees a picture: {wide} × "
        f"{high} pixels, mean {mean} and standard deviation {std}, {source}, are assumed.",
    )


def _class_names(config: Any, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the outputs, and notes."""
    told = cast(Mapping[int, object], config.id2label)
    names = tuple(
        line(str(told.get(number) or f"class {number}"))[:_LONGEST]
        for number in range(config.num_labels)
    )
    if all(each == f"LABEL_{number}" for number, each in enumerate(names)):
        return names, (f"{plain(name)} names no classes: they are called LABEL_0 and so on.",)
    return names, ()


def _head(config: Any) -> Head:
    if config.problem_type == "multi_label_classification":
        return Head("sigmoid")
    if config.problem_type == "regression" or config.num_labels == 1:
        return VALUE
    return SOFTMAX


class _quiet:  # noqa: N801 - used as a statement's word
    """Within it, transformers prints nothing: what is to be said is said in sentences."""

    def __enter__(self) -> None:
        logging = need("transformers").utils.logging
        self._before = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity(logging.CRITICAL)
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        logging = need("transformers").utils.logging
        verbosity, bars = self._before
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
