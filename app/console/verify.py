"""`solo verify`: compare a model file with what it must be, and fetch again what is damaged."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from app.console.download import in_words
from app.console.progress_line import ProgressLine, interrupts_set
from app.console.words import in_bytes, in_time
from app.core.errors import Cancelled, ModelFileDamaged
from app.models.checking import Outcome, check_model, checked_bytes
from app.models.download_progress import Speed
from app.models.download_verify import repair_file
from app.models.elsewhere import this_computer
from app.models.gguf_parts import split_parts
from app.models.ledger import Ledger


def verify(path: Path, ledger: Path, *, repair: bool, as_json: bool) -> None:
    """Check every file of the model at `path` and say what was found.

    Raises ModelFileDamaged where something is damaged and not repaired, AppError, KeyboardInterrupt.
    """
    cancel = threading.Event()
    try:
        with interrupts_set(cancel):
            fetched = _repair(path, cancel) if repair else 0
            outcome = _check(path, ledger, cancel)
    except Cancelled as stop:
        print("Stopped. Nothing was changed that the same command would not go on with.", file=sys.stderr)
        raise KeyboardInterrupt from stop
    sentence = outcome.sentence(path.name)
    if as_json:
        found = {"path": str(path), "whole": outcome.is_whole, "compared": outcome.compared}
        print(json.dumps(found | {"damaged_bytes": outcome.damaged_bytes, "fetched_bytes": fetched}))
    if not outcome.is_whole:
        raise ModelFileDamaged(f"{sentence} “solo verify --repair {path}” fetches only that again.")
    if not as_json:
        again = f" {in_bytes(fetched)} were fetched again." if fetched else ""
        print(f"{sentence}{again}")


def _check(path: Path, ledger: Path, cancel: threading.Event) -> Outcome:
    total, speed, done = checked_bytes(path), Speed(), 0
    with ProgressLine(sys.stderr) as line:

        def add(count: int) -> None:
            nonlocal done
            done += count
            speed.add(count)
            rate = speed.bytes_per_second()
            left = f"  {in_time((total - done) / rate)} left" if rate > 0 and done < total else ""
            line.show(f"{100 * done // max(1, total):3} %  {in_bytes(done)} of {in_bytes(total)} checked{left}")

        return check_model(path, this_computer(), Ledger(ledger), on_bytes=add, cancel=cancel)


def _repair(path: Path, cancel: threading.Event) -> int:
    with ProgressLine(sys.stderr) as line:
        return sum(
            repair_file(file, on_progress=lambda progress: line.show(in_words(progress)), cancel=cancel)
            for file in split_parts(path)
        )
