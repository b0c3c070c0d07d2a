"""Checks of model files, and repairs: one at a time, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.core.errors import AppError, Cancelled, ModelFileDamaged, ModelFileMissing
from app.core.events import BugFound, Publish
from app.core.library import CheckEnded, CheckProgressed
from app.models.checking import check_model, checked_bytes
from app.models.download_progress import Progress, Speed
from app.models.download_verify import repair_file
from app.models.elsewhere import Surroundings
from app.models.gguf_parts import split_parts
from app.models.ledger import Ledger

log = logging.getLogger(__name__)

_TELL_EVERY_BYTES = 64 << 20


class CheckDesk:
    """Check and repair models; safe from any thread."""

    def __init__(self, publish: Publish, limit: Callable[[], float], where: Surroundings, ledger: Ledger) -> None:
        self._publish = publish
        self._limit = limit
        self._where = where
        self._ledger = ledger
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="check")
        self._lock = threading.Lock()
        self._cancels: set[threading.Event] = set()
        self._closed = False

    def check(self, path: Path, *, repair: bool, then: Callable[[CheckEnded], None]) -> None:
        """Check the model at `path`, with `repair` fetching what is damaged again; `then` gets how it ended."""
        with self._lock:
            if self._closed:
                return
            cancel = threading.Event()
            self._cancels.add(cancel)
            self._pool.submit(self._run, path, repair, cancel, then)

    def stop(self) -> None:
        """Stop every check and repair that is under way or waits."""
        with self._lock:
            for cancel in self._cancels:
                cancel.set()

    def close(self) -> None:
        """Stop and wait until the files are closed; what is asked later is ignored."""
        with self._lock:
            self._closed = True
        self.stop()
        self._pool.shutdown(wait=True)

    # --- on the thread ---

    def _run(self, path: Path, repair: bool, cancel: threading.Event, then: Callable[[CheckEnded], None]) -> None:
        try:
            ending = self._repair(path, cancel) if repair else self._check(path, cancel)
        except Cancelled:
            ending = CheckEnded(path, None, "The check was stopped.")
        except (ModelFileMissing, ModelFileDamaged) as error:
            ending = CheckEnded(path, False, str(error))
        except AppError as error:
            ending = CheckEnded(path, None, str(error))
        except Exception as error:  # the border of the thread: a bug must be seen
            log.exception("a check failed unexpectedly")
            self._publish(BugFound.from_exception(error))
            ending = CheckEnded(path, None, "The check stopped because of a mistake in the program.")
        with self._lock:
            self._cancels.discard(cancel)
        then(ending)

    def _check(self, path: Path, cancel: threading.Event) -> CheckEnded:
        meter = _CheckMeter(self._publish, path, checked_bytes(path))
        if cancel.is_set():
            raise Cancelled("The check was stopped.")
        outcome = check_model(path, self._where, self._ledger, on_bytes=meter.add, cancel=cancel)
        return CheckEnded(path, outcome.is_whole, outcome.sentence(path.name), outcome.damaged_bytes)

    def _repair(self, path: Path, cancel: threading.Event) -> CheckEnded:
        def tell(progress: Progress) -> None:
            self._publish(_repairing(path, progress))

        fetched_bytes = 0
        for file in split_parts(path):
            fetched_bytes += repair_file(file, on_progress=tell, cancel=cancel, limit=self._limit)
        amount = f"{fetched_bytes / 1e6:,.1f}\N{NARROW NO-BREAK SPACE}MB"
        return CheckEnded(path, True, f"Repaired: {amount} were fetched again; every byte is right now.")


class _CheckMeter:
    """Count bytes that were read back and tell it on, a few times a second."""

    def __init__(self, publish: Publish, path: Path, total_bytes: int) -> None:
        self._publish, self._path, self._total_bytes = publish, path, total_bytes
        self._done_bytes = self._told_bytes = 0
        self._speed = Speed()

    def add(self, count: int) -> None:
        """Count bytes."""
        self._done_bytes += count
        self._speed.add(count)
        if self._done_bytes - self._told_bytes >= min(_TELL_EVERY_BYTES, self._total_bytes // 20):
            self._told_bytes = self._done_bytes
            rate = self._speed.bytes_per_second()
            left_s = (self._total_bytes - self._done_bytes) / rate if rate > 0 else None
            self._publish(CheckProgressed(self._path, self._done_bytes, self._total_bytes, left_s, "Checking"))


def _repairing(path: Path, progress: Progress) -> CheckProgressed:
    what = progress.waiting or ("Checking" if progress.verifying else "Fetching what is damaged")
    return CheckProgressed(path, progress.done_bytes, progress.total_bytes, progress.seconds_left, what)
