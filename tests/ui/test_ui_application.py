from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from app.core.events import BugFound, Event
from app.ui.application import _report_exceptions
from tests.conftest import ExpectedWarnings
from tests.ui.window_program import start


def test_the_program_can_be_told_to_quit_once_it_was_painted(tmp_path: Path) -> None:
    process = start(tmp_path, SOLO_QUIT_AFTER_START="1")
    output, errors = process.communicate(timeout=60)
    assert output.splitlines() == ["service made", "service closed", "returned 0"], errors
    assert process.returncode == 0
    assert errors == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_window_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "service made\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert output.splitlines() == ["service closed", "returned 0"], errors


@pytest.fixture
def reported() -> list[Event]:
    return []


def test_what_nobody_expected_is_logged_and_published(
    reported: list[Event], expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings("unexpected")
    restore = _report_exceptions(reported.append)
    try:
        try:
            raise ValueError("a bug")
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
        broken = threading.Thread(target=lambda: 1 // 0)
        broken.start()
        broken.join()
    finally:
        restore()
    assert [type(event) for event in reported] == [BugFound, BugFound]
    details = [event.details for event in reported if isinstance(event, BugFound)]
    assert "ValueError: a bug" in details[0]
    assert "ZeroDivisionError" in details[1]
