"""The scripted engine, steered by files while it runs: `python steered_child.py FOLDER`.

Every request is appended to FOLDER/requests.jsonl. While FOLDER/hold-load, hold-prefill or hold-answer
is there, that step goes no further (an answer, after its first two words). FOLDER/refuse-load holds the
sentence with which a load fails.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.core.errors import NotEnoughMemory
from app.engine.child.inbox import Inbox
from app.engine.child.pipe import Pipe, take_standard_streams
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
        super().load(request)

    def read(self, request: GenerateRequest, done: int, total: int) -> bool:
        self.hold("hold-prefill")
        return super().read(request, done, total)

    def go_wrong(self, request_id: str) -> None:
        self.hold("hold-answer")

    def hold(self, name: str) -> None:
        while (self.folder / name).exists() and not self.cancellation.requested:
            time.sleep(0.005)


def main() -> None:
    pipe = take_standard_streams()
    tie_to_parent()
    pipe.send(Hello(PROTOCOL_VERSION, os.getpid()))
    inbox = Inbox(pipe)
    inbox.start()
    engine = SteeredEngine(pipe, inbox, Path(sys.argv[1]))
    while True:
        engine.handle(inbox.next_request())


if __name__ == "__main__":
    main()
