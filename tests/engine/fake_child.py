"""A scripted engine in a real process, over the real pipes: `python fake_child.py SCENARIO`.

It answers like a small model: the words of "You said: ..." one by one, with reasoning first when asked
to think. The scenario says what goes wrong, and when.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.core.errors import AppError, ContextFull, ModelFileDamaged, ModelFileMissing, ModelNotLoaded
from app.core.messages import ReasoningEffort, ReasoningEnd, Role, StopReason, TurnStats
from app.engine.child.inbox import Inbox
from app.engine.child.pipe import Pipe, take_standard_streams
from app.engine.child.pulse import Pulse
from app.engine.child.ties import tie_to_parent
from app.engine.child.watch import Limits
from app.engine.protocol import (
    AnswerPiece,
    Generated,
    GenerateRequest,
    Loaded,
    LoadProgressed,
    LoadRequest,
    Measured,
    MeasureRequest,
    Prefilled,
    ReasoningEnded,
    ReasoningPiece,
    Rendered,
    RequestFailed,
)
from app.engine.wire import PROTOCOL_VERSION, Hello, pack

SCENARIOS = {
    "answers": "answers at once",
    "thinks": "thinks before every answer, whatever the effort",
    "thinks_forever": "thinks until it is stopped",
    "talks_forever": "writes one word every 10 ms until it is stopped",
    "slow_load": "loads until it is cancelled",
    "slow_prefill": "reads the prompt until it is cancelled",
    "crashes": "is killed by the signal named as second argument, in mid-answer",
    "crashes_once": "the same, unless the file named as third argument exists; it makes that file",
    "crashes_loading": "is killed by the signal named as second argument, while it loads",
    "runs_out_of_memory": "aborts like native code does when an allocation fails",
    "breaks_off": "ends in the middle of a frame",
    "babbles": "sends bytes that are no frame",
    "exits": "ends with exit code 1 in mid-answer",
    "ends_at_once": "ends before it says hello",
    "never_greets": "starts and says nothing",
    "other_version": "speaks another version of the protocol",
    "deaf": "does not end when asked to, and reads nothing",
    "prints": "prints to standard output, as native code does",
    "asserts": "aborts as native code does that finds a mistake in its own work",
    "blocks": "waits in native code for ever, in mid-answer",
    "spins": "computes in native code for ever, in mid-answer",
    "keeps_the_lock": "waits in native code for ever with Python's lock, in mid-answer",
    "can_not_die": "stops in mid-answer, and its pipe stays open when it is killed",
    "floods": "answers with as many words as the second argument says",
}


class FakeEngine:
    """Answer requests as the scenario says."""

    def __init__(self, pipe: Pipe, inbox: Inbox, scenario: str, arguments: list[str]) -> None:
        self.pipe = pipe
        self.cancellation = inbox.cancellation
        self.scenario = scenario
        self.arguments = arguments
        self.loaded: LoadRequest | None = None
        self.known: list[str] = []

    def handle(self, request: LoadRequest | GenerateRequest | MeasureRequest) -> None:
        self.cancellation.begin(request.request_id)
        try:
            match request:
                case LoadRequest():
                    self.load(request)
                case GenerateRequest():
                    self.generate(request)
                case MeasureRequest():
                    self.measure(request)
        except AppError as error:
            self.pipe.send(RequestFailed(request.request_id, error))
        finally:
            self.cancellation.end()

    def load(self, request: LoadRequest) -> None:
        self.loaded, self.known = None, []
        if not request.model.exists():
            raise ModelFileMissing(f"The file {request.model.name} is not there.")
        if request.model.read_bytes()[:7] == b"damaged":
            raise ModelFileDamaged(f"The file {request.model.name} is damaged.")
        for percent in range(0, 101, 25):
            self.pipe.send(LoadProgressed(request.request_id, percent / 100))
            self.cancellation.check()
        if self.scenario == "crashes_loading":
            self.crash(request.request_id)
        while self.scenario == "slow_load":
            self.pause()
        self.loaded = request
        self.pipe.send(
            Loaded(
                request.request_id,
                name="Fake",
                arch="mistral4",
                context_tokens=request.plan.context_tokens,
                training_context=1 << 20,
                sees_pictures=request.projector is not None,
                knows_effort=True,
                load_seconds=0.01,
                details=(("Engine", "scripted"),),
            )
        )

    def words(self, request: GenerateRequest | MeasureRequest) -> list[str]:
        if self.loaded is None:
            raise ModelNotLoaded("No model is open. Open a model first.")
        words = [word for message in request.messages for word in f"{message.role} {message.text}".split()]
        if isinstance(request, GenerateRequest) and len(words) > self.loaded.plan.context_tokens:
            raise ContextFull("The conversation does not fit the context.")
        return words

    def measure(self, request: MeasureRequest) -> None:
        pictures = sum(len(message.pictures) for message in request.messages)
        self.pipe.send(Measured(request.request_id, len(self.words(request)) + 10 * pictures, 10 * pictures))

    def generate(self, request: GenerateRequest) -> None:
        words = self.words(request)
        started = time.monotonic()
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(words, self.known, strict=False))
        cached = min(sum(1 for _ in shared), len(words) - 1)
        settings = f'{{"reasoning_effort": "{request.effort}"}}'
        self.pipe.send(Rendered(request.request_id, settings, len(words), cached))
        stop, reasoned, answered = StopReason.CANCELLED, 0, 0
        if self.read(request, cached, len(words)):
            reasoned = self.reason(request)
            stop, answered = self.answer(request)
        self.known = words
        elapsed = max(time.monotonic() - started, 1e-6)
        pictures = sum(len(message.pictures) for message in request.messages)
        stats = TurnStats(
            stop,
            prompt_tokens=len(words),
            cached_tokens=cached,
            image_tokens=10 * pictures,
            generated_tokens=reasoned + answered,
            reasoning_tokens=reasoned,
            prefill_ms=1.0,
            first_token_ms=2.0,
            reasoning_ms=float(reasoned),
            tokens_per_second=(reasoned + answered) / elapsed,
        )
        self.pipe.send(Generated(request.request_id, stats))

    def read(self, request: GenerateRequest, done: int, total: int) -> bool:
        endless = self.scenario == "slow_prefill"
        if endless:
            total = 1 << 30
        while not self.cancellation.requested:
            self.pipe.send(Prefilled(request.request_id, done, total))
            if done >= total:
                return True
            done = min(done + 512, total)
            if endless:
                time.sleep(0.01)
        return False

    def reason(self, request: GenerateRequest) -> int:
        count = 0
        if request.effort is not ReasoningEffort.HIGH and not self.scenario.startswith("thinks"):
            return 0
        end = ReasoningEnd.MODEL
        while not self.cancellation.requested and (count < 3 or self.scenario == "thinks_forever"):
            if self.cancellation.hurried:
                end = ReasoningEnd.PERSON
                break
            self.pipe.send(ReasoningPiece(request.request_id, f"Step {count + 1}. "))
            count += 1
            time.sleep(0.01 if self.scenario == "thinks_forever" else 0)
        if not self.cancellation.requested:
            self.pipe.send(ReasoningEnded(request.request_id, float(count), count, end))
        return count

    def answer(self, request: GenerateRequest) -> tuple[StopReason, int]:
        question = next((m.text for m in reversed(request.messages) if m.role is Role.USER), "")
        words = ["You", " said: ", *(f"{word} " for word in question.split())]
        count = 0
        while not self.cancellation.requested:
            if request.max_tokens is not None and count >= request.max_tokens:
                return StopReason.LENGTH, count
            if count == len(words) and self.scenario != "talks_forever":
                return StopReason.STOP, count
            self.pipe.send(AnswerPiece(request.request_id, words[count] if count < len(words) else "and "))
            count += 1
            if count == 2:
                self.go_wrong(request.request_id)
            time.sleep(0.01 if self.scenario == "talks_forever" else 0)
        return StopReason.CANCELLED, count

    def go_wrong(self, request_id: str) -> None:
        match self.scenario:
            case "crashes":
                self.crash(request_id)
            case "crashes_once" if not Path(self.arguments[1]).exists():
                Path(self.arguments[1]).touch()
                self.crash(request_id)
            case "runs_out_of_memory":
                self.pipe.send_last_words("ggml-backend.cpp:1: GGML_ASSERT(buffer) failed: failed to allocate")
                os.kill(os.getpid(), signal.SIGABRT)
            case "breaks_off":
                self.send_bytes(pack(AnswerPiece(request_id, "never seen"))[:-3])
                os._exit(1)
            case "babbles":
                self.send_bytes(b"\x10\x00\x00\x00llama: all good!")
                time.sleep(60)
            case "exits":
                os._exit(1)
            case "asserts":
                self.pipe.send_last_words("/project/vendor/llama.cpp/ggml/src/ggml.c:3043: GGML_ASSERT(n > 0) failed")
                os.kill(os.getpid(), signal.SIGABRT)
            case "prints":
                os.write(1, b"llama_print: hello from native code\n")
            case _:
                self.hang(request_id)

    def hang(self, request_id: str) -> None:
        match self.scenario:
            case "blocks":
                ctypes.CDLL(None).sleep(60)
            case "spins":
                hashlib.pbkdf2_hmac("sha256", b"x", b"y", 1 << 30)
            case "keeps_the_lock":
                ctypes.PyDLL(None).sleep(60)
            case "can_not_die":
                subprocess.Popen(["sleep", "20"], stdin=subprocess.DEVNULL, stdout=self.pipe._outgoing.fileno())
                os.kill(os.getpid(), signal.SIGSTOP)
            case "floods":
                for number in range(int(self.arguments[0])):
                    self.pipe.send(AnswerPiece(request_id, f"{number} "))

    def send_bytes(self, raw: bytes) -> None:
        self.pipe._outgoing.write(raw)
        self.pipe._outgoing.flush()

    def crash(self, request_id: str) -> None:
        signal_number = signal.Signals[self.arguments[0]]
        signal.signal(signal_number, signal.SIG_DFL) if signal_number != signal.SIGKILL else None
        os.kill(os.getpid(), signal_number)
        time.sleep(60)

    def pause(self) -> None:
        time.sleep(0.01)
        self.cancellation.check()


def main() -> None:
    scenario, *arguments = sys.argv[1:] or ["answers"]
    if scenario not in SCENARIOS:
        raise SystemExit(f"unknown scenario {scenario}; known: {', '.join(SCENARIOS)}")
    if scenario == "ends_at_once":
        raise SystemExit(1)
    pipe = take_standard_streams()
    tie_to_parent()
    if scenario == "never_greets":
        time.sleep(60)
    pipe.send(Hello(PROTOCOL_VERSION + (scenario == "other_version"), os.getpid()))
    inbox = Inbox(pipe)
    if scenario == "deaf":
        time.sleep(60)
    inbox.start()
    pulse = impatient_pulse(pipe) if scenario in {"blocks", "spins", "floods"} else Pulse(pipe)
    pulse.start()
    engine = FakeEngine(pipe, inbox, scenario, arguments)
    while True:
        request = inbox.next_request()
        assert request is not None
        with pulse.watching(request):
            engine.handle(request)


def impatient_pulse(pipe: Pipe) -> Pulse:
    return Pulse(pipe, beat_s=0.1, find_limits=lambda _request, _said: Limits("writing the answer", 1.0, 2.0))


if __name__ == "__main__":
    main()
