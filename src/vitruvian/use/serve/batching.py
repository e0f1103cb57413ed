"""Many small questions answered together: a bounded queue in front of one thread.

A question is prepared by a pool of threads (a photograph is decoded) and answered with others by the
batcher's own thread. A lone question waits for nobody; under load a batch is what has gathered while
the last one was being answered.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PATIENCE = 0.005  # s that a batch which is not full waits for questions still being prepared


class QueueFullError(Exception):
    """There is no room for the question now."""


class ClosedError(Exception):
    """No questions are taken any more."""


@dataclass(frozen=True)
class Question(Generic[Item]):
    """What is to be asked."""

    prepare: Callable[[], Item]  # called by the pool
    weight: int = 1  # persons
    kind: Hashable = None  # only questions of one kind are answered together


@dataclass(eq=False)
class _Job(Generic[Item, Result]):
    question: Question[Item]
    future: Future[Result] = field(default_factory=Future)
    item: Any = None


class Batcher(Generic[Item, Result]):
    """Answers questions in batches.

    Args:
        answer: items of one kind -> as many results, in order. When it fails on several items they
            are tried one by one, so that none suffers for another.
        pool: prepares questions.
        most: weight of a batch; a single question may weigh more.
        depth: weight of all that is accepted and not answered.
        seen: told the weight of each batch, by the batcher's thread.
        patience: s that a batch which is not full waits while accepted questions are being prepared.
    """

    def __init__(
        self,
        answer: Callable[[list[Item]], Sequence[Result]],
        pool: Executor,
        most: int,
        depth: int,
        seen: Callable[[int], None] = lambda weight: None,
        patience: float = _PATIENCE,
    ):
        self._answer, self._pool, self._most, self._depth = answer, pool, most, depth
        self._seen, self._patience = seen, patience
        self._ready: deque[_Job[Item, Result]] = deque()
        self._preparing = self._weight = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    @property
    def weight(self) -> int:
        """Of what is accepted and not answered."""
        return self._weight

    @property
    def alive(self) -> bool:
        """Whether there is a thread to answer."""
        return self._thread.is_alive()

    def ask(self, questions: Sequence[Question[Item]]) -> list[Future[Result]]:
        """Accepts all of the questions or none; a future that is cancelled is not answered.

        Raises:
            QueueFullError: the queue has no room for their weight.
            ClosedError: after `close`.
        """
        jobs: list[_Job[Item, Result]] = [_Job(question) for question in questions]
        weight = sum(question.weight for question in questions)
        with self._changed:
            if self._closed:
                raise ClosedError
            if self._weight + weight > self._depth:
                raise QueueFullError
            self._weight += weight
            self._preparing += len(jobs)
        for job in jobs:
            self._pool.submit(self._prepare, job)
        return [job.future for job in jobs]

    def close(self) -> None:
        """Takes no more questions, answers those that were accepted, and returns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _prepare(self, job: _Job[Item, Result]) -> None:
        error: Exception | None = None
        if not job.future.cancelled():
            try:
                job.item = job.question.prepare()
            except Exception as raised:
                error = raised
        with self._changed:
            waits = error is None and not job.future.cancelled()
            self._preparing -= 1
            if waits:
                self._ready.append(job)
            self._changed.notify_all()
        if not waits:
            self._finish(job, error=error)

    def _run(self) -> None:
        while jobs := self._take():
            wanted = []
            for job in jobs:
                if job.future.cancelled():
                    self._finish(job)
                else:
                    wanted.append(job)
            self._answer_all(wanted)
            del jobs, job, wanted  # while nobody asks, nothing is held

    def _take(self) -> list[_Job[Item, Result]]:
        """The next batch, oldest first; empty: closed and nothing left."""
        with self._changed:
            while not self._ready and not (self._closed and not self._preparing):
                self._changed.wait()
            until = time.monotonic() + self._patience
            while self._preparing and self._gathered() < self._most:
                if not self._changed.wait(until - time.monotonic()):
                    break
            taken: list[_Job[Item, Result]] = []
            left: deque[_Job[Item, Result]] = deque()
            weight = 0
            for job in self._ready:
                fits = not taken or (
                    job.question.kind == taken[0].question.kind
                    and weight + job.question.weight <= self._most
                )
                if fits:
                    weight += job.question.weight
                (taken if fits else left).append(job)
            self._ready = left
            return taken

    def _gathered(self) -> int:
        """Weight of the ready questions that could be answered with the oldest."""
        first = self._ready[0].question.kind if self._ready else None
        return sum(job.question.weight for job in self._ready if job.question.kind == first)

    def _answer_all(self, jobs: list[_Job[Item, Result]]) -> None:
        if not jobs:
            return
        self._seen(sum(job.question.weight for job in jobs))
        try:
            results = self._answer([job.item for job in jobs])
        except Exception as error:
            if len(jobs) == 1:
                self._finish(jobs[0], error=error)
            else:
                for job in jobs:
                    self._answer_all([job])
            return
        for job, result in zip(jobs, results, strict=True):
            self._finish(job, result)

    def _finish(
        self, job: _Job[Item, Result], result: Any = None, error: Exception | None = None
    ) -> None:
        """Makes room, then answers: whoever asks again at once finds it."""
        with self._changed:
            self._weight -= job.question.weight
        try:
            if error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)
        except InvalidStateError:  # cancelled meanwhile
            pass
