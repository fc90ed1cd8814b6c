"""Spectral clustering of points, and which of the clusters stand out.

Spectral relevance analysis (Lapuschkin et al., Nature Communications 2019) clusters maps by the
graph of nearest neighbours: of the order of log n of them (von Luxburg, Statistics and Computing
2007), eigenvectors of the normalised Laplacian, rows of length 1, k-means (Ng, Jordan and Weiss,
NeurIPS 2001). k-means always finds as many clusters as it is asked for, so a cluster counts only if
it stands out:

- its mean silhouette (Rousseeuw, J. Comput. Appl. Math. 1987), of its own points, is at least 0.5,
  from where on Kaufman and Rousseeuw (1990) speak of a reasonable structure; and
- it is larger than the best that the same procedure finds in 95 % of surrogate data without
  clusters: points from a normal and from a uniform distribution with the same variances along the
  principal axes, as in SigClust (Liu et al., JASA 2008) and the gap statistic (Tibshirani, Walther
  and Hastie, JRSS B 2001); and
- there is a valley between it and each of the others: fewer maps half way to the other's mean than
  around its own mean. So the two halves of a range, such as of small to large objects, are none.

Of 2 to 8 clusters, that number is taken at which the clusters that stand out have the largest sum
of silhouettes. The points of all others are one rest, in no cluster.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

LEAST_POINTS = 20
MOST_CLUSTERS = 8
LEAST_SILHOUETTE: Final = 0.5
SAMPLE = 2000
"""Points that are clustered; the others join by their nearest neighbours."""

SURROGATES = 20
"""Of each distribution."""

_SURROGATE_POINTS = 400  # fewer points have larger silhouettes by chance, so this is no easier
_AXES = 20
_VALLEY = 0.01  # the level of a valley
_LEAST_SIZE = 7  # points of a cluster: with fewer there is no valley of that level
_LEAST_OTHER = 5  # points of a group that a cluster must be apart from: fewer are outliers
_NEIGHBOURS = 5  # that decide where a point outside of the sample belongs
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Grouping:
    """Points in groups.

    Attributes:
        labels: int32 (n,), 0 for points in no cluster, else numbered from 1, the largest first.
        silhouettes: of each cluster, the mean over its points of the sample, -1 to 1.
        stands_out: whether each does. All do, unless their number was given.
        chance: the silhouette that the best cluster of surrogate data does not reach in 95 % of
            them; NaN if there were too few points, or all were equal.
        distances: float32 (n,), of each point to the mean of its group.
    """

    labels: np.ndarray
    silhouettes: tuple[float, ...]
    stands_out: tuple[bool, ...]
    chance: float
    distances: np.ndarray


def grouping(
    points: np.ndarray, clusters: int | None, seed: int
) -> Generator[tuple[int, int], None, Grouping]:
    """Cluster points (n, d), yielding (done, total) of the surrogates on the way.

    Args:
        points: float32 (n, d).
        clusters: how many there are to be, 2 or more; None to find it out.
        seed: of the sample, the surrogates and k-means.
    """
    from sklearn.decomposition import PCA  # takes a second to load

    count = len(points)
    if count < max(LEAST_POINTS, clusters or 0):
        return _none(points)
    random = np.random.default_rng(seed)
    sample = np.sort(random.choice(count, min(count, SAMPLE), replace=False))
    if not points[sample].std(0).max() > 1e-6:
        return _none(points)
    axes = PCA(min(_AXES, len(sample), points.shape[1]), svd_solver="full").fit(points[sample])
    placed = np.concatenate(
        [axes.transform(points[start : start + _CHUNK]) for start in range(0, count, _CHUNK)]
    ).astype(np.float64)
    spread = placed[sample].std(0)
    tried = (clusters,) if clusters else _tried(len(sample))
    highest = np.empty((SURROGATES, 2))
    for done in range(highest.size):
        yield done, highest.size
        made = _surrogate(random, spread, min(len(sample), _SURROGATE_POINTS), done % 2 == 0)
        highest.flat[done] = max(_highest(each) for each in _partitions(made, tried, seed))
    chance = float(np.quantile(highest, 0.95, axis=0).max())
    found = list(_partitions(placed[sample], tried, seed))
    stands = partial(_stands, placed[sample], max(LEAST_SILHOUETTE, chance))
    labels, silhouettes, apart = (_all if clusters else _standing)(found, stands)
    whole = _assigned(placed, sample, labels)
    yield highest.size, highest.size
    return Grouping(whole, silhouettes, apart, chance, _distances(placed, whole))


def _none(placed: np.ndarray) -> Grouping:
    labels = np.zeros(len(placed), np.int32)
    return Grouping(labels, (), (), float("nan"), _distances(placed, labels))


def _tried(count: int) -> tuple[int, ...]:
    return tuple(range(2, min(MOST_CLUSTERS, count // 5) + 1))


def _surrogate(
    random: np.random.Generator, spread: np.ndarray, count: int, normal: bool
) -> np.ndarray:
    """Points (count, axes) without clusters, with so much standard deviation along each axis."""
    shape = count, len(spread)
    made = random.normal(size=shape) if normal else random.uniform(-(3**0.5), 3**0.5, shape)
    return made * spread


def _partitions(
    points: np.ndarray, tried: tuple[int, ...], seed: int
) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
    """Labels from 0 and silhouettes of points (n, d), both (n,), for each number of clusters."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances, silhouette_samples

    vectors = _eigenvectors(points, max(tried), seed)
    apart = pairwise_distances(points)
    np.fill_diagonal(apart, 0)
    for number in tried:
        rows = vectors[:, :number]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        labels = KMeans(number, n_init=2, random_state=seed).fit_predict(rows)
        if len(np.unique(labels)) > 1:
            yield labels, silhouette_samples(apart, labels, metric="precomputed")
        else:
            yield labels, np.zeros(len(points))


def _eigenvectors(points: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Of the normalised Laplacian of the graph of neighbours, smallest eigenvalues first.

    Every pair of points has a little weight besides, of a graph's mean degree in all: without it, a
    few points that nobody is near to would be clusters of their own (Zhang and Rohe, NeurIPS 2018).
    """
    from scipy.sparse.linalg import eigsh
    from sklearn.neighbors import kneighbors_graph

    count = len(points)
    near = kneighbors_graph(points, min(count - 1, max(5, 2 * int(np.ceil(np.log(count))))))
    graph = near.toarray()
    graph = (graph + graph.T) / 2
    graph += graph.sum() / count**2
    root = np.sqrt(graph.sum(0))
    # The smallest eigenvalues of the Laplacian are the largest of this.
    start = np.random.default_rng(seed).uniform(-1, 1, count)
    values, vectors = eigsh(graph / root / root[:, None], number, which="LA", v0=start, tol=1e-6)
    found: np.ndarray = vectors[:, np.argsort(-values)]
    return found


def _groups(labels: np.ndarray, silhouettes: np.ndarray) -> list[tuple[int, int, float]]:
    """(label, points, mean silhouette) of the clusters of a partition, the largest first.

    Those of fewer than `_LEAST_SIZE` points or a hundredth of all are left out.
    """
    least = max(_LEAST_SIZE, len(labels) / 100)
    found = [
        (label, size, float(silhouettes[labels == label].mean()))
        for label, size in _sizes(labels)
        if size >= least
    ]
    return sorted(found, key=lambda group: -group[1])


def _sizes(labels: np.ndarray) -> list[tuple[int, int]]:
    """The labels, and how many points have each."""
    found, counts = np.unique(labels, return_counts=True)
    return list(zip(found.tolist(), counts.tolist(), strict=True))


def _has_valley(points: np.ndarray, labels: np.ndarray, label: int) -> bool:
    """Whether a cluster of points (n, d) is apart from each of the others but outliers.

    On the line to the other's mean there must be fewer points around the middle than around its own
    mean, in windows of a third of the way: at most half as many, and at the level of 1 %. Around
    its own mean there must be at most half as many of the other's: equal maps are not apart.
    """
    from scipy.stats import binom

    own = points[labels == label]
    for other, size in _sizes(labels):
        if other == label or size < max(_LEAST_OTHER, len(labels) / 100):
            continue
        both = np.concatenate([own, points[labels == other]])
        start = own.mean(0)
        line = points[labels == other].mean(0) - start
        way = (both - start) @ line / max(float(line @ line), 1e-12)
        mine, others = (int((abs(part) < 1 / 6).sum()) for part in np.split(way, [len(own)]))
        if 2 * others > mine:
            return False
        here, between = (int((abs(way - place) < 1 / 6).sum()) for place in (0.0, 0.5))
        if 2 * between > here or binom.cdf(between, here + between, 0.5) > _VALLEY:
            return False
    return True


def _highest(partition: tuple[np.ndarray, np.ndarray]) -> float:
    return max((mean for _, _, mean in _groups(*partition)), default=-1.0)


_Stands = Callable[[np.ndarray, int, float], bool]
_Numbered = tuple[np.ndarray, tuple[float, ...], tuple[bool, ...]]


def _stands(points: np.ndarray, least: float, labels: np.ndarray, label: int, mean: float) -> bool:
    """Whether a cluster stands out, given the mean of its silhouettes."""
    return mean >= least and _has_valley(points, labels, label)


def _all(found: list[tuple[np.ndarray, np.ndarray]], stands: _Stands) -> _Numbered:
    """Every cluster of the only partition, numbered from 1."""
    ((labels, silhouettes),) = found
    sizes = np.bincount(labels)
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 0]
    means = [float(silhouettes[labels == label].mean()) for label in order]
    apart = [stands(labels, label, mean) for label, mean in zip(order, means, strict=True)]
    return _numbered(labels, order), tuple(means), tuple(apart)


def _standing(found: list[tuple[np.ndarray, np.ndarray]], stands: _Stands) -> _Numbered:
    """The clusters that stand out, of the partition in which they hold most."""
    standing = [
        [(label, size, mean) for label, size, mean in _groups(*one) if stands(one[0], label, mean)]
        for one in found
    ]
    worth = [sum(size * mean for _, size, mean in groups) for groups in standing]
    best = int(np.argmax(worth))
    groups = standing[best]
    labels = _numbered(found[best][0], np.array([label for label, _, _ in groups], int))
    return labels, tuple(mean for _, _, mean in groups), (True,) * len(groups)


def _numbered(labels: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Labels as their place in ``order``, from 1; those that are not in it are 0."""
    numbers = np.zeros(labels.max() + 1, np.int32)
    numbers[order] = np.arange(1, len(order) + 1)
    found: np.ndarray = numbers[labels]
    return found


def _assigned(placed: np.ndarray, sample: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels of all points: outside of the sample, what most of the nearest neighbours have."""
    whole = np.zeros(len(placed), np.int32)
    whole[sample] = labels
    others = np.setdiff1d(np.arange(len(placed)), sample)
    if labels.any() and len(others):
        from sklearn.neighbors import KNeighborsClassifier

        known = KNeighborsClassifier(_NEIGHBOURS, algorithm="brute").fit(placed[sample], labels)
        whole[others] = known.predict(placed[others])
    return whole


def _distances(placed: np.ndarray, labels: np.ndarray) -> np.ndarray:
    found = np.zeros(len(placed), np.float32)
    for label in np.unique(labels):
        mine = placed[labels == label]
        found[labels == label] = np.linalg.norm(mine - mine.mean(0), axis=1)
    return found
