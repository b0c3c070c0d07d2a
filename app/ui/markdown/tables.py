"""Tables to HTML of Qt's subset."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_it.token import Token

from app.ui.markdown.inline_html import render_inline
from app.ui.markdown.pieces import Frames, TablePiece

_CELLS_PER_PIECE = 400  # a table is laid out as a whole, so a huge one is cut


def table_pieces(tokens: Sequence[Token], frames: Frames) -> list[TablePiece]:
    """Return one table's pieces from its tokens: one, or several for a huge table."""
    rows = _rows(tokens)
    columns = max(1, rows[0].count("</t") if rows else 1)
    per_piece = max(1, _CELLS_PER_PIECE // columns)
    parts = [rows[start : start + per_piece] for start in range(0, len(rows), per_piece)]
    return [
        TablePiece(f'<table cellspacing="0">{"".join(part)}</table>', frames, joins=number > 0)
        for number, part in enumerate(parts)
    ]


def _rows(tokens: Sequence[Token]) -> list[str]:
    rows: list[str] = []
    cells: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "tr_close":
            rows.append(f"<tr>{''.join(cells)}</tr>")
            cells = []
        elif token.type in ("th_open", "td_open"):
            side = str(token.attrGet("style") or "").removeprefix("text-align:") or "left"
            content = render_inline(tokens[index + 1].children or ())
            cells.append(f'<{token.tag} align="{side}">{content}</{token.tag}>')
    return rows
