"""The command ``compare``: the occlusion survey compared with Captum's Occlusion."""

import argparse
import time
from dataclasses import asdict, replace

import numpy as np

from ..engine.remembered import memory
from ..methods.attribution import Attribution
from ..methods.captum_occlusion import captum_occlusion
from ..methods.cover_methods import OcclusionSetting
from ..methods.identity import provenance_of
from ..methods.scores import Question
from .console import print_table, progress_line, say
from .inputs import (
    Work,
    begin,
    by_explainer,
    model_line,
    target_of,
)

EQUAL_BELOW = 1e-4  # logits: maps that differ by less are called equal


def run(arguments: argparse.Namespace) -> int:
    """Time the occlusion survey against Captum's Occlusion, and compare the maps."""
    work = begin(arguments)
    baseline = work.explainer.baseline_named(getattr(arguments, "baseline", "grey"))
    setting = OcclusionSetting(arguments.window, arguments.stride, baseline)
    question = Question(target_of(arguments.target, work), head=work.classifier.head)
    say(model_line(work.classifier))
    memory.forget()  # windows known from an earlier call would not be visited again
    survey = work.explainer.survey(work.classifier, work.picture, setting)
    started = time.perf_counter()
    fallback = survey.fallback  # asks the network, which is recorded for this
    recorded = time.perf_counter()
    ours = by_explainer(work, setting, question)
    seconds = time.perf_counter() - recorded
    captum = by_captum(work, setting, question)
    rows = [
        ("incremental", f"{seconds:.2f}", f"{ours.forward_passes:,}"),
        ("captum", f"{captum.seconds:.2f}", f"{captum.forward_passes:,}"),
    ]
    print_table(("engine", "seconds", "forward passes"), rows, words=("engine",))
    say(f"Captum takes {captum.seconds / seconds:.1f} times as long.")
    say(
        f"Before, {recorded - started:.2f} seconds went into recording the network, once for all "
        "maps of a process."
    )
    say(fallback or f"Multiply-adds: {survey.multiply_adds_share():.1%} of those of dense passes.")
    difference = float(np.abs(ours.values - captum.values).max())
    equal = difference < EQUAL_BELOW
    say(
        f"Largest difference of the maps: {difference:.1e} {question.units}, "
        f"{'equal' if equal else 'not equal'} (limit {EQUAL_BELOW:.0e})."
    )
    return 0 if equal else 1


def by_captum(work: Work, setting: OcclusionSetting, question: Question) -> Attribution:
    """The same map by Captum's Occlusion."""
    classifier, picture = work.classifier, work.picture
    baseline = work.explainer.baseline(classifier, picture, setting.baseline)
    with progress_line() as show:
        made = captum_occlusion(
            classifier.module,
            work.explainer.inputs(classifier, picture),
            question,
            window=setting.window,
            stride=setting.stride,
            baseline=baseline,
            report=lambda done, total: show(f"{done:,} of {total:,} passes by Captum"),
        )
    parameters = {**asdict(setting), "engine": "captum"}
    return replace(made, parameters=parameters, provenance=provenance_of(classifier, picture))
