"""The commands that hand results on: `explain` for files and bundles, and `verify`."""

import argparse
import errno
import itertools
from typing import Any

from core import commands, trust
from core.bundle import bundle
from core.console import progress_line, say
from core.errors import BundleError, SettingError
from core.exhibits import Exhibit
from core.explainer import Explainer
from core.faithfulness import FaithfulnessSetting
from core.files import check_writable, read_bytes, write
from core.judgement import Case
from core.judging import Judge
from core.methods import METHODS, options_of
from core.picture import read_picture
from core.rendering import Display
from core.scores import Question
from core.settings import OcclusionSetting, Setting
from core.text import as_text
from core.unpacking import MAX_PACKED
from core.verify import verify
from core.work import METHOD_ALIASES, begin, by_explainer, judged, question_of, setting_of


def explain(arguments: argparse.Namespace) -> int:
    """Compute maps of one or several pictures, models and methods; write files, a bundle, or both.

    Each picture before each model is an exhibit of the bundle, with a map by each method.
    """
    if arguments.out is None and arguments.bundle is None:
        raise SettingError(
            "There is nowhere to write to: give --out FOLDER, --bundle FILE, or both."
        )
    if arguments.bundle is not None and "engine" in arguments:
        raise SettingError("--engine is for files alone: leave it out, or leave out --bundle.")
    if arguments.bundle is None and arguments.trust:
        raise SettingError("--trust is for bundles: add --bundle FILE, or use the command trust.")
    if arguments.out is not None:
        check_writable(arguments.out)
    if arguments.bundle is not None:
        check_writable(arguments.bundle.parent, [arguments.bundle.name])
    explainer = Explainer()
    judge = Judge(explainer)
    chosen = [_of_method(arguments, method) for method in dict.fromkeys(arguments.method)]
    for each in chosen:
        setting_of(each, explainer)  # a bad setting is refused before any download
    exhibits = []
    for image, model in itertools.product(arguments.image, dict.fromkeys(arguments.model)):
        maps: dict[str, tuple[Setting, Question]] = {}
        worth: dict[str, dict[str, Any]] = {}
        for each in chosen:
            each.image, each.model = image, model
            if arguments.out is not None:
                commands.explain(each, explainer)
            if arguments.bundle is None:
                continue
            work = begin(each, explainer)
            setting, question = setting_of(each, explainer), question_of(each, work)
            title = _title(each.method, setting)
            attribution = by_explainer(work, setting, question)
            maps[title] = (setting, question)
            if arguments.trust:
                case = Case(work.classifier, work.picture, setting, attribution)
                worth[title] = trust.record(judged(judge, case, FaithfulnessSetting()))
        if maps:
            original = read_picture(image) if arguments.original else None
            name = as_text(image.name)
            exhibits.append(Exhibit(work.classifier, work.picture, maps, name, worth, original))
    if arguments.bundle is not None:
        with progress_line() as show:
            show("Drawing …")
            data = bundle(
                explainer,
                exhibits,
                Display(),
                same_scale=arguments.same_scale,
                photo=not arguments.no_photo,
                address=arguments.link,
            )
        (written,) = write(arguments.bundle.parent, {arguments.bundle.name: data})
        say(f"Wrote {written}, {len(data) / 1e6:.1f} MB")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Compute a bundle again and say whether it is what it says; exit code 1 if it is not."""
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
        say(f"Not equal: {count} difference{'s' if count > 1 else ''}.")
        return 1
    say("Equal.")
    return 0


def _of_method(arguments: argparse.Namespace, method: str) -> argparse.Namespace:
    """The arguments for one of several methods, without the options of the others."""
    name = METHOD_ALIASES.get(method, method)
    others = [METHOD_ALIASES.get(other, other) for other in arguments.method]
    elsewhere = set[str]().union(*(options_of(other) for other in others)) - options_of(name)
    kept = {key: value for key, value in vars(arguments).items() if key not in elsewhere}
    return argparse.Namespace(**{**kept, "method": method})


def _title(method: str, setting: Setting) -> str:
    title = METHODS[METHOD_ALIASES.get(method, method)].title
    if isinstance(setting, OcclusionSetting):
        return f"{title} {setting.window}/{setting.stride}"
    return title
