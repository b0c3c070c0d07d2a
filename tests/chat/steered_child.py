"""The scripted engine, steered by files while it runs: `python steered_child.py FOLDER`.

Every request is appended to FOLDER/requests.jsonl. While FOLDER/hold-load, hold-prefill or hold-answer
is there, that step goes no further (an answer, after its first two words). FOLDER/refuse-load holds the
sentence with which a load fails. FOLDER/room holds the only plan there is memory for: "KV_TYPE CONTEXT HOW WHEN",
where HOW is "fails" or "dies", and WHEN is "load" or "answer".
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.core.errors import NotEnoughMemory
from app.engine.child.inbox import Inbox
from app.engine.child.pipe import Pipe, take_standard_streams
from app.engine.child.pulse import Pulse
from app.engine.child.ties import tie_to_parent
from app.engine.protocol import GenerateRequest, LoadProgressed, LoadRequest, MeasureRequest
from app.engine.wire import PROTOCOL_VERSION, Hello, pack
from tests.engine.fake_child import FakeEngine

LENGTH_BYTES = 4


class SteeredEngine(FakeEngine):
    def __init__(self, pipe: Pipe, inbox: Inbox, folder: Path) -> None:
        super().__init__(pipe, inbox, "answers", [])
        self.folder = folder

    def handle(self, request: LoadRequest | GenerateRequest | MeasureRequest) -> None:
        with (self.folder / "requests.jsonl").open("ab") as stream:
            stream.write(pack(request)[LENGTH_BYTES:] + b"\n")
        super().handle(request)

    def load(self, request: LoadRequest) -> None:
        self.loaded = None
        self.pipe.send(LoadProgressed(request.request_id, 0.0))
        self.hold("hold-load")
        self.cancellation.check()
        refusal = self.folder / "refuse-load"
        if refusal.exists():
            raise NotEnoughMemory(refusal.read_text())
        self.need_room(request, "load")
        super().load(request)

    def need_room(self, request: LoadRequest, when: str) -> None:
        room = self.folder / "room"
        kv_type, context, how, phase = room.read_text().split() if room.exists() else ("f16", "99999999", "", "")
        plan = request.plan
        if phase != when or (plan.kv_type == kv_type and plan.context_tokens <= int(context)):
            return
        if how == "fails":
            raise NotEnoughMemory("There is not enough memory for the model.")
        self.pipe.send_last_words("ggml.c:1: GGML_ABORT: failed to allocate 1 MiB")
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGABRT)

    def read(self, request: GenerateRequest, done: int, total: int) -> bool:
        self.hold("hold-prefill")
        return super().read(request, done, total)

    def go_wrong(self, request_id: str) -> None:
        self.hold("hold-answer")
        assert self.loaded is not None
        self.need_room(self.loaded, "answer")

    def hold(self, name: str) -> None:
        while (self.folder / name).exists() and not self.cancellation.requested:
            time.sleep(0.005)


def main() -> None:
    pipe = take_standard_streams()
    tie_to_parent()
    pipe.send(Hello(PROTOCOL_VERSION, os.getpid()))
    inbox = Inbox(pipe)
    inbox.start()
    pulse = Pulse(pipe)
    pulse.start()
    engine = SteeredEngine(pipe, inbox, Path(sys.argv[1]))
    while True:
        request = inbox.next_request()
        assert request is not None
        with pulse.watching(request):
            engine.handle(request)


if __name__ == "__main__":
    main()
