"""Start Solo.

The composition root: it reads the arguments, decides where things live, builds the objects and wires them.
`solo` opens the window, `solo chat` and `solo doctor` stay in the terminal, and `solo --engine-child` is how
the packaged program starts its own engine process. Each branch imports only what it needs: the engine's
process has no use for Qt, and the terminal commands none either.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app import __version__
from app.core.errors import AppError, StorageError
from app.core.logs import start_logging
from app.core.paths import Paths
from app.core.settings import Settings, load_settings

_INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0 well, 1 an error that was said, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--engine-child"]:
        from app.engine.child.__main__ import main as run_child

        return run_child(given[1:])
    options = _parse(given)
    try:
        code = _run(options, _open_folders())
        if sys.stdout is not None:  # a windowed program on Windows has none
            sys.stdout.flush()  # here, where a reader that has left is no accident
        return code
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _open_folders() -> Paths:
    """Make the program's folders and start the log. Raises StorageError."""
    paths = _paths()
    try:
        paths.create()
        start_logging(paths.logs)
    except OSError as error:
        place = error.filename or paths.data
        raise StorageError(
            f"Solo can’t use its folder {place}: {error.strerror or error}. Make it writable and start Solo again."
        ) from error
    return paths


def _forget_stdout() -> None:
    """Let what is still to be written go nowhere: the reader of the pipe has left."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _run(options: argparse.Namespace, paths: Paths) -> int:
    settings = load_settings(paths.settings)
    match options.command:
        case "chat":
            return _chat(options, settings)
        case "doctor":
            from app.console.doctor import print_report

            print_report(paths)
            return 0
        case _:
            return _window(options, paths, settings)


def _window(options: argparse.Namespace, paths: Paths, settings: Settings) -> int:
    from app.chat.service import ChatService
    from app.core.events import Publish
    from app.engine.client import ChildEngine
    from app.ui.application import run_window
    from app.ui.single_instance import Wish

    def make_service(publish: Publish) -> ChatService:
        service = ChatService(paths, settings, publish, ChildEngine)
        service.start()
        return service

    return run_window(make_service, settings, paths.data, Wish(options.model, options.projector))


def _chat(options: argparse.Namespace, settings: Settings) -> int:
    from app.console.one_turn import Question, answer, standard_writer
    from app.core.messages import ReasoningEffort
    from app.engine.client import ChildEngine

    question = Question(
        model=options.model,
        projector=options.projector,
        images=tuple(options.image),
        text=options.message,
        effort=ReasoningEffort.HIGH if options.think else ReasoningEffort.NONE,
        max_tokens=options.max_tokens,
        seed=options.seed,
    )
    answer(question, standard_writer(as_json=options.json), ChildEngine, settings)
    return 0


def _paths() -> Paths:
    from platformdirs import PlatformDirs

    folders = PlatformDirs("solo", appauthor=False)
    data = folders.user_data_path
    return Paths(
        data=data,
        config=folders.user_config_path,
        cache=folders.user_cache_path,
        logs=folders.user_log_path,
        models=Path(os.environ.get("SOLO_MODELS", data / "models")),
    )


def _parse(given: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(given)
    if options.projector is not None and options.model is None:
        parser.error("--projector needs --model FILE beside it")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="solo", description="Chat with one local model.")
    parser.add_argument("--version", action="version", version=f"Solo {__version__}")
    parser.add_argument("--model", type=_file, metavar="FILE", help="open this GGUF file")
    parser.add_argument("--projector", type=_file, metavar="FILE", help="with this vision projector")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("doctor", help="say what is here: versions, devices, memory, folders")
    chat = commands.add_parser("chat", help="ask one question in the terminal")
    chat.add_argument("--model", type=_file, metavar="FILE", required=True, help="the GGUF file to ask")
    chat.add_argument("--projector", type=_file, metavar="FILE", help="its vision projector")
    chat.add_argument("--image", type=_file, metavar="FILE", action="append", default=[], help="show a picture")
    chat.add_argument("--think", action="store_true", help="let the model reason before it answers")
    chat.add_argument("--json", action="store_true", help="write one event per line")
    chat.add_argument("--max-tokens", type=_positive, metavar="N", help="stop after N tokens")
    chat.add_argument("--seed", type=_seed, metavar="N", help="draw the same tokens every time")
    chat.add_argument("message", metavar="MESSAGE", help="what to ask")
    return parser


def _file(text: str) -> Path:
    # Absolute, because it is remembered for a start in another folder.
    return Path(text).absolute()


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError("a number from 0 to 4294967295 is needed")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
