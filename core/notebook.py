"""One call for notebooks: a picture, a model and a method in, a map that shows itself out."""

import os
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import bars
from .bundle.exhibits import Exhibit
from .drawing.captions import finding
from .drawing.sentences import says
from .errors import SettingError
from .methods import no_effect
from .methods.attribution import Attribution
from .methods.baselines import PICTURE
from .methods.cover_methods import REGIONS, OcclusionSetting
from .methods.method import Part
from .methods.options import options_of, with_options
from .methods.registry import method_named, title_of
from .methods.scores import Question, ScoreKind
from .methods.settings import Setting
from .models.classifiers import Classifier
from .models.heads import Head, HeadKind
from .models.labels import class_named
from .models.registry import DEFAULT_MODEL
from .notebook_explanation import Explanation
from .notebook_given import GivenValues, given_setting
from .notebook_inputs import (
    Photo,
    explainer,
    head_of,
    label_image,
    name_of,
    of_module,
    opened,
    registered_model,
    taken,
)
from .pictures.picture import Picture
from .pictures.preprocessing import Preprocessing


def explain(
    image: Photo,
    model: str | os.PathLike[str] | Classifier | nn.Module = DEFAULT_MODEL,
    method: str | GivenValues = "occlusion",
    target: int | str | None = None,
    *,
    contrast: int | str | None = None,
    score: ScoreKind = "logit",
    device: str = "auto",
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
    head: HeadKind | Head | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Explanation:
    """Explain what a model says of a picture.

    What was computed is remembered: another target of the same occlusion costs no pass.

    Args:
        image: a path, a file's bytes, a PIL image, or an array (H, W, 3), uint8 or floating point
            in 0..1, or of N channels (H, W, N), uint8, uint16 or floating point. For a network of
            your own also its normalised input, a tensor (C, H, W) or (1, C, H, W).
        model: a name as `core.load` takes it, the path of a file included; what `core.load` gave;
            or any `torch.nn.Module` from (N, C, H, W) to logits (N, classes), which is left as it
            is. A function, a .pt2 or a TorchScript file is run: never pass a name that somebody
            else gave.
        method: one of `core.methods.METHODS`, or "ig" for Integrated Gradients; or a map that was
            made elsewhere: an array or tensor (H, W) of the size of the model's input or of the
            photo, or the path (`pathlib.Path`) of its file.
        target: the class to explain, by index or by name; None for the predicted one.
        contrast: another class, whose score is subtracted; None for none.
        score: "logit", "probability" or "log_probability".
        device: "auto", "cuda", "mps" or "cpu". A network of your own stays where it is.
        preprocessing: from a picture to the input of a network of your own; by default as for most
            networks that were trained on ImageNet, 224 pixels wide.
        class_names: of a network of your own; by default ImageNet's, if it has 1000 outputs.
        head: what the outputs of a network of your own mean: "softmax" (the default for several),
            "sigmoid", "binary" or "value" (the default for one, which a note says), or a
            `core.models.heads.Head` with thresholds or a unit.
        progress: whether to show a bar; None: in a notebook, and where stderr is a terminal.
        options: of the method: ``window`` and ``stride`` in pixels of the model's input, ``steps``,
            ``samples``, ``stdev``, ``seed``, ``segments``, ``layer``, ``baseline``. ``regions``, in
            place of superpixels, is the path of a label image or an array of whole numbers (H, W)
            of the photo's size, 0 for no region, and ``region_names`` the path of a CSV with their
            names. What is left out is as `METHODS` says. Of a map made elsewhere: ``sign``
            ("signed", "positive" or "unsigned") and ``unit`` ("score", "none" or a name), which
            have to be said; ``channels``, ``map_of``, ``adds_up``, ``baseline`` and ``title``.

    Raises:
        ImageError: the image cannot be used.
        MapError: the map that was made elsewhere cannot be used.
        ModelError: the model is unknown or cannot be computed.
        SettingError: a setting is out of range, or does not belong to the method.
        ResourceError: there is too little memory.
    """
    given = {option: _plain(value) for option, value in options.items()}
    other = str(given.get("baseline", "")).startswith(f"{PICTURE}:")
    if other and isinstance(image, Tensor):
        raise SettingError(
            "baseline= is another picture, and the image is a tensor: choose another baseline, or "
            "give the image as a picture."
        )
    setting = _setting(method, given, other)
    own = (preprocessing, class_names, head)
    if not isinstance(model, nn.Module) and any(each is not None for each in own):
        raise SettingError(
            "preprocessing=, class_names= and head= are for a torch.nn.Module: leave them out, "
            "since a model that is given by name brings its own, or has them in a model.toml "
            "beside its file."
        )
    if isinstance(model, nn.Module):
        picture, seen, notes = taken(image, preprocessing)
        classifier = of_module(model, picture, seen, class_names, device, head_of(head))
        notes += classifier.record.notes
    else:
        picture = opened(image)
        wanted = os.fspath(model) if isinstance(model, os.PathLike) else model
        classifier = registered_model(wanted, picture, device, progress)
        record = model.record if isinstance(model, Classifier) else classifier.record
        notes = (*picture.notes, *record.notes)
    question = Question(
        _target(classifier, picture, target),
        None if contrast is None else _index(classifier, contrast),
        score,
        classifier.head,
    ).check(len(classifier.class_names))
    attribution = _attribution(classifier, picture, setting, question, progress)
    survey = None
    if isinstance(setting, OcclusionSetting):
        survey = explainer().survey(classifier, picture, setting)
        notes += () if survey.fallback is None else (survey.fallback,)
    scores = explainer().logits(classifier, picture).numpy().copy()
    scores.setflags(write=False)
    ranking = classifier.ranking(torch.from_numpy(scores.copy()), len(scores))
    answer = says(classifier.record.title, ranking, classifier.head)
    found = finding(attribution, survey, classifier.class_names)
    asked: dict[Part, bool] = {
        "target": target is not None,
        "contrast": contrast is not None,
        "score": score != "logit",
    }
    parts = [part for part, unusual in asked.items() if unusual]
    notes += tuple(no_effect.of_question(attribution.about, parts, "{}="))
    return Explanation(
        attribution,
        scores,
        classifier.record.preprocessing.picture(picture.image),
        f"{answer}. {found}",
        notes,
        Exhibit(classifier, picture, {title_of(setting): (setting, question)}, name_of(image)),
        survey,
    )


def _setting(method: str | GivenValues, given: dict[str, Any], other: bool) -> Setting:
    """The method with its options; ``other`` is whether the baseline is another picture."""
    if isinstance(method, np.ndarray | Tensor | os.PathLike):
        return given_setting(method, given, explainer())
    name = method_named(method)
    if other and "baseline" in options_of(name):
        given["baseline"] = explainer().baseline_named(given["baseline"])
    if REGIONS in given and REGIONS in options_of(name):
        names = given.pop("region_names", None)
        given[REGIONS] = explainer().regions_named(label_image(given[REGIONS]), names)
    return with_options(name, given, "{}=")


def _plain(value: Any) -> Any:
    """A number of NumPy's as one of Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _target(classifier: Classifier, picture: Picture, wanted: int | str | None) -> int:
    """The class to explain; the predicted one if none is wanted."""
    if wanted is not None:
        return _index(classifier, wanted)
    return classifier.ranking(explainer().logits(classifier, picture), 1)[0].index


def _index(classifier: Classifier, wanted: int | str) -> int:
    """A class by index, which `Question.check` accepts or refuses, or by name."""
    if isinstance(wanted, str):
        return class_named(classifier.class_names, wanted)
    return _plain(wanted)


def _attribution(
    classifier: Classifier,
    picture: Picture,
    setting: Setting,
    question: Question,
    progress: bool | None,
) -> Attribution:
    """The finished map, with progress."""
    title = title_of(setting)
    with (
        bars.bar(title, " passes", progress) as show,
        closing(explainer().steps(classifier, picture, setting, question)) as steps,
    ):
        for step in steps:
            show(step.done, step.total)
    return step.snapshot()
