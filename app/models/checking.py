"""Check model files against what they must be, wherever they came from; nothing is written beside them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import Cancelled, ModelFileMissing
from app.models.download_read import hash_file
from app.models.download_record import read_record, record_path
from app.models.download_verify import check_file
from app.models.elsewhere import Surroundings, find_elsewhere
from app.models.gguf_header import read_header
from app.models.gguf_parts import split_parts
from app.models.ledger import Ledger

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say what a check found: `compared` is False where no checksum is known and only the structure was read."""

    compared: bool
    damaged_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Say whether nothing is wrong, as far as it can be told."""
        return self.damaged_bytes == 0

    def sentence(self, name: str) -> str:
        """Return what to tell the person about the file or model `name`."""
        if self.damaged_bytes:
            return f"{name} is damaged: {self.damaged_bytes / 1e6:,.1f} MB are not as they must be."
        if self.compared:
            return f"{name} is whole: every byte is as it must be."
        return f"{name} is complete and well formed. Its checksum is not known, so single bytes can’t be checked."


def check_model(
    path: Path,
    where: Surroundings,
    ledger: Ledger,
    *,
    on_bytes: Callable[[int], None],
    cancel: threading.Event,
) -> Outcome:
    """Check every file of the model that `path` belongs to, and remember those of other programs found whole.

    `on_bytes` gets each count of bytes read, on this thread. Raises ModelFileMissing, ModelFileDamaged (the
    structure is wrong and no checksum is known), Cancelled.
    """
    files = split_parts(path)
    known = _checksums_elsewhere(path, where)
    compared, damaged_bytes = True, 0
    for file in files:
        if read_record(record_path(file)) is not None:
            damaged_bytes += sum(part.end - part.start for part in check_file(file, on_bytes=on_bytes, cancel=cancel))
        elif file in known:
            damaged_bytes += _damaged_whole(file, known[file], on_bytes, cancel)
        else:
            compared = False
            read_header(file)  # the table of contents must be sound and lie within the file
            on_bytes(file.stat().st_size)
    if not damaged_bytes:
        _remember(files, ledger)
    return Outcome(compared, damaged_bytes)


def checked_bytes(path: Path) -> int:
    """Return how many bytes `check_model` goes through. Raises ModelFileMissing."""
    try:
        return sum(file.stat().st_size for file in split_parts(path))
    except OSError as error:
        raise ModelFileMissing(
            f"{path.name} can't be read ({error.strerror or error}). Choose another file or download it again."
        ) from error


def _checksums_elsewhere(path: Path, where: Surroundings) -> Mapping[Path, str]:
    for model in find_elsewhere(where):
        if path in model.files:
            return model.sha256
    return {}


def _damaged_whole(path: Path, sha256: str, on_bytes: Callable[[int], None], cancel: threading.Event) -> int:
    """Return 0 for a file that has its checksum, and its size for one that has not: nothing finer is known."""

    def tick(count: int) -> None:
        if cancel.is_set():
            raise Cancelled("The check was stopped.")
        on_bytes(count)

    try:
        return 0 if hash_file(path, tick) == sha256 else path.stat().st_size
    except OSError as error:
        raise ModelFileMissing(
            f"{path.name} can't be read ({error.strerror or error}). Let the program it belongs to fetch it again."
        ) from error


def _remember(files: tuple[Path, ...], ledger: Ledger) -> None:
    try:
        for file in files:
            ledger.note_whole(file)
    except OSError:  # forgetting only costs another check
        log.info("a check could not be remembered", exc_info=True)
