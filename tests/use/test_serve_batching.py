"""The bounded queue, with a net that answers when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from vitruvian.use.serve.batching import Batcher, ClosedError, Question, QueueFullError

LONG = 5.0  # s; no test waits for it


class Net:
    """Doubles numbers, a batch at a time, each when `go` is set; remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.busy, self.go = threading.Event(), threading.Event()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.busy.set()
        assert self.go.wait(LONG)
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def asked(batcher: Batcher[int, int], *numbers: int, **more: object) -> list[Future[int]]:
    return batcher.ask([Question(lambda n=n: n, **more) for n in numbers])  # type: ignore[misc]


def busy(net: Net, batcher: Batcher[int, int]) -> Future[int]:
    """Has the net work on 0, so that what is asked next gathers."""
    (first,) = asked(batcher, 0)
    assert net.busy.wait(LONG)
    return first


def test_what_gathers_while_the_net_works_is_one_batch(pool: ThreadPoolExecutor) -> None:
    net = Net()
    batcher = Batcher(net, pool, most=3, depth=9, patience=60)
    first = busy(net, batcher)
    others = asked(batcher, 1, 2, 3, 4)
    assert batcher.weight == 5
    net.go.set()
    assert first.result(LONG) == 0
    assert [future.result(LONG) for future in others] == [2, 4, 6, 8]
    assert sorted(map(len, net.batches)) == [1, 1, 3]
    assert net.batches[0] == [0]
    assert batcher.weight == 0
    batcher.close()


def test_a_lone_question_waits_for_nobody(pool: ThreadPoolExecutor) -> None:
    net = Net()
    net.go.set()
    batcher = Batcher(net, pool, most=3, depth=9, patience=60)
    assert asked(batcher, 4)[0].result(LONG) == 8
    batcher.close()


def test_a_batch_waits_a_little_for_what_is_being_prepared(pool: ThreadPoolExecutor) -> None:
    net, prepared = Net(), threading.Event()
    net.go.set()

    def slow() -> int:
        assert prepared.wait(LONG)
        return 2

    batcher = Batcher(net, pool, most=2, depth=9, patience=60)
    futures = batcher.ask([Question(slow), Question(lambda: 1)])
    with pytest.raises(TimeoutError):
        futures[1].result(0.05)
    prepared.set()
    assert [future.result(LONG) for future in futures] == [4, 2]
    assert net.batches == [[1, 2]]
    batcher.close()


def test_questions_of_different_kinds_are_apart_and_in_order(pool: ThreadPoolExecutor) -> None:
    net = Net()
    one = ThreadPoolExecutor(1)
    batcher = Batcher(net, one, most=9, depth=99, patience=1)
    busy(net, batcher)
    futures = [asked(batcher, n, kind=n % 2)[0] for n in (1, 2, 3, 4, 5)]
    net.go.set()
    assert [future.result(LONG) for future in futures] == [2, 4, 6, 8, 10]
    assert net.batches == [[0], [1, 3, 5], [2, 4]]
    batcher.close()
    one.shutdown()


def test_a_heavy_question_is_alone(pool: ThreadPoolExecutor) -> None:
    net, weights = Net(), list[int]()
    one = ThreadPoolExecutor(1)
    batcher = Batcher(net, one, most=4, depth=99, seen=weights.append, patience=1)
    busy(net, batcher)
    futures = [asked(batcher, n, weight=w)[0] for n, w in ((1, 3), (2, 50), (3, 1), (4, 1))]
    net.go.set()
    for future in futures:
        future.result(LONG)
    assert net.batches == [[0], [1, 3], [2], [4]]
    assert weights == [1, 4, 50, 1]
    batcher.close()
    one.shutdown()


def test_a_full_queue_takes_all_or_nothing(pool: ThreadPoolExecutor) -> None:
    net = Net()
    batcher = Batcher(net, pool, most=2, depth=4)
    busy(net, batcher)
    asked(batcher, 1, 2)
    with pytest.raises(QueueFullError):
        asked(batcher, 3, 4)
    with pytest.raises(QueueFullError):
        asked(batcher, 3, weight=2)
    (last,) = asked(batcher, 3)
    with pytest.raises(QueueFullError):
        asked(batcher, 4)
    net.go.set()
    assert last.result(LONG) == 6
    assert (
        asked(batcher, 1, 2, 3)[2].result(LONG) == 6
    )  # there is room as soon as there is an answer
    batcher.close()


def test_who_no_longer_waits_is_not_answered_and_makes_room(pool: ThreadPoolExecutor) -> None:
    net = Net()
    batcher = Batcher(net, pool, most=2, depth=3)
    first = busy(net, batcher)
    gone, waits = asked(batcher, 1, 2)
    assert gone.cancel()
    net.go.set()
    assert waits.result(LONG) == 4
    assert first.result(LONG) == 0
    assert [0] in net.batches
    assert [2] in net.batches
    assert batcher.weight == 0
    batcher.close()


def test_one_bad_question_spoils_no_other(pool: ThreadPoolExecutor) -> None:
    net = Net()

    def broken() -> int:
        raise KeyError("file")

    batcher = Batcher(net, pool, most=9, depth=9)
    busy(net, batcher)
    fine, bad = asked(batcher, 1, 13)
    (unread,) = batcher.ask([Question(broken)])
    net.go.set()
    assert fine.result(LONG) == 2
    with pytest.raises(ValueError, match="13"):
        bad.result(LONG)
    with pytest.raises(KeyError):
        unread.result(LONG)
    assert asked(batcher, 5)[0].result(LONG) == 10
    assert batcher.weight == 0
    assert batcher.alive
    batcher.close()


def test_closing_answers_what_was_accepted(pool: ThreadPoolExecutor) -> None:
    net = Net()
    batcher = Batcher(net, pool, most=1, depth=9)
    busy(net, batcher)
    futures = asked(batcher, 1, 2, 3)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while True:
        try:
            futures += asked(batcher, 4)
        except ClosedError:
            break
        except QueueFullError:
            continue
    net.go.set()
    closing.join(LONG)
    assert not batcher.alive
    assert [future.result(0) for future in futures][:3] == [2, 4, 6]
