"""The tasks of the first run, from every point one can leave at and come back to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.chat.first_run import Situation, list_tasks
from app.core.events import DownloadFailed, DownloadFinished, DownloadProgressed, DownloadStopped
from app.core.facts import Offer
from app.core.library import Task, TaskState

OFFER = Offer("small", "Small", "a/b", "main", "Q4_K_M", "", "", (), 10**10, False, True, "Fits both cards.")
WAIT, OPEN, RUN, DONE, FAIL, SKIP = TaskState
SEEN = Situation(machine="Two cards", folder=Path("/models"), free_bytes=10**11)
CHOSEN = replace(SEEN, chosen=OFFER)
HALF = DownloadProgressed("small", "m.gguf", 5, 10, 1.0, 5.0)
HERE = replace(CHOSEN, ending=DownloadFinished("small", Path("/m.gguf"), None))


def task(now: Situation, name: str) -> Task:
    return next(task for task in list_tasks(now) if task.name == name)


@pytest.mark.parametrize(
    ("now", "states"),
    [
        (Situation(), (RUN, WAIT, WAIT, WAIT, WAIT, WAIT)),
        (SEEN, (DONE, OPEN, OPEN, WAIT, WAIT, WAIT)),
        (CHOSEN, (DONE, DONE, DONE, OPEN, WAIT, WAIT)),
        (replace(CHOSEN, progress=HALF), (DONE, DONE, DONE, RUN, WAIT, WAIT)),
        (replace(CHOSEN, progress=replace(HALF, verifying=True)), (DONE, DONE, DONE, RUN, RUN, WAIT)),
        (replace(CHOSEN, ending=DownloadStopped("small")), (DONE, DONE, DONE, OPEN, WAIT, WAIT)),
        (replace(CHOSEN, ending=DownloadFailed("small", "No network.")), (DONE, DONE, DONE, FAIL, WAIT, WAIT)),
        (HERE, (DONE, DONE, DONE, DONE, DONE, OPEN)),
        (replace(HERE, load_fraction=0.5), (DONE, DONE, DONE, DONE, DONE, RUN)),
        (replace(HERE, load_failure="Too little RAM."), (DONE, DONE, DONE, DONE, DONE, FAIL)),
        (replace(HERE, is_loaded=True), (DONE, DONE, DONE, DONE, DONE, DONE)),
        (replace(SEEN, is_skipped=True), (DONE, SKIP, OPEN, SKIP, SKIP, SKIP)),
    ],
)
def test_how_each_task_stands(now: Situation, states: tuple[TaskState, ...]) -> None:
    assert tuple(task.state for task in list_tasks(now)) == states


def test_every_task_that_failed_says_why() -> None:
    assert task(replace(CHOSEN, ending=DownloadFailed("small", "No network.")), "download").sentence == "No network."
    assert task(replace(HERE, load_failure="Too little RAM."), "load").sentence == "Too little RAM."
    too_big = replace(OFFER, fits=False, fit="Too big: needs 12 GiB more RAM.")
    choice = task(replace(SEEN, chosen=too_big), "choice")
    assert (choice.state, choice.sentence) == (FAIL, "Too big: needs 12 GiB more RAM.")


def test_too_little_room_is_said_with_what_is_missing_until_the_bytes_are_here() -> None:
    tight = replace(CHOSEN, free_bytes=10**10)
    place = task(tight, "place")
    assert place.state is FAIL
    assert place.sentence.startswith("2.1\N{NARROW NO-BREAK SPACE}GB more room")
    assert task(replace(tight, ending=HERE.ending), "place").state is DONE
    assert task(replace(CHOSEN, free_bytes=123 * 10**9), "place").sentence == "123\N{NARROW NO-BREAK SPACE}GB free"
