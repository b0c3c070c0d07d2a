"""Judge whether work gets further, from a look at the process now and then. Pure: it knows no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass

_AT_WORK = 0.05  # of one processor; the thread that looks takes far less
_GROWTH_BYTES = 1 << 20
_LONGEST_LOOK_S = 3.0  # a machine that slept is no work that hung


@dataclass(frozen=True, slots=True)
class Limits:
    """Say how long work may go on without a sign.

    `still_s` is for no sign of any kind, neither computing nor reading; `step_s` for computing without a step.
    """

    doing: str
    still_s: float
    step_s: float


# A step is what the work tells its parent. Opening a file has none, but what it may cost is bounded by the file.
# An image, and one micro-batch of a model far larger than RAM, can take minutes on a slow processor.
OPENING = Limits("opening the file", still_s=60, step_s=25)
LOADING = Limits("loading the model", still_s=120, step_s=600)
READING = Limits("reading the prompt", still_s=120, step_s=900)
WRITING = Limits("writing the answer", still_s=120, step_s=300)


@dataclass(frozen=True, slots=True)
class Look:
    """Hold what there is to see of the process; all but `at_s` and `memory_bytes` only ever grows."""

    at_s: float
    steps: int
    cpu_s: float
    read_bytes: int
    memory_bytes: int


class Watch:
    """Count how long the work under way has given no sign."""

    def __init__(self, first: Look) -> None:
        self._last = first
        self._still_s = 0.0
        self._stepless_s = 0.0

    def rest(self, look: Look) -> None:
        """Take note that nothing is under way."""
        self._last = look
        self._still_s = self._stepless_s = 0.0

    def judge(self, look: Look, limits: Limits) -> str:
        """Return a phrase that says for how long the work has hung, empty while it does not."""
        last, self._last = self._last, look
        elapsed_s = min(look.at_s - last.at_s, _LONGEST_LOOK_S)
        cpu_s = look.cpu_s - last.cpu_s
        is_computing = cpu_s > _AT_WORK * elapsed_s
        # Reading and taking memory both come to an end by themselves: of the file, and of the memory.
        gets_further = (
            look.steps != last.steps
            or look.read_bytes > last.read_bytes
            or abs(look.memory_bytes - last.memory_bytes) > _GROWTH_BYTES
        )
        self._still_s = 0.0 if gets_further or is_computing else self._still_s + elapsed_s
        # On a crowded machine only what the process really computed counts.
        spent_s = min(cpu_s, elapsed_s) if is_computing else elapsed_s
        self._stepless_s = 0.0 if gets_further else self._stepless_s + spent_s
        if self._still_s > limits.still_s:
            return f"it did nothing for {self._still_s:.0f} seconds while {limits.doing}"
        if self._stepless_s > limits.step_s:
            return f"it got no further for {self._stepless_s:.0f} seconds while {limits.doing}"
        return ""
