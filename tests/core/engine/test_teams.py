"""Work on other threads: in order, side by side, left in the middle, and with the same numbers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
import torch

from core.engine import teams as ours
from core.engine.incremental import IncrementalNetwork
from core.engine.passes import DensePass
from core.engine.remembered import memory
from core.engine.teams import Left, alone, heed, heeding, side_by_side, teams_for
from core.explaining.explainer import Explainer
from core.methods.gradient_methods import GradientSetting, IntegratedGradientsSetting
from core.methods.gradients import gradient_steps
from core.methods.masked import covered_scores
from core.methods.occlusion import OcclusionSurvey
from core.methods.request import Asked
from core.methods.scores import Question
from core.methods.superpixels import SuperpixelSurvey
from core.models.classifiers import load
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from tests.core.explaining.test_explainer import toy
from tests.toys import NETWORKS, drained, network, picture

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
PATIENCE = 60  # seconds after which a test that waits has failed


class Gone(BaseException):
    """Whoever waited is not there any more."""


class Endless:
    """Work that ends only when it is left."""

    def __init__(self):
        self.begun, self.left = threading.Event(), threading.Event()

    def __call__(self, *_):
        self.begun.set()
        try:
            while not self.left.wait(0.001):
                heed()
        except Left:
            self.left.set()
            raise

    def check(self):
        """To be given to `heeding`."""
        if self.begun.is_set():
            raise Gone


@pytest.fixture
def endless():
    work = Endless()
    yield work
    work.left.set()  # a test that failed leaves no thread behind


def threads(count):
    torch.set_num_threads(count)


def on_a_new_thread(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(PATIENCE)


# Side by side.


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_the_order_of_their_parts(count):
    found = list(side_by_side(lambda part: part**2, range(20), count))
    assert found == [(part, part**2) for part in range(20)]
    assert list(side_by_side(lambda part: part, [], count)) == []


def test_a_part_that_is_done_early_waits_for_those_before_it():
    second = threading.Event()

    def work(part):
        if part == 0:
            assert second.wait(PATIENCE)  # so they are side by side, too
        else:
            second.set()
        return part

    assert [part for part, _ in side_by_side(work, [0, 1], 2)] == [0, 1]


@pytest.mark.parametrize("count", [1, 3])
def test_parts_are_asked_for_shortly_before_they_are_worked_on(count):
    asked = []

    def parts():
        for part in range(30):
            asked.append(part)
            yield part

    found = side_by_side(lambda part: part, parts(), count)
    assert asked == []
    for told, _ in enumerate(found):
        assert len(asked) <= told + 2 * count
    assert len(asked) == 30


@pytest.mark.parametrize("count", [1, 3])
def test_an_exception_of_the_work_reaches_the_caller_after_what_came_before(count):
    begun = []

    def work(part):
        begun.append(part)
        if part == 4:
            raise ValueError("no")
        return part

    found = side_by_side(work, range(1000), count)
    assert [next(found) for _ in range(4)] == [(part, part) for part in range(4)]
    with pytest.raises(ValueError, match="no"):
        next(found)
    assert max(begun) <= 4 + 2 * count


def test_an_exception_of_the_parts_reaches_the_caller():
    def parts():
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(side_by_side(lambda part: part, parts(), 2))


# Left in the middle.


def test_to_heed_nobody_is_nothing():
    heed()


def test_the_innermost_check_counts_and_the_one_before_comes_back():
    called = []
    with heeding(lambda: called.append("outer")):
        with pytest.raises(Gone), heeding(raising(Gone())):
            heed()
        heed()
    heed()
    assert called == ["outer"]


def raising(error):
    def check():
        raise error

    return check


def test_a_check_is_one_threads_own():
    with heeding(raising(Gone())):
        on_a_new_thread(heed)


@pytest.mark.parametrize("count", [1, 2])
def test_closing_leaves_what_is_done_and_begins_no_more(endless, count):
    begun = []

    def work(part):
        begun.append(part)
        if part:
            endless()

    found = side_by_side(work, range(10), count)
    assert next(found)[0] == 0
    assert endless.begun.wait(PATIENCE)
    found.close()
    assert endless.left.wait(PATIENCE)
    list(side_by_side(lambda _: None, range(2 * count), count))  # comes after what was queued
    assert max(begun) <= count


@pytest.mark.parametrize("error", [Gone(), KeyboardInterrupt(), RuntimeError("moved on")])
@pytest.mark.parametrize("count", [1, 3])
def test_a_check_that_raises_ends_the_wait_and_the_work(endless, error, count):
    def check():
        if endless.begun.is_set():
            raise error

    with heeding(check), pytest.raises(type(error)) as raised:
        list(side_by_side(endless, range(6), count))
    assert raised.value is error
    assert endless.left.wait(PATIENCE)


def test_what_stands_alone_is_left_too(endless):
    with heeding(endless.check), pytest.raises(Gone):
        alone(endless)
    assert endless.left.wait(PATIENCE)
    assert alone(lambda: "the next") == "the next"


@pytest.mark.parametrize("count", [1, 3])
def test_work_within_work_is_done_in_place(count):
    def inner(part):
        return threading.get_ident(), part

    def outer(part):
        here = threading.get_ident()
        assert alone(threading.get_ident) == here
        found = list(side_by_side(inner, range(part), count))
        assert found == [(each, (here, each)) for each in range(part)]
        return here

    def all_of_it():
        return [ident for _, ident in side_by_side(outer, range(8), count)]

    assert threading.get_ident() not in on_a_new_thread(all_of_it)


def test_work_within_work_is_left_with_it(endless):
    with heeding(endless.check), pytest.raises(Gone):
        alone(lambda: list(side_by_side(endless, range(3), 2)))
    assert endless.left.wait(PATIENCE)


def test_one_works_alone():
    events, called = [], threading.Event()

    def first():
        events.append("first in")
        called.wait(0.5)
        events.append("first out")

    def second():
        called.set()
        return alone(lambda: events.append("second"))

    def both():
        with ThreadPoolExecutor(1) as pool:
            begun = threading.Event()
            waiting = pool.submit(lambda: alone(lambda: (begun.set(), first())))
            assert begun.wait(PATIENCE)
            second()
            waiting.result(PATIENCE)

    both()
    assert events == ["first in", "first out", "second"]


# Torch's threads.


def test_teams_are_for_the_cpu():
    threads(3)
    assert teams_for(CPU) == 3
    assert teams_for(torch.device("cuda")) == teams_for(torch.device("mps")) == 1


def test_each_of_several_has_one_of_torchs_threads_and_one_has_all():
    threads(3)
    ours._pool.cache_clear()  # workers that begin now
    together = threading.Barrier(3)

    def work(_):
        together.wait(PATIENCE)
        return torch.get_num_threads()

    assert [found for _, found in side_by_side(work, range(6), 3)] == [1] * 6
    # What is new to torch begins with what another thread has set last.
    assert on_a_new_thread(torch.get_num_threads) == 3
    assert torch.get_num_threads() == 3
    assert alone(torch.get_num_threads) == 3
    assert on_a_new_thread(torch.get_num_threads) == 3
    threads(2)
    assert alone(torch.get_num_threads) == 2
    assert on_a_new_thread(lambda: alone(torch.get_num_threads)) == 2


# Surveys.


def gone(steps, endless):
    """What is told before somebody leaves."""
    told = []
    with heeding(endless.check), pytest.raises(Gone):
        told.extend(steps)
    return told


def surveyed(module, inputs, **more):
    memory.forget()
    return OcclusionSurvey(module, inputs, **more).run()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_size", [None, 5])
def test_one_team_and_three_survey_the_same(name, batch_size, rescored):
    module, inputs = network(name), picture(20, 21)
    how = {"window": 5, "stride": 2, "batch_size": batch_size}
    one = surveyed(module, inputs, **how)
    rescored.clear()
    threads(3)
    three = surveyed(module, inputs, **how)
    torch.testing.assert_close(three.scores, one.scores, atol=1e-5, rtol=1e-5)
    assert sum(rescored) == three.forward_passes == three.grid.count  # each window once
    assert three.agreement.windows == one.agreement.windows > 0


def test_one_team_and_three_survey_a_real_network_alike(rescored):
    classifier = load("efficientnet_lite0", "cpu")
    inputs = classifier.preprocess(picture_from_file(samples()["swan"].path).image)
    one = surveyed(classifier.module, inputs, window=56, stride=56)
    rescored.clear()
    threads(3)
    three = surveyed(classifier.module, inputs, window=56, stride=56)
    torch.testing.assert_close(three.scores, one.scores, atol=1e-4, rtol=1e-4)
    assert sum(rescored) == three.forward_passes == three.grid.count
    assert len(rescored) > 1


def test_a_pass_asks_between_two_layers():
    module, inputs = network("residual"), picture()
    prepared, computed = memory.prepared(module, inputs).network, []
    compute = DensePass.compute

    class Noted(DensePass):
        def compute(self, step):
            computed.append(step)
            return compute(self, step)

    steps = len(prepared._program.steps)
    assert steps > 4
    for after in range(steps):
        computed.clear()

        def check(after=after):
            if len(computed) == after:
                raise Gone

        with heeding(check), pytest.raises(Gone), torch.inference_mode():
            Noted(prepared._program).run(inputs)
        assert len(computed) == after


def asks(work):
    """How often work asks whether to go on."""
    asked = []
    with heeding(lambda: asked.append(True)):
        work()
    return len(asked)


def test_changed_windows_ask_between_two_layers_too():
    prepared = memory.prepared(network("residual"), picture()).network
    kept, steps = prepared.keep(picture()), len(prepared._program.steps)
    assert asks(lambda: prepared.keep(picture())) >= steps
    assert asks(lambda: kept.rescore(torch.zeros(2, 3, 4, 4), [0, 4], [3, 5])) >= steps


@pytest.mark.parametrize("count", [1, 3])
def test_a_survey_left_within_a_batch_keeps_what_was_told_and_goes_on(endless, rescored, count):
    threads(count)
    module, inputs = network("residual"), picture(20, 20)
    how = {"window": 4, "stride": 1, "batch_size": 9}
    whole = surveyed(module, inputs, **how)
    memory.forget()
    survey = OcclusionSurvey(module, inputs, **how)

    def before(_):
        if survey.forward_passes:
            endless()

    rescored.before = before
    told = [done for done, _ in gone(survey.steps(), endless)]
    assert endless.left.wait(PATIENCE)
    assert 0 < told[-1] == survey.known.sum() < survey.grid.count
    assert survey.forward_passes == told[-1]
    rescored.before = lambda _: None
    list(side_by_side(lambda _: None, range(2 * count), count))  # comes after what was begun
    rescored.clear()
    done = [done for done, _ in survey.steps()]
    assert done[-1] == survey.grid.count
    assert sum(rescored) == survey.grid.count - told[-1]
    assert survey.forward_passes == survey.grid.count
    torch.testing.assert_close(survey.scores, whole.scores, atol=1e-5, rtol=1e-5)
    assert survey.agreement.windows == whole.agreement.windows


@pytest.mark.parametrize("kind", ["occlusion", "superpixels"])
def test_the_network_itself_is_asked_though_the_survey_was_left_before_that(
    endless, rescored, monkeypatch, kind
):
    module, inputs = network("residual"), picture()
    patches = np.arange(144).reshape(12, 12) // 12 + 1
    survey = (
        OcclusionSurvey(module, inputs, window=4, stride=2)
        if kind == "occlusion"
        else SuperpixelSurvey(module, inputs, patches)
    )
    with monkeypatch.context() as patch:
        patch.setattr(IncrementalNetwork, "own_scores", lambda *_: endless())
        assert all(done < total for done, total in gone(survey.steps(), endless))
    assert endless.left.wait(PATIENCE)
    assert survey.known.all()
    assert survey.agreement.windows == 0
    rescored.clear()
    count = len(survey.known)
    assert list(survey.steps()) == [(count, count)]
    assert survey.agreement.windows > 0
    assert rescored == []
    assert list(survey.steps()) == []


def test_what_is_not_to_be_believed_is_found_out_after_it_was_left(endless, monkeypatch):
    module, inputs = network("residual"), picture()
    with torch.no_grad():
        expected = module(torch.zeros_like(inputs))
    survey = OcclusionSurvey(module, inputs, window=12, stride=12)
    with monkeypatch.context() as patch:
        patch.setattr(IncrementalNetwork, "own_scores", lambda *_: endless())
        patch.setattr("core.methods.survey.finite", lambda scores: scores + 100)
        assert all(done < total for done, total in gone(survey.steps(), endless))
    assert endless.left.wait(PATIENCE)
    assert survey.known.all()
    list(survey.steps())
    assert survey.fallback.startswith("The module itself computes every change one by one")
    torch.testing.assert_close(survey.scores, expected, atol=1e-5, rtol=1e-5)


def test_what_is_prepared_goes_on_without_whoever_asked(endless, monkeypatch):
    module, inputs, begun = network("residual"), picture(), []
    begin, go_on = IncrementalNetwork._begin, threading.Event()

    def slowly(self, *arguments):
        begun.append(self)
        endless.begun.set()
        assert go_on.wait(PATIENCE)
        begin(self, *arguments)

    monkeypatch.setattr(IncrementalNetwork, "_begin", slowly)
    with heeding(endless.check), pytest.raises(Gone):
        memory.prepared(module, inputs)
    go_on.set()
    assert memory.prepared(module, inputs).network is begun[0]
    assert len(begun) == 1


@pytest.mark.parametrize("count", [1, 3])
def test_autocast_of_the_caller_is_not_the_surveys(count):
    threads(count)
    module, inputs = network("residual"), picture()
    masks = np.random.default_rng(0).random((5, 12, 12)) < 0.4
    patches = np.arange(144).reshape(12, 12) // 12 + 1

    def numbers():
        memory.forget()
        survey = OcclusionSurvey(module, inputs, window=4, stride=2).run()
        parts = SuperpixelSurvey(module, inputs, patches)
        list(parts.steps())
        _, covered = drained(covered_scores(module, inputs, masks, Question(1)))
        yield covered
        yield survey.clean
        yield survey.scores
        yield parts.scores
        for setting in (GradientSetting("saliency"), IntegratedGradientsSetting(9)):
            *_, last = gradient_steps(module, inputs, Question(1), setting)
            yield last.snapshot().values

    expected = list(numbers())
    with torch.autocast("cpu", torch.bfloat16):
        found = list(numbers())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


# Gradients.


@pytest.fixture
def swan():
    return picture_from_file(samples()["swan"].path)


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("steps", [30, "enough"])
@pytest.mark.parametrize("at", [1, 8])
def test_integrated_gradients_left_within_a_batch_go_on_where_they_were(
    swan, monkeypatch, endless, count, steps, at
):
    threads(count)
    setting, question = IntegratedGradientsSetting(steps, "grey"), Question(0, 2)
    undisturbed = Explainer().attribution(toy(), swan, setting, question)
    gradients, go_on = Asked.gradients, threading.Event()
    classifier, explainer, places = toy(), Explainer(), []

    def waiting(self, batch):
        places.append(batch.sum().item())
        if len(places) == at:
            endless.begun.set()
            assert go_on.wait(PATIENCE)
        return gradients(self, batch)

    monkeypatch.setattr(Asked, "gradients", waiting)
    asked, done = (classifier, swan, setting, question), [0]
    done += [step.done for step in gone(explainer.steps(*asked), endless)]
    assert done[-1] < at + count
    assert explainer.forecast(*asked).known == done[-1]
    go_on.set()
    with closing(explainer.steps(*asked)) as again:
        assert next(again).done == max(done[-1], 1)
    resumed = explainer.attribution(*asked)
    assert len(places) == len(set(places)) == undisturbed.forward_passes - 2  # nothing twice
    assert resumed.forward_passes == undisturbed.forward_passes
    np.testing.assert_allclose(resumed.values, undisturbed.values, atol=1e-6)


def asked_of(name):
    module, inputs = network(name), picture(9, 10)
    prepared = memory.prepared(module, inputs).network
    return Asked(prepared, inputs, torch.zeros_like(inputs), Question(1)), module


@pytest.mark.parametrize("name", ["strided", "grouped", "residual", "concatenated", "positional"])
def test_a_gradient_is_left_between_layers_there_and_back(name):
    asked, module = asked_of(name)
    batch = torch.cat([picture(9, 10, seed) for seed in range(3)])
    own = batch.clone().requires_grad_()
    (expected,) = torch.autograd.grad(module(own)[:, 1].sum(), own)
    there = asks(lambda: asked.score(batch))
    both = asks(lambda: asked.gradients(batch))
    assert both > there + 3
    for limit in (0, 1, there - 1, there, there + 1, both - 1):
        left = []

        def check(limit=limit, left=left):
            if len(left) == limit:
                raise Gone
            left.append(True)

        with heeding(check), pytest.raises(Gone):
            asked.gradients(batch)
        assert len(left) == limit
    scores, found = asked.gradients(batch)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scores, module(batch)[:, 1].detach(), atol=1e-5, rtol=1e-5)
    plain = batch.clone(memory_format=torch.channels_last).requires_grad_()
    (unasked,) = torch.autograd.grad(asked.module(plain)[:, 1].sum(), plain)
    assert torch.equal(found, unasked)  # to ask changes no bit
    assert all(each.grad is None for each in [*module.parameters(), *asked.module.parameters()])


def test_a_gradient_is_left_by_whoever_waits_for_it(endless, monkeypatch):
    module, inputs = network("residual"), picture()
    ends = gradient_steps(module, inputs, Question(1), GradientSetting("saliency"))
    monkeypatch.setattr("core.methods.request.Heeding.run_node", endless)
    with heeding(endless.check), pytest.raises(Gone):
        list(ends)
    assert endless.left.wait(PATIENCE)
