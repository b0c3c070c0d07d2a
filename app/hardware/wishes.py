"""What the person wants of a placement, and what earlier loads have taught about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.core.facts import Gpu
from app.core.settings import Settings

MIB = 1 << 20
DEFAULT_RESERVE_BYTES = 1024 * MIB
DISPLAY_RESERVE_BYTES = 512 * MIB  # more on the card that draws the desktop


class Preference(StrEnum):
    """What to give up when not everything has room."""

    BALANCED = "balanced"
    CONTEXT = "context"  # as long as it may be
    SPEED = "speed"  # no longer than it costs nothing


@dataclass(frozen=True, slots=True)
class Wishes:
    """Hold what the person asked for.

    `context_tokens` 0 lets the planner choose, as `preference` says. `reserve_bytes` stays free on every GPU, and a
    little more on the one that drives the display; `reserves` names GPUs (by bus id) that keep another amount, that
    one exactly. `devices` are the bus ids that may be used, None for all. `split` gives whole counts of layers by bus
    id, in order, and `pins` sends the feed-forward part of a layer to a bus id or to "CPU". `down_experts_in_vram`
    None goes by what the GPUs' backends answered.
    """

    context_tokens: int = 0
    reserve_bytes: int = DEFAULT_RESERVE_BYTES
    down_experts_in_vram: bool | None = None
    kv_type: str = "f16"
    preference: Preference = Preference.BALANCED
    devices: tuple[str, ...] | None = None
    reserves: Mapping[str, int] = field(default_factory=dict)
    split: Mapping[str, int] = field(default_factory=dict)
    pins: Mapping[int, str] = field(default_factory=dict)

    def reserve_for(self, gpu: Gpu) -> int:
        """Return what stays free on `gpu`."""
        usual = self.reserve_bytes + (DISPLAY_RESERVE_BYTES if gpu.drives_display else 0)
        return max(0, self.reserves.get(gpu.bus_id, usual))


def wishes_from(settings: Settings) -> Wishes:
    """Return the wishes that stand in the person's settings; what makes no sense there is left out."""
    known = {preference.value for preference in Preference}
    return Wishes(
        context_tokens=settings.context_tokens,
        reserve_bytes=settings.reserve_mib * MIB,
        preference=Preference(settings.preference) if settings.preference in known else Preference.BALANCED,
        reserves=read_reserves(settings.card_reserves),
    )


def read_reserves(text: str) -> dict[str, int]:
    """Return bytes by bus id from `BUS_ID=MIB ...`; what is written otherwise is left out."""
    pairs = (word.partition("=") for word in text.split())
    return {bus_id: int(mib) * MIB for bus_id, _, mib in pairs if bus_id and mib.isdecimal()}


def write_reserves(reserves: Mapping[str, int]) -> str:
    """Return `reserves` in the form that `read_reserves` reads."""
    return " ".join(f"{bus_id}={size // MIB}" for bus_id, size in sorted(reserves.items()))


@dataclass(frozen=True, slots=True)
class Lesson:
    """Hold what earlier loads of a model on this machine showed.

    `extra_bytes` is what a device (by bus id, or "CPU") took beyond its plan, `speed_factor` what was reached of the
    expected speed.
    """

    extra_bytes: Mapping[str, int] = field(default_factory=dict)
    speed_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """Name another file of the same model that could be used instead."""

    title: str
    total_bytes: int
