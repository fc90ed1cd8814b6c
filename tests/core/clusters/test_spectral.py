"""Clusters that stand out are found, whatever the seed; where there are none, none is named."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import adjusted_rand_score

from core.clusters import spectral
from core.clusters.spectral import grouping

DIMENSIONS = 12


def run(points, clusters=None, seed=0):
    steps = grouping(points.astype(np.float32), clusters, seed)
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            assert not seen or seen[-1][0] == seen[-1][1]
            return end.value


def cloud(random, count, middle=0.0, spread=1.0):
    return middle + spread * random.normal(size=(count, DIMENSIONS))


def planted(seed, small=30, large=70):
    """A tight group apart from a wide one, and which is which."""
    random = np.random.default_rng(seed)
    apart = np.zeros(DIMENSIONS)
    apart[0] = 8
    points = np.concatenate([cloud(random, small, apart, 0.5), cloud(random, large)])
    truth = np.repeat([1, 0], [small, large])
    order = random.permutation(len(truth))
    return points[order], truth[order]


@pytest.mark.parametrize("seed", range(3))
def test_a_group_apart_is_found_under_every_seed(seed):
    points, truth = planted(7)
    found = run(points, seed=seed)
    assert adjusted_rand_score(truth, found.labels) > 0.95
    assert found.chance < min(found.silhouettes)
    assert all(found.stands_out)


def shapes_without_groups():
    random = np.random.default_rng(0)
    yield "normal", cloud(random, 80)
    yield "uniform", random.uniform(-1, 1, (80, DIMENSIONS))
    line = np.zeros((80, DIMENSIONS))
    line[:, 0] = random.uniform(-5, 5, 80)
    yield "line", line + 0.05 * cloud(random, 80)
    angle = random.uniform(0, 2 * np.pi, 120)
    ring = np.zeros((120, DIMENSIONS))
    ring[:, 0], ring[:, 1] = 5 * np.cos(angle), 5 * np.sin(angle)
    yield "ring", ring + 0.1 * cloud(random, 120)
    yield "skewed", random.exponential(size=(80, DIMENSIONS))
    square = np.zeros((100, DIMENSIONS))
    square[:, :2] = random.uniform(-5, 5, (100, 2))
    yield "square", square + 0.1 * cloud(random, 100)


@pytest.mark.parametrize(("name", "points"), list(shapes_without_groups()))
def test_nothing_is_claimed_where_nothing_is(name, points):
    found = run(points)
    assert not found.labels.any(), name
    assert found.silhouettes == ()
    assert 0 < found.chance < 1


def test_few_or_equal_points_are_in_no_cluster():
    for points in (np.zeros((0, 4)), cloud(np.random.default_rng(0), 19), np.ones((50, 4))):
        found = run(points)
        assert found.labels.tolist() == [0] * len(points)
        assert np.isnan(found.chance)


def test_the_smallest_cluster_is_the_smallest_with_a_sure_valley():
    least = spectral._LEAST_SIZE
    assert binom.cdf(0, least, 0.5) <= spectral._VALLEY < binom.cdf(0, least - 1, 0.5)


def test_a_part_of_equal_points_is_no_cluster():
    points = np.zeros((60, DIMENSIONS))
    points[0, 0] = 1
    assert not run(points).labels.any()


def test_as_many_clusters_as_were_asked_for():
    found = run(cloud(np.random.default_rng(0), 60), clusters=3)
    assert set(found.labels) == {1, 2, 3}
    sizes = np.bincount(found.labels)[1:]
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert not any(found.stands_out)  # they were asked for, and are nothing


def test_points_outside_of_the_sample_join_their_neighbours(monkeypatch):
    monkeypatch.setattr(spectral, "SAMPLE", 100)
    points, truth = planted(1, 100, 300)
    found = run(points)
    assert len(found.labels) == 400
    assert adjusted_rand_score(truth, found.labels) > 0.95


def test_distances_are_those_to_the_middle_of_the_group():
    points, _ = planted(2)
    found = run(points)
    for label in np.unique(found.labels):
        mine = points[found.labels == label]
        expected = np.linalg.norm(mine - mine.mean(0), axis=1)
        np.testing.assert_allclose(found.distances[found.labels == label], expected, rtol=1e-3)
