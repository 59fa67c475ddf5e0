"""``lottery.ledger.longwork``: work beside the reading, in order and all of it."""

from __future__ import annotations

from threading import Event, current_thread

import pytest

from lottery.ledger.longwork import Aside


def test_in_order_and_in_another_thread() -> None:
    """What is asked for is done one after the other, by one thread that is not ours."""
    done: list[int] = []
    threads = set()

    def work(number: int) -> None:
        threads.add(current_thread())
        done.append(number)

    with Aside() as aside:
        for number in range(100):
            aside.do(work, number)
        aside.settle()
        assert done == list(range(100))
        aside.do(work, 100)
    assert done == list(range(101))
    assert len(threads) == 1
    assert current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_two_at_most_are_under_way() -> None:
    """Whoever asks for a third waits for the first."""
    free, waited = Event(), Event()
    done: list[int] = []

    def work(number: int) -> None:
        assert free.wait(30)
        done.append(number)

    def ask_for_a_third(aside: Aside, other: Aside) -> None:
        other.do(lambda _: free.set() if waited.wait(30) else None, None)
        aside.do(lambda _: None, None)

    with Aside() as aside, Aside() as other:
        aside.do(work, 0)
        aside.do(work, 1)
        assert not done
        waited.set()
        ask_for_a_third(aside, other)
        assert done[:1] == [0]


@pytest.mark.parametrize("ask", ["do", "settle", "leave"])
def test_errors_come_back(ask: str) -> None:
    """Whatever work raises is raised to whoever asks for more, waits, or ends."""

    def fail(_: object) -> None:
        raise OSError("no")

    def run() -> None:
        with Aside() as aside:
            aside.do(fail, None)
            if ask == "do":
                aside.do(lambda _: None, None)
                aside.do(lambda _: None, None)
                pytest.fail("it was not raised")
            if ask == "settle":
                aside.settle()
                pytest.fail("it was not raised")

    with pytest.raises(OSError, match="no"):
        run()


def test_an_error_of_the_block_comes_first() -> None:
    """It is what went wrong first; the thread ends all the same."""
    began = Event()

    def fail(_: object) -> None:
        began.set()
        raise OSError("no")

    def run() -> None:
        with Aside() as aside:
            aside.do(fail, None)
            assert began.wait(30)
            raise KeyError("yes")

    with pytest.raises(KeyError, match="yes"):
        run()
