"""Chat for hours without pause, in the real window with the real engine, and see that memory does not grow.

`scripts/soak.sh [--minutes N] [--model FILE --projector FILE] [--seed N]`; Linux only. The window is drawn off
screen. Turns, stops, regenerated and edited answers, new chats, fast and thinking, with pictures and without, come
in an order that the seed decides. Prints a table of both processes' memory (PSS) and returns 1 if either has grown
by more than 5 % since the warm-up, which is a quarter of the time, or if anything failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.chat.service import ChatService
from app.core.events import Event, Publish
from app.core.paths import Paths
from app.core.settings import Settings
from app.engine.client import ChildEngine
from app.engine.protocol import Listener
from app.ui.application import Shell, make_application
from scripts.model_files import recipes
from scripts.soaking.memory import Ledger
from scripts.soaking.person import Person


class Soak:
    """Run a window whose every event is also heard by a person who never tires."""

    def __init__(self, folder: Path, model: Path, projector: Path | None, seed: int) -> None:
        self._paths = Paths(*(folder / name for name in ("data", "config", "cache", "logs", "models")))
        self._paths.create()
        self.engines: list[ChildEngine] = []
        self.application = make_application()
        settings = Settings(model=str(model), projector=str(projector or ""))
        self.shell = Shell(self.application, self._make_service, settings)
        self.person = Person(folder, seed, sees=projector is not None)

    def _make_service(self, publish: Publish) -> ChatService:
        def tell(event: Event) -> None:
            publish(event)
            self.person.hear(event)

        service = ChatService(self._paths, self.shell.session.settings, tell, self._make_engine)
        self.person.meet(service)
        service.start()
        return service

    def _make_engine(self, listener: Listener) -> ChildEngine:
        self.engines.append(ChildEngine(listener))
        return self.engines[-1]


def main() -> int:
    """Print a table; return 1 if memory grew or something failed."""
    options = _parse()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory(prefix="solo-soak-") as name:
        folder = Path(name)
        model, projector = options.model, options.projector
        if model is None:
            model = recipes.make_small(folder, recipes.SmallModel(thinks=False))[0]
            projector = recipes.make_projector(folder, 1)[0]
        soak = Soak(folder, model, projector, options.seed)
        ledger = Ledger(options.minutes * 60, lambda: [os.getpid(), *_pids(soak)], soak.person.count)
        ledger.finished.connect(soak.application.quit)
        soak.shell.started.connect(ledger.start)
        soak.shell.window.show()
        soak.application.exec()
        soak.person.leave()
        soak.shell.presenter.close()
    for failure in soak.person.failures:
        print(f"failed: {failure}")
    return int(not ledger.is_flat() or bool(soak.person.failures) or not soak.person.count())


def _pids(soak: Soak) -> list[int]:
    return [engine.pid for engine in soak.engines if engine.pid is not None]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Chat without pause and watch memory.")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--projector", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
