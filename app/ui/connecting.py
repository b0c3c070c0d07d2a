"""Which control asks for what."""

from __future__ import annotations

from PySide6.QtGui import QAction

from app.chat.protocol import ExportKind, Service
from app.ui.commands import Commands
from app.ui.intake import Intake
from app.ui.session import Session
from app.ui.shortcuts import ShortcutsDialog
from app.ui.window import MainWindow


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
    models.download_wanted.connect(commands.download)
    models.pause_wanted.connect(service.stop_download)
    models.open_wanted.connect(commands.open_model)
    models.folder_wanted.connect(commands.pick_folder)
    models.file_wanted.connect(commands.pick_model)
    window.hardware.refresh_wanted.connect(lambda: service.list_offers(models.target))
    settings.changed.connect(commands.take_settings)
    settings.folder_wanted.connect(commands.pick_folder)
    settings.reload_wanted.connect(commands.reload_model)


def _show_shortcuts(window: MainWindow, actions: tuple[QAction, ...]) -> None:
    dialog = ShortcutsDialog(window, actions)
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
