"""`solo download`: bring a model here, with progress in the terminal."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from app.console.progress_line import ProgressLine, interrupts_set
from app.console.words import in_bytes, in_time
from app.core.errors import Cancelled, RepositoryMissing
from app.core.settings import Settings
from app.models.catalogue import load_catalogue, resolve_offer
from app.models.download import download_files
from app.models.download_progress import Progress
from app.models.hub import RemoteFile
from app.models.repository import RemoteModel, RepositoryListing, list_repository, repository_name

_USUAL = "Q4_K_M"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Hold what was asked on the command line; `what` is a repository or the name of a catalogue entry."""

    what: str
    file: str
    quantization: str
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Bundle:
    """Name the files to bring and the folder they go to; `model` has its first part first."""

    model: tuple[RemoteFile, ...]
    projector: RemoteFile | None
    folder: Path

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """Return everything to fetch, the small projector first."""
        return (self.projector, *self.model) if self.projector is not None else self.model


def download(wanted: Wanted, models: Path, settings: Settings, *, as_json: bool) -> tuple[Path, Path | None]:
    """Bring a model here and return its first file and its projector. Raises AppError, KeyboardInterrupt."""
    try:
        bundle = choose(wanted, models)
        if not as_json:
            size = in_bytes(sum(file.size for file in bundle.files))
            print(f"{len(bundle.files)} files, {size}, go to {bundle.folder}")
        paths = fetch(bundle, settings, _json_reporter(sys.stdout) if as_json else None)
    except (KeyboardInterrupt, Cancelled) as stop:
        print("Stopped. What has arrived is kept; the same command goes on from there.", file=sys.stderr)
        raise KeyboardInterrupt from stop
    model = paths[len(bundle.files) - len(bundle.model)]
    projector = paths[0] if bundle.projector is not None else None
    _tell_end(model, projector, as_json=as_json)
    return model, projector


def choose(wanted: Wanted, models: Path) -> Bundle:
    """Ask the Hub and return what to bring. Raises RepositoryMissing and what the Hub does."""
    entry = next((entry for entry in load_catalogue() if entry.id == wanted.what), None)
    if entry is not None:
        resolved = resolve_offer(entry)
        return Bundle(resolved.model, resolved.projector, wanted.folder or entry.folder(models))
    listing = list_repository(repository_name(wanted.what))
    model = _model_of(listing, wanted)
    projector = listing.projectors[0] if listing.projectors else None
    return Bundle(model.files, projector, wanted.folder or listing.folder(models))


def fetch(bundle: Bundle, settings: Settings, report: Callable[[Progress], None] | None = None) -> tuple[Path, ...]:
    """Bring the files here; without `report` stderr tells how far it is. Raises AppError; Cancelled on Ctrl-C."""
    cancel = threading.Event()
    with interrupts_set(cancel), ProgressLine(sys.stderr) as line:
        return download_files(
            bundle.files,
            bundle.folder,
            on_progress=report or _line_reporter(line),
            cancel=cancel,
            limit=lambda: settings.download_limit_kib * 1024.0,
        )


def in_words(progress: Progress) -> str:
    """Return one line about how far a download is."""
    share = 100 * progress.done_bytes // max(1, progress.total_bytes)
    done = f"{share:3} %  {in_bytes(progress.done_bytes)} of {in_bytes(progress.total_bytes)}"
    if progress.verifying:
        return f"{done}  checking {progress.file}"
    speed = f"  {in_bytes(progress.bytes_per_second)}/s" if progress.bytes_per_second > 0 else ""
    left = f"  {in_time(progress.seconds_left)} left" if progress.seconds_left is not None else ""
    return f"{done}{speed}{left}  {progress.file}"


def _model_of(listing: RepositoryListing, wanted: Wanted) -> RemoteModel:
    if wanted.file:
        return listing.by_file(wanted.file)
    if wanted.quantization:
        return listing.by_quantization(wanted.quantization)
    if len(listing.models) == 1:
        return listing.models[0]
    try:
        return listing.by_quantization(_USUAL)
    except RepositoryMissing as error:
        raise RepositoryMissing(f"{error} Choose one of them with --quant or --file.") from error


def _line_reporter(line: ProgressLine) -> Callable[[Progress], None]:
    shown: list[tuple[str, bool]] = []

    def report(progress: Progress) -> None:
        for sentence in (progress.note, progress.waiting):
            if sentence:
                line.say(sentence)
        what = (progress.file, progress.verifying)
        line.show(in_words(progress), is_new=shown != [what])
        shown[:] = [what]

    return report


def _json_reporter(out: TextIO) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        print(json.dumps({"event": "progress"} | asdict(progress)), file=out, flush=True)

    return report


def _tell_end(model: Path, projector: Path | None, *, as_json: bool) -> None:
    if as_json:
        end = {"event": "finished", "model": str(model), "projector": str(projector) if projector else None}
        print(json.dumps(end), flush=True)
    else:
        print(f"Whole and verified: {model}")
