"""The text documents of the column: they never fetch anything, and know what to copy."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QUrl
from PySide6.QtGui import QFontMetricsF, QImage, QTextBlock, QTextDocument, QTextFragment, QTextOption

from app.ui.markdown.formulas import FormulaBroken
from app.ui.markdown.inline_html import formula_at, is_openable
from app.ui.transcript.formula_images import FORMULA_SHARE, align_formulas, draw_formula
from app.ui.transcript.look import Look

_INDENT = 26
_PICTURE = "\ufffc"


@dataclass(frozen=True, slots=True)
class Link:
    """Hold where a link stands in a document and where it leads."""

    start: int
    end: int
    address: str


class SafeDocument(QTextDocument):
    """Lay out text; the only resources it knows are formulas drawn by this program."""

    def __init__(self, *, wrap: bool = True) -> None:
        super().__init__()
        self.setDocumentMargin(0)
        self.setIndentWidth(_INDENT)
        self.setUndoRedoEnabled(False)
        option = QTextOption()
        mode = QTextOption.WrapMode
        option.setWrapMode(mode.WrapAtWordBoundaryOrAnywhere if wrap else mode.NoWrap)
        self.setDefaultTextOption(option)
        self._color = ""
        self._ratio = 1.0

    def dress(self, look: Look, ratio: float, *, muted: bool) -> None:
        """Use `look` for what is set from now on; `ratio` is device pixels per pixel."""
        self._color, self._ratio = look.ink(muted=muted).name(), ratio
        self.setDefaultFont(look.body_font)
        self.setDefaultStyleSheet(look.style_sheet())

    def show_html(self, html: str) -> None:
        """Replace the content."""
        self.setHtml(html)
        if "math:" in html:
            align_formulas(self, self._em())

    def loadResource(self, kind: int, name: QUrl | str) -> QImage:  # noqa: N802, ARG002 - Qt's signature
        """Return the picture of a formula; for any other address an empty one, whatever it is."""
        try:
            latex, display = formula_at(name.toString() if isinstance(name, QUrl) else name)
            descent = QFontMetricsF(self.defaultFont()).descent()
            return draw_formula(latex, self._color, self._em(), self._ratio, descent, display=display)
        except (ValueError, FormulaBroken):
            return QImage()

    def links(self) -> list[Link]:
        """Return all links that may be opened, in order."""
        found: list[Link] = []
        block = self.begin()
        while block.isValid():
            for fragment in _fragments(block):
                address = fragment.charFormat().anchorHref()
                if not address or not is_openable(address):
                    continue
                start, end = fragment.position(), fragment.position() + fragment.length()
                if found and found[-1].end == start and found[-1].address == address:
                    found[-1] = Link(found[-1].start, end, address)
                else:
                    found.append(Link(start, end, address))
            block = block.next()
        return found

    def text_between(self, start: int, end: int) -> str:
        """Return the text from `start` to `end`, formulas as their source."""
        lines: list[str] = []
        block = self.findBlock(start)
        while block.isValid() and block.position() < end:
            lines.append("".join(_part(fragment, start, end) for fragment in _fragments(block)))
            block = block.next()
        return "\n".join(lines)

    def _em(self) -> float:
        return QFontMetricsF(self.defaultFont()).height() * 0.735 * FORMULA_SHARE


def _fragments(block: QTextBlock) -> list[QTextFragment]:
    fragments: list[QTextFragment] = []
    step = block.begin()
    while not step.atEnd():
        fragments.append(step.fragment())
        step += 1
    return fragments


def _part(fragment: QTextFragment, start: int, end: int) -> str:
    at = fragment.position()
    text = fragment.text().encode("utf-16-le")  # positions count UTF-16 units
    part = text[2 * max(0, start - at) : 2 * max(0, end - at)].decode("utf-16-le", "replace")
    part = part.replace("\u2028", "\n").replace("\u00a0", " ")
    if _PICTURE in part and fragment.charFormat().isImageFormat():
        latex, display = formula_at(fragment.charFormat().toImageFormat().name())
        mark = "$$" if display else "$"
        part = part.replace(_PICTURE, f"{mark}{latex}{mark}")
    return part
