"""What holds for every test: no failure goes unseen, nothing is left on the reactor."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from twisted.logger import LogEvent, globalLogPublisher


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[Any]:
    """Take back what pytest-twisted wraps around the body of a hypothesis test.

    It does so at every call, and a test with several parameters would wait within its wait.
    """
    handle = getattr(pyfuncitem.obj, "hypothesis", None)
    inner_test = getattr(handle, "inner_test", None)
    try:
        return (yield)
    finally:
        if handle is not None:
            handle.inner_test = inner_test


def _collect_and_freeze() -> None:
    """Collect garbage, and leave what remains out of the next time: or each would take longer."""
    gc.collect()
    gc.freeze()


@contextmanager
def _failures_logged() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_failure") is not None:
            events.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(observe)
    assert not events, [event["log_failure"].getTraceback() for event in events]


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[list[LogEvent]]:
    """Fail a test during which a failure was logged, also that of a Deferred left behind.

    A test that provokes one asks for this list, looks at it and clears it.
    """
    with _failures_logged() as events:
        yield events
        _collect_and_freeze()  # an unhandled failure is logged when its Deferred goes away


@pytest.fixture(autouse=True, scope="session")
def _clean_at_the_end() -> Iterator[None]:
    """Fail the session that leaves a delayed call on the reactor, or a failure unseen."""
    _collect_and_freeze()
    yield
    with _failures_logged():
        gc.unfreeze()
        gc.collect()
    from twisted.internet import reactor

    assert not reactor.getDelayedCalls()
