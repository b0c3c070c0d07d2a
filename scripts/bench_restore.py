"""How much sooner a chat of yesterday goes on: the first token after a restore from disk, and after reading it all.

`scripts/bench.sh restore [--model FILE] [--tokens N] [--rounds N] [--json FILE]`. Without a model one of about 150 MB
with random weights is made. Each round starts a process anew, twice: with the state on disk, and without. Also
measured: what a switch of sides (fast, think) costs with a copy in memory, and what a second sequence in one KV
cache would cost in its place. Returns 1 if restoring is less than 20 times faster.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import queue
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gguf
from llama_cpp import llama_cpp as llama

from app.core.facts import HostPlan, Plan
from app.core.messages import ReasoningEffort, Role
from app.engine.client import ChildEngine
from app.engine.protocol import (
    Died,
    EngineEvent,
    Generated,
    GenerateRequest,
    Loaded,
    LoadRequest,
    PromptMessage,
    RequestFailed,
    Sampling,
    StateKeeping,
)
from scripts.model_files.quantizer import quantize
from scripts.model_files.text_model import ARCH, Dimensions, add_metadata, add_vocabulary, random_tensors, write_model
from scripts.model_files.vocabulary import SMALL_RANKS, load_tekken

DIMENSIONS = Dimensions(width=1024, layers=10, heads=8, q_lora=512, value=64, experts=8, expert_width=768)
WANTED = 20.0
ANSWER_TOKENS = 4
SAVED_WITHIN_S = 120.0
FAST, THINK = ReasoningEffort.NONE, ReasoningEffort.HIGH


class Runner:
    """Hold one engine's process with the model open."""

    def __init__(self, model: Path, context_tokens: int, states: StateKeeping) -> None:
        self._events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
        self.engine = ChildEngine(self._events.put, patience_s=SAVED_WITHIN_S)
        plan = Plan(True, context_tokens, 0, (), (), (), HostPlan(0, 0), ())
        self.engine.ask(LoadRequest("load", model, None, plan, states=states))
        self._wait(Loaded)

    def ask(self, messages: list[PromptMessage], effort: ReasoningEffort = FAST) -> Generated:
        """Return the end of an answer."""
        request = GenerateRequest(
            uuid.uuid4().hex, tuple(messages), effort, Sampling(0.0), max_tokens=ANSWER_TOKENS, chat_id="bench"
        )
        self.engine.ask(request)
        ended = self._wait(Generated)
        assert isinstance(ended, Generated)
        return ended

    def _wait(self, kind: type[EngineEvent]) -> EngineEvent:
        while True:
            event = self._events.get()
            if isinstance(event, RequestFailed | Died):
                raise event.error
            if isinstance(event, kind):
                return event


def main() -> int:
    """Print a table and write JSON; return 1 if restoring is too slow."""
    options = _parse()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = options.model or _make_model(work)
        results = {
            "model": f"{model.name}, {model.stat().st_size / 1e6:.0f} MB",
            "machine": f"{platform.processor() or platform.machine()}, {platform.system()}",
            "prompt_tokens": options.tokens,
            **_measure_restore(model, options.tokens, options.rounds, work / "states"),
            **_measure_switch(model, options.tokens),
            **_measure_neighbour(model, options.tokens),
        }
    for name, value in results.items():
        print(f"{name.replace('_', ' '):44} {value:.3f}" if isinstance(value, float) else f"{name:44} {value}")
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2), encoding="utf-8")
    return int(results["times_faster"] < WANTED)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How much sooner a chat of yesterday goes on.")
    parser.add_argument("--model", type=Path, help="a GGUF file; without it one is made")
    parser.add_argument("--tokens", type=int, default=8192, help="how long the chat is")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the numbers there too")
    return parser.parse_args()


def _make_model(folder: Path) -> Path:
    vocabulary = load_tekken(SMALL_RANKS)
    writer = gguf.GGUFWriter(None, ARCH)
    add_metadata(writer, DIMENSIONS, vocabulary.size, name="Restore", temperature_keys=True)
    add_vocabulary(writer, vocabulary)
    write_model(folder / "whole.gguf", writer, random_tensors(DIMENSIONS, vocabulary, seed=1, fused=True))
    quantize(folder / "whole.gguf", folder / "restore-Q4_K_M.gguf")
    (folder / "whole.gguf").unlink()
    return folder / "restore-Q4_K_M.gguf"


def _talk(n_tokens: int) -> list[PromptMessage]:
    # Common words are a token each; a number now and then keeps the text from repeating itself.
    words = [str(index) if index % 50 == 0 else " river" for index in range(n_tokens - n_tokens // 40)]
    return [PromptMessage(Role.USER, "".join(words))]


def _go_on(talk: list[PromptMessage]) -> list[PromptMessage]:
    # Not the very words that the model wrote: only what the person said must be found again.
    return [*talk, PromptMessage(Role.ASSISTANT, "Yes."), PromptMessage(Role.USER, "And now?")]


def _measure_restore(model: Path, n_tokens: int, rounds: int, folder: Path) -> dict[str, Any]:
    talk = _talk(n_tokens)
    keeping = StateKeeping(folder, 16 << 30)
    first = Runner(model, 2 * n_tokens, keeping)
    try:
        first.ask(talk)
    finally:
        first.engine.close()
    (state,) = folder.glob("*.state")
    restored: list[Generated] = []
    read: list[Generated] = []
    for _ in range(rounds):
        for kept, ends in ((keeping, restored), (StateKeeping(None), read)):
            runner = Runner(model, 2 * n_tokens, kept)
            try:
                ends.append(runner.ask(_go_on(talk)))
            finally:
                runner.engine.close()
    restore_ms = statistics.median(end.stats.first_token_ms for end in restored)
    read_ms = statistics.median(end.stats.first_token_ms for end in read)
    state_bytes = state.stat().st_size
    shutil.rmtree(folder)
    return {
        "state_megabytes": state_bytes / 1e6,
        "tokens_restored": restored[-1].stats.cached_tokens,
        "first_token_restored_ms": restore_ms,
        "first_token_read_ms": read_ms,
        "times_faster": read_ms / restore_ms,
    }


def _measure_switch(model: Path, n_tokens: int) -> dict[str, float]:
    """Measure going back to a side that a copy in memory is kept of."""
    talk = _talk(n_tokens)
    runner = Runner(model, 2 * n_tokens, StateKeeping(None))
    try:
        runner.ask(talk)
        runner.ask([PromptMessage(Role.USER, "Think of something else. " * 20)], THINK)
        back = runner.ask(_go_on(talk))
    finally:
        runner.engine.close()
    return {"switch_of_sides_first_token_ms": back.stats.first_token_ms}


# --- the other way: both sides in one cache ---------------------------------------------------------


def _measure_neighbour(model: Path, n_tokens: int) -> dict[str, float]:
    """Measure a decode step alone, and beside a second sequence of the same length; and a copy of the memory."""
    quiet = llama.llama_log_callback(lambda _level, _text, _data: None)
    llama.llama_log_set(quiet, None)
    llama.llama_backend_init()
    handle = llama.llama_model_load_from_file(str(model).encode(), llama.llama_model_default_params())
    params = llama.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_seq_max, params.kv_unified = 2 * n_tokens + 512, 512, 2, True
    context = llama.llama_init_from_model(handle, params)
    try:
        _fill(context, 0, n_tokens)
        alone_ms = _time_steps(context, n_tokens)
        size = llama.llama_state_seq_get_size(context, 0)
        content = (ctypes.c_uint8 * size)()
        begun = time.perf_counter()
        llama.llama_state_seq_get_data(context, content, size, 0)
        copy_ms = (time.perf_counter() - begun) * 1000
        _fill(context, 1, n_tokens)
        beside_ms = _time_steps(context, n_tokens)
    finally:
        llama.llama_free(context)
        llama.llama_model_free(handle)
    return {
        "copy_to_memory_ms": copy_ms,
        "decode_step_ms": alone_ms,
        "decode_step_beside_a_second_sequence_ms": beside_ms,
    }


def _fill(context: int, sequence: int, n_tokens: int) -> None:
    for start in range(0, n_tokens, 512):
        _decode(context, sequence, start, min(512, n_tokens - start))


def _time_steps(context: int, position: int, n_steps: int = 16) -> float:
    times = []
    for step in range(n_steps):
        begun = time.perf_counter()
        _decode(context, 0, position + step, 1)
        llama.llama_synchronize(context)
        times.append((time.perf_counter() - begun) * 1000)
    llama.llama_memory_seq_rm(llama.llama_get_memory(context), 0, position, -1)
    return statistics.median(times)


def _decode(context: int, sequence: int, position: int, count: int) -> None:
    batch = llama.llama_batch_init(count, 0, 1)
    batch.n_tokens = count
    for index in range(count):
        batch.token[index], batch.pos[index] = 1000 + index, position + index
        batch.n_seq_id[index], batch.seq_id[index][0] = 1, sequence
        batch.logits[index] = index == count - 1
    if llama.llama_decode(context, batch) != 0:
        raise RuntimeError("llama.cpp could not decode")
    llama.llama_batch_free(batch)


if __name__ == "__main__":
    raise SystemExit(main())
