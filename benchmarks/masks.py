"""What RISE costs, and what a second class costs after it: ``python -m benchmarks.masks``.

2,000 masks on the swan with the embedded model, as on the page. The survey keeps the scores of all
classes, so the map of another class takes no pass.
"""

import argparse
import os
import time

from core.explaining.explainer import Explainer
from core.methods.black_box_methods import RiseSetting
from core.methods.scores import Question
from core.models.registry import DEFAULT_MODEL
from core.pictures.picture import picture_from_file
from core.pictures.samples import DEFAULT_SAMPLE, samples


def main() -> None:
    """Time the map of the predicted class, then that of the next one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--masks", type=int, default=RiseSetting().masks)
    arguments = parser.parse_args()
    explainer = Explainer()
    classifier = explainer.classifier(DEFAULT_MODEL)
    picture = picture_from_file(samples()[DEFAULT_SAMPLE].path)
    setting = RiseSetting(arguments.masks)
    first, second, *_ = (
        int(each) for each in explainer.logits(classifier, picture).argsort().flip(0)
    )
    explainer.attribution(classifier, picture, RiseSetting(2, seed=1), Question(first))  # prepares
    for target in (first, second):
        wall, busy = time.perf_counter(), time.process_time()
        explainer.attribution(classifier, picture, setting, Question(target))
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        print(
            f"{setting.masks} masks, {classifier.class_names[target]}: {wall:.3f} s, "
            f"{busy:.3f} s of processor time; load average {os.getloadavg()[0]:.1f} on "
            f"{os.cpu_count()} cores",
            flush=True,
        )


if __name__ == "__main__":
    main()
