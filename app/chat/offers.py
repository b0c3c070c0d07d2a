"""What can be downloaded, judged for this machine before a byte is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from app.core.events import DownloadFinished, DownloadStopped, OffersListed
from app.core.facts import Hardware
from app.models.catalogue import Entry, load_catalogue, make_offers
from app.models.download_part import PART_SUFFIX
from app.models.files import find_projector
from app.models.library import State, list_models

_GIB = 1 << 30
_SHORTEST_CONTEXT = 8192
# Beside the reserve: what a driver and llama.cpp's buffers take on each card before the first tensor.
_OVERHEAD_BYTES = 1 * _GIB
_RAM_RESERVE_BYTES = 2 * _GIB


def list_offers(hardware: Hardware, reserve_bytes: int, target: Path) -> OffersListed:
    """Return the catalogue's entries with how each fits; nothing is asked of any server."""
    offers = make_offers(load_catalogue(), judge(hardware, reserve_bytes))
    return OffersListed(hardware, offers, target, free_bytes(target))


def what_is_here(entry: Entry, target: Path) -> DownloadFinished | DownloadStopped | None:
    """Return how far an earlier download of `entry` into `target` came, if there was one."""
    folder = entry.folder(target)
    models = list_models(folder) if folder.is_dir() else ()
    whole = next((model for model in models if model.state is State.COMPLETE and model.verified), None)
    if whole is None:
        # A projector of which only a part arrived is no model yet, but it is begun.
        begun = bool(models) or any(folder.glob(f"*{PART_SUFFIX}"))
        return DownloadStopped(entry.id) if begun else None
    projector = find_projector(whole.path)
    if projector is None and entry.projector is not None:
        return DownloadStopped(entry.id)
    return DownloadFinished(entry.id, whole.path, projector)


def free_bytes(folder: Path) -> int:
    """Return the room on the volume that holds `folder`, or will hold it once it is made. Raises OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def judge(hardware: Hardware, reserve_bytes: int) -> Callable[[Entry], tuple[bool, str]]:
    """Return the function that says whether, and how, an entry fits this machine.

    It adds up whole parts only; the planner looks closer once the file is here.
    """
    cards = [max(0, gpu.free_bytes - reserve_bytes - _OVERHEAD_BYTES) for gpu in hardware.gpus]
    ram = max(0, hardware.ram_available_bytes - _RAM_RESERVE_BYTES)

    def verdict(entry: Entry) -> tuple[bool, str]:
        cache = entry.kv_bytes_per_token * min(entry.context_tokens, _SHORTEST_CONTEXT)
        needed = entry.total_bytes + cache
        if any(needed <= card for card in cards):
            return True, "Fits on one graphics card, so it answers fast."
        if len(cards) > 1 and needed <= sum(cards):
            return True, f"Fits on the {len(cards)} graphics cards together, so it answers fast."
        return _with_ram(entry, needed, sum(cards), ram)

    return verdict


def _with_ram(entry: Entry, needed: int, vram: int, ram: int) -> tuple[bool, str]:
    missing = needed - vram - ram
    if missing > 0:
        return False, f"Too big for this machine: {_gib(missing)} more RAM or graphics memory is needed."
    is_mixture = entry.expert_bytes > 0
    if vram <= 0:
        pace = "at a moderate pace" if is_mixture else "slowly"
        return True, f"Fits in RAM ({_gib(needed)}) and runs on the processor, {pace}."
    if is_mixture and needed - entry.expert_bytes > vram:
        return True, f"Fits in RAM and graphics memory, with {_gib(needed - vram)} in RAM; it answers slowly."
    kind = "experts" if is_mixture else "layers"
    pace = "a good pace" if is_mixture else "a slow pace"
    return True, f"Fits: {_gib(vram)} on the graphics cards and {_gib(needed - vram)} of {kind} in RAM, at {pace}."


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f}\N{NARROW NO-BREAK SPACE}GiB"
