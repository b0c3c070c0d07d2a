"""Start Solo.

The composition root: it reads the arguments, decides where things live, builds the objects and wires them.
`solo` opens the window, every other command stays in the terminal, and `solo --engine-child` is how the packaged
program starts its own engine process. Each branch imports only what it needs: the engine's process has no use
for Qt, and the terminal commands none either.
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
    """Make the program's folders and start the logs. Raises StorageError."""
    from app.models.connections import keep_connections

    paths = _paths()
    try:
        paths.create()
        start_logging(paths.logs)
        keep_connections(paths.data)
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
        case "render":
            from app.console.render import print_tokens

            print_tokens(options.model, options.conversation)
            return 0
        case "download" | "models" | "verify" | "setup":
            return _care_for_models(options, paths, settings)
        case "doctor":
            from app.console.doctor import print_report

            print_report(paths)
            return 0
        case "plan":
            return _plan(options, paths)
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
    from app.console.sampling_flags import sampling_choices
    from app.core.built_in import BUILT_IN_MODEL
    from app.core.messages import ReasoningEffort
    from app.engine.client import ChildEngine

    question = Question(
        model=options.model or BUILT_IN_MODEL,
        projector=options.projector,
        images=tuple(options.image),
        text=options.message,
        effort=ReasoningEffort.HIGH if options.think else ReasoningEffort.NONE,
        max_tokens=options.max_tokens,
        seed=options.seed,
        sampling=sampling_choices(options),
        think_budget=options.think_budget,
    )
    answer(question, standard_writer(as_json=options.json), ChildEngine, settings)
    return 0


def _care_for_models(options: argparse.Namespace, paths: Paths, settings: Settings) -> int:
    models = Path(settings.models_folder) if settings.models_folder else paths.models
    match options.command:
        case "download":
            from app.console.download import Wanted, download

            wanted = Wanted(options.repository, options.file, options.quant, options.to)
            download(wanted, models, settings, as_json=options.json)
        case "models":
            from app.console.models import print_models

            print_models(models, paths.data / "library.json", as_json=options.json)
        case "verify":
            from app.console.verify import verify

            verify(options.file, paths.data / "library.json", repair=options.repair, as_json=options.json)
        case _:
            from app.console.setup import Answers, set_up
            from app.engine.client import ChildEngine

            answers = Answers(options.choose, options.to, options.yes, options.json)
            set_up(paths.settings, paths.models, settings, answers, ChildEngine)
    return 0


def _plan(options: argparse.Namespace, paths: Paths) -> int:
    from app.console.plan import PlanQuestion, print_plan
    from app.hardware.notebook import Notebook

    question = PlanQuestion(
        model=options.model,
        projector=options.projector,
        gpus_mib=tuple(options.gpu),
        reserves_mib=tuple(options.reserve),
        ram_mib=options.ram,
        context_tokens=options.context,
    )
    print_plan(question, Notebook(paths.measurements), sys.stdout, as_json=options.json)
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
    if options.command == "plan":
        _check_plan(parser, options)
    return options


def _check_plan(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.gpu and options.ram is None:
        parser.error("--gpu needs --ram MIB beside it")
    if len(options.reserve) > 1 and len(options.reserve) != len(options.gpu):
        parser.error("give --reserve once, or once for every --gpu")


def _parser() -> argparse.ArgumentParser:
    from app.console.sampling_flags import add_sampling_flags

    parser = argparse.ArgumentParser(prog="solo", description="Chat with one local model.")
    parser.add_argument("--version", action="version", version=f"Solo {__version__}")
    parser.add_argument("--model", type=_file, metavar="FILE", help="open this GGUF file")
    parser.add_argument("--projector", type=_file, metavar="FILE", help="with this vision projector")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_model_commands(commands)
    commands.add_parser("doctor", help="say what is here: versions, devices, memory, folders")
    _add_plan(commands)
    chat = commands.add_parser("chat", help="ask one question in the terminal")
    chat.add_argument("--model", type=_file, metavar="FILE", help="the GGUF file to ask; the built-in model without")
    chat.add_argument("--projector", type=_file, metavar="FILE", help="its vision projector")
    chat.add_argument("--image", type=_file, metavar="FILE", action="append", default=[], help="show a picture")
    chat.add_argument("--think", action="store_true", help="let the model reason before it answers")
    chat.add_argument("--json", action="store_true", help="write one event per line")
    chat.add_argument("--max-tokens", type=_positive, metavar="N", help="stop after N tokens")
    chat.add_argument("--seed", type=_seed, metavar="N", help="draw the same tokens every time")
    add_sampling_flags(chat)
    chat.add_argument("message", metavar="MESSAGE", help="what to ask")
    render = commands.add_parser("render", help="show the tokens that a model reads of a conversation")
    render.add_argument("--model", type=_file, metavar="FILE", required=True, help="the GGUF file with the vocabulary")
    render.add_argument("conversation", type=_file, metavar="CONVERSATION.json", help="the messages, as JSON")
    return parser


def _add_model_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    download = commands.add_parser("download", help="bring a model here; can be stopped and gone on with")
    download.add_argument("repository", metavar="REPO", help="OWNER/NAME on the Hub, or a name from the catalogue")
    which = download.add_mutually_exclusive_group()
    which.add_argument("--file", metavar="NAME", default="", help="the model that this file belongs to")
    which.add_argument("--quant", metavar="Q4_K_M", default="", help="the model in this quantization")
    download.add_argument("--to", type=_file, metavar="DIR", help="put the files into this folder")
    models = commands.add_parser("models", help="list the models on this computer")
    verify = commands.add_parser("verify", help="compare a model file with what it must be")
    verify.add_argument("file", type=_file, metavar="FILE", help="the GGUF file, or any part of a split one")
    verify.add_argument("--repair", action="store_true", help="fetch again what is damaged, and only that")
    setup = commands.add_parser("setup", help="the first run: look, choose, download, check, load")
    setup.add_argument("--choose", metavar="NAME", default="", help="this model of the catalogue")
    setup.add_argument("--to", type=_file, metavar="DIR", help="keep models in this folder")
    setup.add_argument("--yes", action="store_true", help="ask nothing, take what is proposed")
    for command in (download, models, verify, setup):
        command.add_argument("--json", action="store_true", help="write for a script")


def _add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = commands.add_parser("plan", help="say where a model would go, here or on described hardware")
    plan.add_argument("--model", type=_file, metavar="FILE", required=True, help="the GGUF file to plan")
    plan.add_argument("--projector", type=_file, metavar="FILE", help="its vision projector")
    plan.add_argument("--gpu", type=_positive, metavar="MIB", action="append", default=[], help="a GPU's free memory")
    plan.add_argument(
        "--reserve", type=_whole, metavar="MIB", action="append", default=[], help="what stays free: once, or per GPU"
    )
    plan.add_argument("--ram", type=_positive, metavar="MIB", help="the free RAM (needed with --gpu)")
    plan.add_argument("--context", type=_positive, metavar="N", default=0, help="tokens of context (default: chosen)")
    plan.add_argument("--json", action="store_true", help="write the plan as JSON")


def _file(text: str) -> Path:
    # Absolute, because it is remembered for a start in another folder.
    return Path(text).absolute()


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError("a number from 0 to 4294967295 is needed")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("a whole number is needed")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
