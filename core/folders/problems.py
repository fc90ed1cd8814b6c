"""What a picture of a folder lacks, in words for its row."""

import re
from collections.abc import Callable, Collection, Mapping

from ..methods.scores import Question
from .job import Job

Failures = Mapping[str, str]
"""Why there is no map, by the method's name in the job."""


def a_map_is_missing(methods: Collection[str]) -> str:
    """A regular expression for the words of `Problems` that say that a method has no map.

    Args:
        methods: their names in the job.
    """
    return rf"(?:^|[.!?] )(?:{'|'.join(map(re.escape, methods))})(?: for [^:]+)?[:,] "


class Problems:
    """Collects what one picture lacks."""

    def __init__(self, job: Job, named: Callable[[int | None], str | None]) -> None:
        """None yet."""
        self._job, self._named = job, named
        self._said: list[str] = []
        self._lacking: dict[str, str] = {}
        self._failed: dict[str, list[str]] = {}

    def tell(self, words: str) -> None:
        """Tell one that costs no map."""
        self._said.append(words)

    def lack(self, methods: list[str], why: str) -> None:
        """Let some methods have no map of this picture."""
        self._lacking |= dict.fromkeys(methods, why)

    def add(self, failures: Failures, question: Question | None) -> None:
        """Add methods that have no map; and of which question, where there are several."""
        failures = {**failures, **self._lacking}
        of = "" if question is None else f" for {self._named(question.target)}"
        for method, _ in self._job.methods:
            if method in failures:
                self._failed.setdefault(failures[method], []).append(f"{method}{of}")

    @property
    def words(self) -> str:
        """All of them; empty without any."""
        failed = (f"{', '.join(methods)}: {why}" for why, methods in self._failed.items())
        return " ".join((*self._said, *failed))
