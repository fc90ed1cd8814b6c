"""The trust measures of a map as badges, as sentences and as JSON.

There is no combined score: if measures disagree, all of them are shown.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..drawing.captions import completeness
from ..drawing.sentences import number
from ..methods.attribution import Attribution
from ..methods.baselines import road_seed
from ..methods.baselines import title as baseline_title
from .faithfulness import Faithfulness, combined
from .infidelity import SQUARES, Infidelity
from .judgement import Judgement, measures_of
from .randomisation import Randomisation
from .sensitivity import RADIUS, Sensitivity
from .settings import FaithfulnessSetting

TITLES = {
    "curves": "Deletion, insertion",
    "sums": "Completeness, infidelity",
    "weights": "Weight randomisation",
    "noise": "Noise stability",
}
_DOES = {
    "deletion": "Deletion, strongest blocks covered first",
    "insertion": "Insertion, strongest blocks revealed first",
}
BETTER = {"deletion": "lower is better", "insertion": "higher is better"}
_NEAR = 0.05
_WHY_NOT = {
    "sums": "Infidelity was not measured: it needs to know where zero is, and only the order of "
    "this map's values is known.",
    "weights": "Weights were not randomised: this map was made elsewhere, and what it would be "
    "with random weights cannot be computed here.",
    "noise": "Noise stability was not measured: this map was made elsewhere, and what it would be "
    "of a noisy picture cannot be computed here.",
}
"""Why a measure cannot be taken of a map made elsewhere."""


@dataclass(frozen=True)
class Badge:
    """The result of one trust measure in a few words.

    Attributes:
        measure: which one, a key of `TITLES`.
        good: whether the map passes; None if it passes in part, or if the measure cannot be taken.
        words: the finding.
        figure: its number.
        taken: whether the measure can be taken of this map; else the words are its name.
    """

    measure: str
    good: bool | None
    words: str
    figure: str
    taken: bool = True


def badges(judgement: Judgement) -> list[Badge]:
    """The badges of the measures that have been taken."""
    found = []
    if judgement.curves is not None:
        badge = _curves_badge(judgement.curves)
        by_road = badge.taken and road_seed(judgement.setting.baseline) is not None
        found.append(replace(badge, figure=f"{badge.figure} (ROAD)") if by_road else badge)
    complete = adds_up(judgement.attribution)
    if complete is not None:
        words = "complete" if complete else "incomplete"
        found.append(Badge("sums", complete, words, _off(judgement.attribution)))
    elif judgement.infidelity is not None:
        sums = judgement.infidelity
        words = "low infidelity" if sums.better else "high infidelity"
        found.append(Badge("sums", sums.better, words, f"{_share(sums.explained)} explained"))
    if judgement.randomisation is not None and judgement.randomisation.stages:
        weights = judgement.randomisation
        words = "depends on the weights" if weights.changes else "ignores the weights"
        found.append(Badge("weights", weights.changes, words, f"Spearman {_two(weights.spearman)}"))
    if judgement.sensitivity is not None:
        noise = judgement.sensitivity
        words = "stable under noise" if noise.steady else "unstable under noise"
        found.append(Badge("noise", noise.steady, words, f"Spearman {_two(noise.spearman)}"))
    return found + _not_taken(judgement.attribution) if found else found


def summary(found: Sequence[Badge]) -> str:
    """Badges as one line: how many checks passed, then all findings, those that passed first.

    What cannot be measured of the map is said last, and counts as no check.
    """
    taken = [badge for badge in found if badge.taken]
    if not taken:
        return ""
    passed = [badge.words for badge in taken if badge.good]
    rest = [badge.words for badge in taken if not badge.good]
    checks = f"{len(passed)} of {len(taken)} check{'s' if len(taken) > 1 else ''} passed"
    line = f"{checks}: {'; '.join(', '.join(words) for words in (passed, rest) if words)}."
    unknown = [badge.words for badge in found if not badge.taken]
    return f"{line} Not measurable: {', '.join(unknown)}." if unknown else line


def sentences(judgement: Judgement) -> dict[str, list[str]]:
    """Each measure explained in full sentences, by measure."""
    found: dict[str, list[str]] = {measure: [] for measure in TITLES}
    measured = judgement.attribution.question.head.measured
    for each in judgement.curves or ():
        mean, spread = each.random_area
        found["curves"].append(
            f"{_DOES[each.direction]}: mean {measured} {number(each.curve.area)}, random orders "
            f"{number(mean)} ± {number(spread)}, centre-first order "
            f"{number(each.centre.area)} ({BETTER[each.direction]}): {each.verdict}."
        )
    score = _road_score(judgement)
    if score is not None:
        found["curves"].append(_road_words(judgement.setting, score))
    words = completeness(judgement.attribution, judgement.attribution.units)
    if words:
        found["sums"].append(f"{words[0].upper()}{words[1:]}.")
    if judgement.infidelity is not None:
        found["sums"].append(_infidelity_words(judgement.infidelity, judgement.attribution))
    if judgement.randomisation is not None:
        found["weights"].append(_randomisation_words(judgement.randomisation))
    if judgement.sensitivity is not None:
        found["noise"].append(_sensitivity_words(judgement.sensitivity))
    for badge in _not_taken(judgement.attribution):
        found[badge.measure].append(_WHY_NOT[badge.measure])
    return found


def _not_taken(attribution: Attribution) -> list[Badge]:
    """A badge for each measure that cannot be taken of a map: of one made elsewhere."""
    measures = measures_of(attribution)
    found = []
    for measure, of, words in (
        ("sums", "infidelity", "infidelity"),
        ("weights", "randomisation", "weight randomisation"),
        ("noise", "sensitivity", "noise stability"),
    ):
        if of not in measures:
            why = "only the order is known" if measure == "sums" else "map made elsewhere"
            found.append(Badge(measure, None, words, why, taken=False))
    return found


def adds_up(attribution: Attribution) -> bool | None:
    """Completeness: whether the values sum to the change of the score within 5 %.

    None for methods without the property.
    """
    if attribution.change is None or attribution.gap is None:
        return None
    return abs(attribution.gap) <= _NEAR * abs(attribution.change)


def record(judgement: Judgement) -> dict[str, Any]:
    """All numbers of the measures taken, and their settings, as JSON types.

    The maps of randomised networks and noisy pictures are left out.
    """
    found: dict[str, Any] = {
        "settings": asdict(judgement.setting),
        "seconds": round(judgement.seconds, 1),
        "sentences": [line for lines in sentences(judgement).values() for line in lines],
    }
    if judgement.curves is not None:
        found["curves"] = {each.direction: _curve_record(each) for each in judgement.curves}
        score = _road_score(judgement)
        if score is not None:
            found["road_combined"] = score
    if judgement.infidelity is not None:
        sums = judgement.infidelity
        found["infidelity"] = {
            "value": sums.value,
            "explained": sums.explained,
            "explained_by_size": sums.flat,
            "expected": sums.expected.tolist(),
            "drops": sums.drops.tolist(),
        }
    if judgement.randomisation is not None and judgement.randomisation.stages:
        found["randomisation"] = {
            "layers": judgement.randomisation.layers,
            "spearman": judgement.randomisation.spearman,
            "stages": [
                {"random_layers": stage.layers, **stage.like._asdict()}
                for stage in judgement.randomisation.stages
            ],
        }
    if judgement.sensitivity is not None:
        noise = judgement.sensitivity
        found["sensitivity"] = {"largest": noise.largest, "spearman": noise.spearman}
    return found


def stage_words(found: Randomisation) -> list[tuple[str, str]]:
    """Title and similarity of each map: the trained network's, then that of each stage."""
    words = [("Trained weights", "the reference map")]
    for stage in found.stages:
        which = "layer" if stage.layers == 1 else f"{stage.layers} layers"
        title = f"Last {which} random" if stage.layers < found.layers else "All layers random"
        words.append((title, f"Spearman {_two(stage.like.spearman)}, SSIM {_two(stage.like.ssim)}"))
    return words


def _curves_badge(found: Sequence[Faithfulness]) -> Badge:
    if not all(each.ordered for each in found):
        words = "deletion and insertion"
        return Badge("curves", None, words, "no order", taken=False)
    figure = ", ".join(f"{each.direction} {_signed(each.advantage)}" for each in found)
    beaten = [each for each in found if each.better]
    if not beaten:
        return Badge("curves", False, "no better than random order", figure)
    if len(beaten) < len(found):
        return Badge("curves", None, f"faithful in {beaten[0].direction} only", figure)
    if not all(each.beats_centre for each in found):
        return Badge("curves", None, "beats random, not centre order", figure)
    return Badge("curves", True, "faithful (beats random, centre)", figure)


def _road_score(judgement: Judgement) -> float | None:
    """The combined score of ROAD; None by another baseline, or without an order."""
    curves, by_road = judgement.curves, road_seed(judgement.setting.baseline) is not None
    ordered = curves is not None and all(each.ordered for each in curves)
    return combined(curves) if curves is not None and by_road and ordered else None


def _road_words(setting: FaithfulnessSetting, score: float) -> str:
    how = baseline_title(setting.baseline)
    return (
        f"Blocks were covered by {how}. Its combined score, half of insertion minus deletion "
        f"between the ends, is {number(score)} (higher is better, 0 for "
        "random orders)."
    )


def _curve_record(each: Faithfulness) -> dict[str, Any]:
    return {
        "area": each.curve.area,
        "random_mean": each.random_area[0],
        "random_stdev": each.random_area[1],
        "centre": each.centre.area,
        "verdict": each.verdict,
        "shares": each.curve.shares.tolist(),
        "scores": each.curve.scores.tolist(),
        "centre_scores": each.centre.scores.tolist(),
        "random_scores": [curve.scores.tolist() for curve in each.random],
    }


def _infidelity_words(found: Infidelity, attribution: Attribution) -> str:
    return (
        f"Infidelity {number(found.value)} (lower is better), from {SQUARES} covered squares of "
        f"random sizes: the sum of the map in a square explains {_share(found.explained)} of the "
        f"drops of the {attribution.question.scale}, the size of the square alone "
        f"{_share(found.flat)}: {found.verdict}."
    )


def _randomisation_words(found: Randomisation) -> str:
    if not found.stages:
        return "Weights were not randomised: those of this model are not known here."
    return (
        "Weights randomised from the last layer towards the first: mean rank correlation "
        f"with the map of the trained model {_two(found.spearman)} (0: unrelated, 1: the same): "
        f"{found.verdict}."
    )


def _sensitivity_words(found: Sensitivity) -> str:
    return (
        f"Noise of at most {RADIUS:g} on the model's input, one to three grey levels of 255, "
        f"changes the map by up to {_share(found.largest)} of its norm (sensitivity-max, lower is "
        f"better), and the rank correlation falls to {_two(found.spearman)}: {found.verdict}."
    )


def _off(attribution: Attribution) -> str:
    change, gap = attribution.change, attribution.gap
    if not change or gap is None:
        return "the score does not change"
    return f"off by {100 * abs(gap / change):.1f} %"


def _share(value: float) -> str:
    return "under 1 %" if value > 0 == round(100 * value) else f"{100 * value:.0f} %"


def _two(value: float) -> str:
    return f"{value:z.2f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
