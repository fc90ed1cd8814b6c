"""Which methods deserve trust: ``python -m benchmarks.judgements``.

Every method on every sample picture with the embedded model, judged as the page does it: how many
pictures pass each check, and the mean of its number. Takes a quarter of an hour on two cores.
"""

from collections.abc import Sequence
from statistics import mean

from core.explainer import Explainer
from core.faithfulness import FaithfulnessSetting
from core.judgement import Case, Judgement
from core.judging import Judge
from core.methods import METHODS
from core.models import DEFAULT_MODEL
from core.picture import picture_from_file
from core.samples import samples
from core.scores import Question
from core.settings import OcclusionSetting, Setting
from core.trust import adds_up

_COLUMNS = (
    "map",
    "covering",
    "revealing",
    "both and the middle",
    "adds up",
    "squares",
    "random weights",
    "noise",
    "seconds",
)


def main() -> None:
    """Print a row for each method, as soon as it is known."""
    explainer = Explainer()
    judge = Judge(explainer)
    classifier = explainer.classifier(DEFAULT_MODEL)
    pictures = [picture_from_file(sample.path) for sample in samples().values()]
    print(f"{len(pictures)} pictures; {classifier.record.title}, {FaithfulnessSetting()}")
    print(" | ".join(_COLUMNS))
    for title, setting in _settings().items():
        found = []
        for picture in pictures:
            top = int(explainer.logits(classifier, picture).argmax())
            made = explainer.attribution(classifier, picture, setting, Question(top))
            case = Case(classifier, picture, setting, made)
            *_, last = judge.steps(case, FaithfulnessSetting())
            found.append(last.snapshot())
        print(" | ".join((title, *_row(found))), flush=True)


def _settings() -> dict[str, Setting]:
    """Every method as it starts, and occlusion with a large window too."""
    found = {method.title: method.setting for method in METHODS.values()}
    return {**found, "Occlusion 60/50": OcclusionSetting(60, 50)}


def _row(found: Sequence[Judgement]) -> list[str]:
    curves = [each.curves or () for each in found]
    sums = [each.infidelity for each in found if each.infidelity]
    weights = [each.randomisation for each in found if each.randomisation]
    noise = [each.sensitivity for each in found if each.sensitivity]
    promised = [adds_up(each.attribution) for each in found]
    return [
        *(
            _cell([pair[i].better for pair in curves], [pair[i].advantage for pair in curves])
            for i in range(2)
        ),
        str(sum(all(each.better and each.beats_centre for each in pair) for pair in curves)),
        "" if None in promised else str(sum(map(bool, promised))),
        _cell([each.better for each in sums], [each.explained - each.flat for each in sums]),
        _cell([each.changes for each in weights], [each.spearman for each in weights]),
        _cell([each.steady for each in noise], [each.spearman for each in noise]),
        f"{mean(each.seconds for each in found):.1f}",
    ]


def _cell(passed: Sequence[bool], numbers: Sequence[float]) -> str:
    """How many passed, and the mean number."""
    return f"{sum(passed)} ({mean(numbers):+.2f})".replace("-", "−")


if __name__ == "__main__":
    main()
