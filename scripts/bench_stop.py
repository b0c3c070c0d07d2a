"""How soon an answer stops: in the middle of reading a long prompt, and in the middle of writing.

`scripts/bench.sh stop [--model FILE] [--rounds N]`. Without a model the small random one is made. Prints milliseconds
from the stop to the engine's last event, and what share of the prompt had been read.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.core.facts import HostPlan, Plan
from app.core.messages import ReasoningEffort, Role, StopReason
from app.engine.client import ChildEngine
from app.engine.protocol import (
    AnswerPiece,
    Died,
    EngineEvent,
    Generated,
    GenerateRequest,
    Loaded,
    LoadRequest,
    Prefilled,
    PromptMessage,
    RequestFailed,
    Sampling,
)
from scripts.model_files import recipes

CONTEXT_TOKENS = 32768
PROMPT_WORDS = 12000
LIMIT_MS = 300.0
ENOUGH_TOKENS = 2048  # of the prompt, to be in the middle of it


class Runner:
    """Ask an engine and stop it."""

    def __init__(self, model: Path) -> None:
        self.events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
        self.engine = ChildEngine(self.events.put)
        plan = Plan(True, CONTEXT_TOKENS, 0, (), (), (), HostPlan(0, 0), ())
        self.engine.ask(LoadRequest("load", model, None, plan))
        self.wait(Loaded)

    def wait(self, kind: type[EngineEvent]) -> EngineEvent:
        """Return the next event of a kind; of prefill, the next in the middle of it."""
        while True:
            event = self.events.get()
            if isinstance(event, RequestFailed | Died):
                raise event.error
            if isinstance(event, kind) and not (isinstance(event, Prefilled) and event.done_tokens < ENOUGH_TOKENS):
                return event

    def stop_after(self, text: str, kind: type[EngineEvent]) -> tuple[float, EngineEvent]:
        """Ask, stop at the first event of a kind, and return the milliseconds until the end and that event."""
        message = PromptMessage(Role.USER, text)
        self.engine.ask(GenerateRequest(uuid.uuid4().hex, (message,), ReasoningEffort.NONE, Sampling(0.0)))
        first = self.wait(kind)
        begun = time.perf_counter()
        self.engine.cancel()
        last = self.wait(Generated)
        elapsed_ms = (time.perf_counter() - begun) * 1000
        if not (isinstance(last, Generated) and last.stats.stop_reason is StopReason.CANCELLED):
            raise RuntimeError("the answer ended before it was stopped")
        return elapsed_ms, first


def main() -> int:
    """Print a table; return 1 if a stop took too long."""
    parser = argparse.ArgumentParser(description="How soon an answer stops.")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(options.model or recipes.make_small(Path(folder), recipes.SmallModel())[0])
        try:
            worst = max(_measure(runner, options.rounds))
        finally:
            runner.engine.close()
    return int(worst > LIMIT_MS)


def _measure(runner: Runner, rounds: int) -> list[float]:
    worst = []
    for name, kind in (("reading a long prompt", Prefilled), ("writing an answer", AnswerPiece)):
        times = []
        for number in range(rounds):
            words = PROMPT_WORDS if kind is Prefilled else 3
            text = f"{number} " + "river stone cloud " * (words // 3)
            elapsed_ms, first = runner.stop_after(text, kind)
            times.append(elapsed_ms)
        if isinstance(first, Prefilled):
            print(f"  stopped after {first.done_tokens} of {first.total_tokens} tokens")
        print(f"{name}: median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms of {rounds}")
        worst.append(max(times))
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
