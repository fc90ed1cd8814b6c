"""The trust measures of every method on the sample pictures: ``python -m benchmarks.judgements``.

Every method on every sample picture, judged as the page does it, with the embedded model and the
two larger ones whose weights come as packages (requirements-dev.txt). What was found is kept in a
file (--kept) as soon as it is known; what is in it is not measured again. Puts a table for each
model into docs/trust.md. About two hours on one core.

Score-CAM looks through a tenth of its channels, and RISE, KernelSHAP and LIME take fewer masks and
coalitions than on the page: with all of them, one picture takes minutes. The searches for regions
are left out: their map marks a region and orders nothing, and they ask the network itself.

Other models and pictures: `--folder FOLDER --models NAME --pictures FOLDER`.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.judgements_table import written
from core.explaining.explainer import Explainer
from core.explaining.judging import Judge
from core.methods.black_box_methods import KernelShapSetting, LimeSetting, RiseSetting
from core.methods.cam_methods import ChannelCamSetting
from core.methods.cover_methods import OcclusionSetting, RegionSetting
from core.methods.registry import METHODS, title_of
from core.methods.scores import Question
from core.methods.settings import Setting
from core.models.classifiers import Classifier
from core.models.registry import use_folder
from core.pictures.picture import Picture, picture_from_file
from core.pictures.samples import FOLDER, samples
from core.trust.badges import adds_up
from core.trust.judgement import Case, Judgement
from core.trust.settings import FaithfulnessSetting

MODELS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
_KEPT = Path(__file__).resolve().parent / "kept" / "judgements.json"
_PAGE = Path(__file__).resolve().parent.parent / "docs" / "trust.md"
_FEWER = {
    "score_cam": ChannelCamSetting(channels=128),
    "rise": RiseSetting(300),
    "kernel_shap": KernelShapSetting(samples=300),
    "lime": LimeSetting(samples=300),
}


def main() -> None:
    """Measure what is not known yet, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kept", type=Path, default=_KEPT, help="findings, read and added to")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME")
    parser.add_argument("--folder", type=Path, help="of models of one's own")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), metavar="NAME")
    parser.add_argument("--pictures", type=Path, default=FOLDER, help="a folder of pictures")
    parser.add_argument("--table", action="store_true", help="write what is kept, measure nothing")
    arguments = parser.parse_args()
    use_folder(arguments.folder)
    kept: Path = arguments.kept
    found = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    explainer = Explainer()
    judge = Judge(explainer)
    pictures = {each: picture_from_file(s.path) for each, s in samples(arguments.pictures).items()}
    settings = {} if arguments.table else settings_of(arguments.methods)
    for model, name, title in product(arguments.models, pictures, settings):
        known = found.setdefault(model, {}).setdefault(title, {})
        if name in known:
            continue
        started = time.process_time()
        classifier = explainer.classifier(model)
        known[name] = _finding(explainer, judge, classifier, pictures[name], settings[title])
        seconds = time.process_time() - started
        print(f"{model} {name} {title}: {seconds:.1f} s of processor time", flush=True)
        kept.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    text = written(_PAGE.read_text("utf-8"), found, list(settings_of(METHODS)))
    _PAGE.write_text(text, "utf-8")


def settings_of(methods: Iterable[str]) -> dict[str, Setting]:
    """The methods as they start or with fewer samples, and occlusion with a large window too."""
    return {title_of(setting): setting for name in methods for setting in _variants(name)}


def _variants(name: str) -> Iterator[Setting]:
    setting = METHODS[name].setting
    if isinstance(setting, RegionSetting):
        return
    yield _FEWER.get(name, setting)
    if name == "occlusion":
        yield OcclusionSetting(60, 50)


def _finding(
    explainer: Explainer, judge: Judge, classifier: Classifier, picture: Picture, setting: Setting
) -> dict[str, Any]:
    """The measures of a map of the predicted class, or why there is none."""
    reason = explainer.unavailable(classifier, picture).get(setting.name)
    if reason:
        return {"reason": reason}
    top = int(explainer.logits(classifier, picture).argmax())
    made = explainer.attribution(classifier, picture, setting, Question(top, head=classifier.head))
    *_, last = judge.steps(Case(classifier, picture, setting, made), FaithfulnessSetting())
    return {"setting": repr(setting), **_record(last.snapshot())}


def _record(found: Judgement) -> dict[str, Any]:
    """Whether each measure is passed, and its number."""
    assert found.curves is not None
    assert found.infidelity is not None
    assert found.randomisation is not None
    assert found.sensitivity is not None
    deletion, insertion = found.curves
    sums, weights, noise = found.infidelity, found.randomisation, found.sensitivity
    return {
        "deletion": [deletion.better, round(deletion.advantage, 4)],
        "insertion": [insertion.better, round(insertion.advantage, 4)],
        "all_orders": all(each.better and each.beats_centre for each in found.curves),
        "complete": adds_up(found.attribution),
        "infidelity": [sums.better, round(sums.explained - sums.flat, 4)],
        "weights": [weights.changes, round(weights.spearman, 4)],
        "noise": [noise.steady, round(noise.spearman, 4)],
    }


if __name__ == "__main__":
    main()
