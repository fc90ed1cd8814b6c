"""What a judgement says: in badges, in sentences and as JSON.

There is no score of all: measures that disagree are shown disagreeing.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.attribution import Attribution
from core.faithfulness import Faithfulness
from core.infidelity import SQUARES, Infidelity
from core.judgement import Judgement
from core.randomisation import Randomisation
from core.sensitivity import RADIUS, Sensitivity
from core.story import number
from core.wording import completeness

MEASURES = {
    "curves": "Cover and reveal",
    "sums": "Adding up",
    "weights": "Random weights",
    "noise": "Noise",
}
DOES = {
    "deletion": "Covering the strongest blocks first",
    "insertion": "Revealing the strongest blocks first",
}
BETTER = {"deletion": "lower is better", "insertion": "higher is better"}
_DOING = {"deletion": "covering", "insertion": "revealing"}
_NEAR = 0.05


@dataclass(frozen=True)
class Badge:
    """One measure in a few words.

    Attributes:
        measure: which one, a key of `MEASURES`.
        good: whether it speaks for the map; None for yes and no.
        words: the finding.
        figure: its number.
    """

    measure: str
    good: bool | None
    words: str
    figure: str


def badges(judgement: Judgement) -> list[Badge]:
    """The measures that are known, each with its number and words."""
    found = []
    if judgement.curves is not None:
        found.append(_curves_badge(judgement.curves))
    complete = adds_up(judgement.attribution)
    if complete is not None:
        words = "adds up" if complete else "does not add up"
        found.append(Badge("sums", complete, words, _off(judgement.attribution)))
    elif judgement.infidelity is not None:
        sums = judgement.infidelity
        words = "its sums come true" if sums.better else "its sums say no more than size"
        found.append(Badge("sums", sums.better, words, f"{_share(sums.explained)} explained"))
    if judgement.randomisation is not None:
        weights = judgement.randomisation
        words = "follows the weights" if weights.changes else "ignores the weights"
        found.append(Badge("weights", weights.changes, words, f"{_two(weights.spearman)} alike"))
    if judgement.sensitivity is not None:
        noise = judgement.sensitivity
        words = "stable under noise" if noise.steady else "unstable under noise"
        found.append(Badge("noise", noise.steady, words, f"{_two(noise.spearman)} alike"))
    return found


def summary(found: Sequence[Badge]) -> str:
    """Badges as one line: how many speak for the map, then what each found, those first."""
    if not found:
        return ""
    passed = [badge.words for badge in found if badge.good]
    rest = [badge.words for badge in found if not badge.good]
    checks = f"{len(passed)} of {len(found)} check{'s' if len(found) > 1 else ''} passed"
    return f"{checks}: {'; '.join(', '.join(words) for words in (passed, rest) if words)}."


def sentences(judgement: Judgement) -> dict[str, list[str]]:
    """What each number says, for a listener in the last row."""
    found: dict[str, list[str]] = {measure: [] for measure in MEASURES}
    for each in judgement.curves or ():
        mean, spread = each.random_area
        found["curves"].append(
            f"{DOES[each.direction]}: mean probability {number(each.curve.area)}, random orders "
            f"{number(mean)} ± {number(spread)}, from the middle outwards "
            f"{number(each.centre.area)} ({BETTER[each.direction]}): {each.verdict}."
        )
    words = completeness(judgement.attribution, judgement.attribution.units)
    if words:
        found["sums"].append(f"The map {words}.")
    if judgement.infidelity is not None:
        found["sums"].append(_infidelity_words(judgement.infidelity, judgement.attribution))
    if judgement.randomisation is not None:
        found["weights"].append(_randomisation_words(judgement.randomisation))
    if judgement.sensitivity is not None:
        found["noise"].append(_sensitivity_words(judgement.sensitivity))
    return found


def adds_up(attribution: Attribution) -> bool | None:
    """Whether the values add up to within 5 % of what they should; None if nothing is promised."""
    if attribution.change is None or attribution.gap is None:
        return None
    return abs(attribution.gap) <= _NEAR * abs(attribution.change)


def record(judgement: Judgement) -> dict[str, Any]:
    """All numbers and how they were made, as JSON types; of measures that are not there, nothing.

    The maps of random weights and noisy pictures are left out.
    """
    found: dict[str, Any] = {
        "settings": asdict(judgement.setting),
        "seconds": round(judgement.seconds, 1),
        "sentences": [line for lines in sentences(judgement).values() for line in lines],
    }
    if judgement.curves is not None:
        found["curves"] = {each.direction: _curve_record(each) for each in judgement.curves}
    if judgement.infidelity is not None:
        sums = judgement.infidelity
        found["infidelity"] = {
            "value": sums.value,
            "explained": sums.explained,
            "explained_by_size": sums.flat,
            "expected": sums.expected.tolist(),
            "drops": sums.drops.tolist(),
        }
    if judgement.randomisation is not None:
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
    """A title and its likeness for the trained network's map, then for each stage's."""
    words = [("As trained", "the map to compare with")]
    for stage in found.stages:
        which = "layer" if stage.layers == 1 else f"{stage.layers} layers"
        title = f"Last {which} random" if stage.layers < found.layers else "All layers random"
        words.append((title, f"Spearman {_two(stage.like.spearman)}, SSIM {_two(stage.like.ssim)}"))
    return words


def _curves_badge(found: Sequence[Faithfulness]) -> Badge:
    figure = ", ".join(f"{_DOING[each.direction]} {_signed(each.advantage)}" for each in found)
    beaten = [each for each in found if each.better]
    if not beaten:
        return Badge("curves", False, "no better than random", figure)
    if len(beaten) < len(found):
        only = _DOING[beaten[0].direction]
        return Badge("curves", None, f"beats random only when {only}", figure)
    if not all(each.beats_centre for each in found):
        return Badge("curves", None, "beats random, but not the middle", figure)
    return Badge("curves", True, "beats random and the middle", figure)


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
    unit = attribution.question.kind.replace("_", " ")
    return (
        f"{SQUARES} squares of random sizes covered: the sum of the map in the square explains "
        f"{_share(found.explained)} of what the {unit} loses, the size of the square alone "
        f"{_share(found.flat)} (infidelity {number(found.value)}, lower is better): "
        f"{found.verdict}."
    )


def _randomisation_words(found: Randomisation) -> str:
    return (
        "The weights drawn anew from the last layer on towards the first: mean rank correlation "
        f"with the map of the trained model {_two(found.spearman)} (0 is unrelated, 1 the same): "
        f"{found.verdict}."
    )


def _sensitivity_words(found: Sensitivity) -> str:
    return (
        f"Noise of at most {RADIUS:g} on the model's input, one to three grey levels of 255, moves "
        f"the map by up to {_share(found.largest)} of its norm (sensitivity-max, lower is better), "
        f"and the rank correlation falls to {_two(found.spearman)}: {found.verdict}."
    )


def _off(attribution: Attribution) -> str:
    change, gap = attribution.change, attribution.gap
    if not change or gap is None:
        return "no change to add up to"
    return f"off by {100 * abs(gap / change):.1f} %"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
