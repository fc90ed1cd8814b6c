"""How soon the map is worth looking at: ``python -m benchmarks.preview``.

The map after a share of the windows against the final map, Spearman correlation over all pixels, on
the sample pictures with the embedded model.
"""

import numpy as np
from scipy.stats import spearmanr
from torch import Tensor

from core.engine.remembered import memory
from core.methods.occlusion import OcclusionSurvey
from core.models import classifiers, registry
from core.models.classifiers import Classifier
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples

_SHARES = (0.05, 0.08, 0.10, 0.12, 0.18, 0.25, 0.50)
_SETTINGS = ((15, 8), (30, 8))


def main() -> None:
    """Print a table for each setting."""
    classifier = classifiers.load(registry.DEFAULT_MODEL, "cpu")
    for window, stride in _SETTINGS:
        print(f"\nwindow {window}, stride {stride}: Spearman correlation with the final map after")
        print(f"{'':12}" + "".join(f"{share:8.0%}" for share in _SHARES))
        rows = []
        for name, sample in samples().items():
            inputs = classifier.preprocess(picture_from_file(sample.path).image)
            rows.append(_correlations(classifier, inputs, window, stride))
            print(f"{name:12}" + "".join(f"{r:8.2f}" for r in rows[-1]), flush=True)
        print(f"{'mean':12}" + "".join(f"{r:8.3f}" for r in np.mean(rows, axis=0)))
        memory.forget()


def _correlations(classifier: Classifier, inputs: Tensor, window: int, stride: int) -> list[float]:
    survey = OcclusionSurvey(classifier.module, inputs, window=window, stride=stride, batch_size=8)
    target = int(survey.clean.argmax())
    previews = []
    waiting = list(_SHARES)
    for done, total in survey.steps():
        while waiting and done >= waiting[0] * total:
            waiting.pop(0)
            previews.append(survey.attribution(target).flatten())
    final = survey.attribution(target).flatten()
    return [float(spearmanr(preview, final).statistic) for preview in previews]


if __name__ == "__main__":
    main()
