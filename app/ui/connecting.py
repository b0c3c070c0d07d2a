"""Which control asks for what."""

from __future__ import annotations

from PySide6.QtGui import QAction

from app.chat.protocol import ExportKind, Service
from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_PROJECTOR
from app.ui.commands import Commands
from app.ui.composer import Outgoing
from app.ui.intake import Intake
from app.ui.reveal import reveal
from app.ui.session import Session
from app.ui.shortcuts import ShortcutsDialog
from app.ui.window import MainWindow

_GO_ON = "Go on where you stopped."


def connect_window(window: MainWindow, commands: Commands, intake: Intake, session: Session, service: Service) -> None:
    """Connect every control of `window` with the request it stands for."""
    _connect_actions(window, commands, intake, session)
    _connect_sidebar(window, commands, service)
    _connect_chat(window, commands, intake, service)
    _connect_pages(window, commands, service)


def _connect_actions(window: MainWindow, commands: Commands, intake: Intake, session: Session) -> None:
    actions = window.all_actions
    for name, act in (
        ("new_chat", commands.new_chat),
        ("rename", commands.rename_shown),
        ("delete", lambda: commands.delete(session.shown_id)),
        ("export_markdown", lambda: commands.export(session.shown_id, ExportKind.MARKDOWN)),
        ("export_json", lambda: commands.export(session.shown_id, ExportKind.JSON)),
        ("import", intake.pick_chat),
        ("open_model", commands.pick_model),
        ("escape", commands.escape),
        ("shortcuts", lambda: _show_shortcuts(window, actions.all())),
    ):
        actions[name].triggered.connect(act)
    actions.allow_chat_actions(allowed=session.shown_id is not None)


def _connect_sidebar(window: MainWindow, commands: Commands, service: Service) -> None:
    sidebar, header = window.sidebar, window.header
    sidebar.new_button.clicked.connect(commands.new_chat)
    header.new_button.clicked.connect(commands.new_chat)
    sidebar.search_changed.connect(service.list_conversations)
    sidebar.page_wanted.connect(commands.show_page)
    sidebar.chats.chosen.connect(commands.open_chat)
    sidebar.chats.renamed.connect(service.rename_conversation)
    sidebar.chats.pin_wanted.connect(service.pin_conversation)
    sidebar.chats.delete_wanted.connect(commands.delete)
    sidebar.chats.export_wanted.connect(commands.export)
    header.model_button.clicked.connect(lambda: commands.show_page("models"))
    header.cancel_button.clicked.connect(service.cancel_load)
    header.close_button.clicked.connect(lambda: window.show_page("chat"))


def _connect_chat(window: MainWindow, commands: Commands, intake: Intake, service: Service) -> None:
    composer, transcript, empty = window.chat.composer, window.chat.transcript, window.chat.empty
    window.given.connect(intake.take)
    composer.input.given.connect(intake.take)
    composer.send_wanted.connect(commands.send)
    composer.stop_wanted.connect(service.stop)
    window.all_actions["answer_now"].triggered.connect(transcript.answer_now_requested)
    transcript.answer_now_requested.connect(service.answer_now)
    transcript.go_on_requested.connect(lambda: commands.send(Outgoing(_GO_ON, (), composer.effort)))
    composer.pick_wanted.connect(intake.pick_pictures)
    composer.effort_changed.connect(commands.set_effort)
    composer.draft_changed.connect(commands.measure)
    transcript.regenerate_requested.connect(lambda answer_id: service.regenerate(answer_id, composer.effort))
    transcript.edit_requested.connect(lambda question_id, text: service.edit(question_id, text, composer.effort))
    transcript.version_requested.connect(service.show_version)
    empty.picture_suggested.connect(intake.pick_pictures)
    empty.models_wanted.connect(lambda: commands.show_page("models"))
    empty.file_wanted.connect(commands.pick_model)


def _connect_pages(window: MainWindow, commands: Commands, service: Service) -> None:
    models, settings = window.models, window.settings
    models.download_wanted.connect(commands.models.download)
    models.pause_wanted.connect(service.library.stop_download)
    models.open_wanted.connect(commands.open_model)
    models.built_in.use_wanted.connect(lambda: commands.open_model(BUILT_IN_MODEL, BUILT_IN_PROJECTOR))
    models.folder_wanted.connect(commands.pick_folder)
    models.file_wanted.connect(commands.pick_model)
    _connect_library(window, commands, service)
    window.hardware.panel.load_wanted.connect(commands.load_with)
    window.hardware.refresh_wanted.connect(lambda: service.library.list_offers(models.target))
    settings.changed.connect(commands.take_settings)
    settings.folder_wanted.connect(commands.pick_folder)
    settings.reload_wanted.connect(commands.reload_model)


def _connect_library(window: MainWindow, commands: Commands, service: Service) -> None:
    models, library, first_run = window.models, window.models.library, window.models.first_run
    models.discard_wanted.connect(commands.models.discard)
    models.listed_download_wanted.connect(commands.models.download_listed)
    models.limit_changed.connect(lambda limit_kib: commands.remember(download_limit_kib=limit_kib))
    models.connections_wanted.connect(lambda: commands.show_page("connections"))
    models.first_run_button.clicked.connect(lambda: commands.models.lead_first_run(shown=True))
    models.repository.look_up_wanted.connect(service.library.look_up)
    library.use_wanted.connect(service.library.use)
    library.resume_wanted.connect(service.library.resume)
    library.details_wanted.connect(service.library.describe)
    library.check_wanted.connect(lambda model, repair: service.library.check(model.path, repair=repair))
    library.stop_wanted.connect(service.library.stop_check)
    library.reveal_wanted.connect(lambda model: reveal(model.files[0] if model.files else model.path))
    library.delete_wanted.connect(service.library.delete)
    first_run.chosen.connect(lambda offer_id: commands.remember(first_choice=offer_id, first_run=""))
    first_run.skipped.connect(lambda: commands.models.lead_first_run(shown=False))
    first_run.done.connect(lambda: commands.remember(first_run="done"))
    window.connections.refresh_wanted.connect(service.library.list_connections)


def _show_shortcuts(window: MainWindow, actions: tuple[QAction, ...]) -> None:
    dialog = ShortcutsDialog(window, actions)
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
