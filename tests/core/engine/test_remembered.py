"""What is remembered, for how long, and when it may not be used again."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.engine.fingerprint import fingerprint
from core.engine.remembered import KnownScores, Memory
from tests.toys import network, seeded

SIZE = (7, 9)

INPUTS = torch.ones(1, 3, 12, 12)


def corners(*pairs):
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def test_what_was_added_is_known_and_can_be_taken():
    known = KnownScores(SIZE, torch.zeros(2))
    places = corners((0, 0), (6, 8), (3, 4))
    assert not known.knows(places).any()
    assert known.take(places).isnan().all()
    known.add(places[:2], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert known.knows(places).tolist() == [True, True, False]
    found = known.take(places[[1, 2, 0]])
    assert found[[0, 2]].tolist() == [[3, 4], [1, 2]]
    assert found[1].isnan().all()


def test_what_is_known_stays_as_it_is():
    known = KnownScores(SIZE, torch.zeros(1))
    known.add(corners((1, 1)), torch.tensor([[1.0]]))
    known.add(corners((1, 1), (2, 2)), torch.tensor([[5.0], [6.0]]))
    assert known.take(corners((1, 1), (2, 2))).tolist() == [[1.0], [6.0]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 62), max_size=20, unique=True), max_size=8))
def test_like_a_dictionary(batches):
    known, truth = KnownScores(SIZE, torch.zeros(3)), {}
    for number, batch in enumerate(batches):
        places = np.stack(np.unravel_index(np.array(batch, dtype=int), SIZE), 1)
        logits = torch.arange(len(batch) * 3.0).reshape(-1, 3) + 1000 * number
        known.add(places, logits)
        for place, row in zip(batch, logits.tolist(), strict=True):
            truth.setdefault(place, row)
    everywhere = np.stack(np.unravel_index(np.arange(63), SIZE), 1)
    assert known.knows(everywhere).tolist() == [place in truth for place in range(63)]
    found = known.take(everywhere)
    for place in range(63):
        if place in truth:
            assert found[place].tolist() == truth[place]
        else:
            assert found[place].isnan().all()


def test_what_is_taken_is_a_copy():
    known = KnownScores(SIZE, torch.zeros(1))
    known.add(corners((1, 1)), torch.tensor([[1.0]]))
    known.take(corners((1, 1)))[:] = 7
    assert known.take(corners((1, 1))).item() == 1


def test_threads_that_add_and_take_at_once():
    known = KnownScores((40, 40), torch.zeros(1))
    everywhere = np.stack(np.unravel_index(np.arange(1600), (40, 40)), 1)
    truth = torch.arange(1600.0)[:, None]

    def add(part):
        order = np.random.default_rng(part).permutation(1600)
        for batch in np.array_split(order, 60):
            known.add(everywhere[batch], truth[batch])
            found = known.take(everywhere)
            there = ~found[:, 0].isnan()
            assert torch.equal(found[there], truth[there])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert torch.equal(known.take(everywhere), truth)


def filled(rows):
    known = KnownScores((100, 100), torch.zeros(10))
    places = np.stack(np.unravel_index(np.arange(rows), (100, 100)), 1)
    known.add(places, torch.zeros(rows, 10))
    return known


def test_the_least_recently_used_scores_go_first():
    each = filled(1000).bytes
    assert each >= 1000 * 10 * 4
    memory = Memory(limit_bytes=2 * each)
    first, second = memory.begin(filled(1000), "first"), memory.begin(filled(1000), "second")
    assert memory.scores("first") is first
    third = memory.begin(filled(1000), "third")
    assert memory.scores("second") is None
    assert memory.scores("first") is first
    assert memory.scores("third") is third
    assert second.take(corners((0, 0))).shape == (1, 10), "who holds them may go on"


def test_scores_that_are_larger_than_the_bound_are_kept_alone():
    memory = Memory(limit_bytes=10)
    memory.begin(filled(10), "first")
    alone = memory.begin(filled(10), "second")
    assert memory.scores("first") is None
    assert memory.scores("second") is alone


def test_whoever_begins_first_is_shared():
    memory = Memory()
    first = memory.begin(filled(1), "key", 1)
    assert memory.begin(filled(1), "key", 1) is first
    assert memory.scores("key", 2) is None
    memory.forget()
    assert memory.scores("key", 1) is None


def test_a_module_is_prepared_once():
    memory, module = Memory(), network("strided")
    prepared = memory.prepared(module, INPUTS)
    assert memory.prepared(module, INPUTS) is prepared
    twin = network("strided")
    assert fingerprint(twin) == fingerprint(module)
    assert memory.prepared(twin, INPUTS).key is not prepared.key
    assert memory.prepared(module, INPUTS) is prepared


def change_weight(module):
    with torch.no_grad():
        module[0].weight[0, 0, 0, 0] += 1


def change_weight_behind_the_back(module):
    module[0].weight.data[0, 0, 0, 0] += 1


def change_buffer(module):
    module[3].running_mean[0] += 1


def change_setting(module):
    module[0].padding = (2, 2)


def change_activation(module):
    module[4] = nn.ReLU()


def change_number(module):
    module[3].eps = 0.1


def change_hidden_buffer(module):
    module[6].scale += 1


class Scale(nn.Module):
    """Holds a buffer that is not saved with the weights."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(1), persistent=False)

    def forward(self, x):
        return x * self.scale


class Unregistered(nn.Module):
    """Holds a layer in a plain list, where torch does not find it."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(3, 4, 3)]

    def forward(self, x):
        return self.layers[0](x).mean((2, 3))


def test_a_layer_that_is_not_registered_may_change_too():
    memory, module = Memory(), seeded(Unregistered)
    memory.prepared(module, INPUTS)
    module.layers[0].weight.data += 1
    again = memory.prepared(module, INPUTS)
    torch.testing.assert_close(again.network.dense(INPUTS), module(INPUTS).detach())


def changeable():
    return seeded(lambda: nn.Sequential(*network("grouped"), Scale())).eval()


@pytest.mark.parametrize(
    "change",
    [
        change_weight,
        change_weight_behind_the_back,
        change_buffer,
        change_setting,
        change_activation,
        change_number,
        change_hidden_buffer,
    ],
)
def test_a_changed_module_is_another_module(change):
    memory, module = Memory(), changeable()
    prepared = memory.prepared(module, INPUTS)
    change(module)
    again = memory.prepared(module, INPUTS)
    assert again.key is not prepared.key
    with torch.no_grad():
        torch.testing.assert_close(again.network.dense(INPUTS), module(INPUTS))


def test_the_same_scores_in_another_mode():
    memory, module = Memory(), changeable()
    prepared = memory.prepared(module, INPUTS)
    module.train()
    again = memory.prepared(module, INPUTS)
    assert again is not prepared
    torch.testing.assert_close(again.network.dense(INPUTS), prepared.network.dense(INPUTS))


def test_a_module_that_is_gone_is_forgotten():
    memory, module = Memory(), network("residual")
    memory.prepared(module, INPUTS)
    gone = weakref.ref(module)
    prepared = weakref.ref(memory.prepared(module, INPUTS).network)
    del module
    gc.collect()
    assert gone() is None
    assert prepared() is None
