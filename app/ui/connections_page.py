"""Every connection the program ever made."""

from __future__ import annotations

from collections import Counter

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from app.core.library import Connection, ConnectionsListed
from app.ui.controls import ElidedLabel, make_button, make_label
from app.ui.page import Page, clear_layout, make_card
from app.ui.units import in_bytes

NOTHING = "This program has not contacted anything."
_MOST_ROWS = 200


class ConnectionsPage(Page):
    """List connections, newest first; `refresh_wanted` asks for them again."""

    refresh_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Connections")
        self.summary = make_label(NOTHING, wraps=True)
        self.more_button = make_button("Show all")
        self.more_button.clicked.connect(self._show_all)
        self._event = ConnectionsListed(())
        self.table, column = make_card()
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(2, 1)
        column.addLayout(self._grid)
        column.addWidget(self.more_button, 0, Qt.AlignmentFlag.AlignLeft)
        self._lay_out()
        self.show_connections(self._event)

    def show_connections(self, event: ConnectionsListed) -> None:
        """Show what was noted of connections."""
        self._event = event
        self.summary.setText(summarize(event))
        self._fill(event.connections[:_MOST_ROWS])
        self.more_button.setVisible(len(event.connections) > _MOST_ROWS)

    def rows(self) -> int:
        """Return how many connections are shown one by one."""
        return max(0, self._grid.count() // 5 - 1)

    def _show_all(self) -> None:
        self._fill(self._event.connections)
        self.more_button.hide()

    def _fill(self, connections: tuple[Connection, ...]) -> None:
        clear_layout(self._grid)
        self.table.setVisible(bool(connections))
        for column, title in enumerate(("When", "Server", "Asked", "Ended", "Received")):
            self._grid.addWidget(make_label(title, "small"), 0, column)
        for row, connection in enumerate(connections, 1):
            for column, cell in enumerate(_cells(connection)):
                self._grid.addWidget(cell, row, column)

    def _lay_out(self) -> None:
        head, column = make_card()
        column.addWidget(make_label("Connections", "strong"))
        column.addWidget(self.summary)
        column.addWidget(
            make_label(
                "Solo contacts a server only when you look up or download a model. Each time is noted here, on this "
                "computer, before it happens.",
                "small",
                wraps=True,
            )
        )
        refresh = make_button("Look again")
        refresh.clicked.connect(self.refresh_wanted)
        column.addWidget(refresh, 0, Qt.AlignmentFlag.AlignLeft)
        holder = QWidget()
        inner = QVBoxLayout(holder)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.table)
        self.column.addWidget(head)
        self.column.addWidget(holder)


def summarize(event: ConnectionsListed) -> str:
    """Return in one or two sentences whom the program contacted."""
    counts, sizes = Counter[str](), Counter[str]()
    for connection in event.connections:
        counts[connection.host] += 1
        sizes[connection.host] += connection.n_bytes
    for host, count, n_bytes in event.earlier:
        counts[host] += count
        sizes[host] += n_bytes
    if not counts:
        return NOTHING
    hosts = "; ".join(f"{host}: {count:,} times, {in_bytes(sizes[host])}" for host, count in counts.most_common())
    earlier = sum(count for _, count, _ in event.earlier)
    older = f" The {earlier:,} oldest ones are kept as sums." if earlier else ""
    return f"{hosts}.{older}"


def _cells(connection: Connection) -> tuple[QWidget, ...]:
    when = connection.at.strftime("%Y-%m-%d %H:%M:%S")
    asked = ElidedLabel(connection.asked, "small")
    return (
        make_label(when, "small"),
        make_label(connection.host, "small"),
        asked,
        make_label(connection.ending, "small"),
        make_label(in_bytes(connection.n_bytes), "small"),
    )
