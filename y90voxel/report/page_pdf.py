"""A page of this package as PDF: what its HTML says, each row once, set on A4 sheets.

Reads the few kinds of elements that the templates use, so that every page can be printed without a browser.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, TreeBuilder

from fpdf import FPDF, FontFace
from fpdf.fonts import TTFFont
from matplotlib import get_data_path

__all__ = ["write_pdf"]

MARGIN_MM = 11.0  # as in @page of style.css
LINE_SPACING = 1.3  # line height over font size
POINT_MM = 25.4 / 72.0  # [mm], exact: 72 points an inch
SIZES_PT = {"h1": 16.0, "h2": 11.0, "h3": 9.5, "p": 8.5, "small": 7.2, "table": 7.5, "foot": 7.0}
SMALLEST_PT = 4.5  # of a table with more columns than the sheet has room for
PADDING_MM = 0.7  # beside the text of a cell
AFTER_NUMBER_MM = 3.0  # left of a text that follows a number, which ends at the right
BLANK_ROW_MM = 8.0  # of a field to write in
# Of the paper that must be left below a heading, or it goes to the next sheet with what follows.
KEPT_WITH_HEADING_MM = 28.0
INK, RULE, USED = "#1d2730", "#b9c3cb", "#eaf3fb"
# Colours of style.css by class, the first that matches.
COLOURS = {
    "stop": "#a8320a", "alarm": "#a8320a", "not-met": "#a8320a", "met": "#0b6e4f", "predicted": "#5b2a86",
    "unconfirmed": "#7a5200", "none-printed": "#7a5200", "tag": "#7a5200", "warnings": "#7a5200",
    "not-applicable": "#5c6a75", "small": "#5c6a75", "source": "#5c6a75", "meta": "#5c6a75", "research": "#5c6a75",
    "struck": "#5c6a75",
}  # fmt: skip
VOID = frozenset({"br", "img", "input", "line", "meta"})
NOT_PRINTED_TAGS = frozenset({"style", "script", "title", "footer", "svg"})
NOT_PRINTED_CLASSES = frozenset({"slider", "viewer"})
FONT = "dejavu"


def write_pdf(page: str, path: str | Path) -> Path:
    """Write an HTML page of this package as PDF and return its path.

    Parameters
    ----------
    page : str
        As `y90voxel.report.dose_page.render_page` gives it, figures inside.
    path : path-like
        Written.
    """
    path = Path(path)
    reader = _Tree()
    reader.feed(page)
    tree = reader.close_tree()
    sheets = _Sheets(_title(tree), _said(next(tree.iter("footer"))))
    parts = list(_parts(tree))
    for number, part in enumerate(parts):
        following = parts[number + 1] if number + 1 < len(parts) else None
        sheets.put(part, following)
    sheets.output(path)
    return path


class _Tree(HTMLParser):
    """The elements of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._builder = TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element; one that holds nothing ends at once."""
        self._builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in VOID:
            self._builder.end(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin and end an element."""
        self._builder.start(tag, {name: value or "" for name, value in attrs})
        self._builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        self._builder.end(tag)

    def handle_data(self, data: str) -> None:
        """Add text."""
        self._builder.data(data)

    def close_tree(self) -> Element:
        """Return the root."""
        self.close()
        return self._builder.close()


def _classes(element: Element) -> set[str]:
    return set(element.get("class", "").split())


def _printed(element: Element) -> bool:
    return element.tag not in NOT_PRINTED_TAGS and not _classes(element) & NOT_PRINTED_CLASSES


def _raw_text(element: Element) -> Iterator[str]:
    """Pieces of text; a form feed stands where a line ends."""
    yield element.text or ""
    for child in element:
        around = ("", "")
        if child.tag == "br" or "role" in _classes(child):
            around = ("\f", "")
        elif "tag" in _classes(child):
            around = ("[", "]")
        yield around[0]
        if _printed(child):
            yield from _raw_text(child)
        yield around[1]
        yield child.tail or ""


def _said(element: Element) -> str:
    """The text of an element as a reader sees it."""
    lines = "".join(_raw_text(element)).split("\f")
    return "\n".join(" ".join(line.split()) for line in lines).strip()


def _title(tree: Element) -> str:
    predicted = any({"banner", "predicted"} <= _classes(part) for part in tree.iter("div"))
    return ("PREDICTED · " if predicted else "") + " ".join(
        "".join(next(tree.iter("title")).itertext()).split()
    )


def _colour(element: Element) -> str:
    """The colour of an element: of the swatch in it, of a status in it, or by its own classes."""
    marks = {"status", "tag"} if element.tag == "p" else {"status"}
    inner = set().union(*(_classes(part) for part in element.iter() if _classes(part) & marks))
    stroke = next((line.get("stroke") for line in element.iter("line")), None)
    named = (COLOURS[name] for classes in (inner, _classes(element)) for name in COLOURS if name in classes)
    return stroke or next(named, INK)


def _parts(element: Element, colour: str | None = None) -> Iterator[tuple[str, Element, str | None]]:
    """What is set one below the other: kind, element, and the colour of what it lies in."""
    for child in element:
        classes = _classes(child)
        if not _printed(child):
            continue
        if child.tag in ("h1", "h2", "h3", "p", "table", "dl", "ul", "img"):
            yield child.tag, child, colour
        elif "cards" in classes:
            yield "cards", child, colour
        elif "".join((child.text or "", *(part.tail or "" for part in child))).strip():  # text of its own
            yield "p", child, colour
        else:
            yield from _parts(child, COLOURS["warnings"] if "warnings" in classes else colour)


class _Sheets(FPDF):
    """A4 sheets that parts of a page are set on."""

    def __init__(self, title: str, foot: str) -> None:
        super().__init__(format="A4")
        self._foot = f"{title} · {foot}"
        self.set_margin(MARGIN_MM)
        self.set_auto_page_break(True, MARGIN_MM + 6.0)
        folder = Path(get_data_path()) / "fonts" / "ttf"
        for style, name in (("", "DejaVuSans"), ("B", "DejaVuSans-Bold")):
            self.add_font(FONT, style, folder / f"{name}.ttf")
        self.set_title(title)
        self.set_creator("y90voxel")
        self.set_draw_color(RULE)
        self.add_page()

    def normalize_text(self, text: str) -> str:
        """Put a box where the font has no glyph: nothing is left out without a trace."""
        glyphs = cast(TTFFont, self.fonts[FONT]).cmap
        return super().normalize_text("".join(c if c == "\n" or ord(c) in glyphs else "□" for c in text))

    def footer(self) -> None:
        """What stands at the foot of every sheet."""
        self.set_y(-MARGIN_MM)
        self._style("foot", colour=COLOURS["meta"])
        self.cell(self.epw - 10, 4, _shortened(self, self._foot, self.epw - 12))
        self.cell(10, 4, str(self.page_no()), align="R")

    def put(
        self, part: tuple[str, Element, str | None], following: tuple[str, Element, str | None] | None
    ) -> None:
        """Set one part below what stands there; a heading stays with what follows it."""
        kind, element, colour = part
        if kind in ("h1", "h2", "h3"):
            needed = KEPT_WITH_HEADING_MM
            if following is not None and following[0] == "img":
                needed = self._picture(following[1])[1] + 12.0
            if kind != "h1" and self.will_page_break(needed):
                self.add_page()
            self.ln(0.0 if kind == "h1" else 2.5)
            self._text(_said(element), kind, bold=True)
        elif kind == "p":
            small = _classes(element) & {"small", "meta", "research"}
            important = _classes(element) & {"stop", "alarm", "predicted"}
            style = "small" if small else "p"
            self._text(_said(element), style, bold=bool(important), colour=colour or _colour(element))
        elif kind == "img":
            picture, height = self._picture(element)
            self.image(picture, w=self.epw, h=height)
            self.ln(1.5)
        elif kind == "ul" and "settings" in _classes(element):
            self._text("; ".join(_said(item) for item in element), "small", colour=COLOURS["small"])
        else:
            self._table(*_rows(kind, element), colour)

    def _style(self, size: str, *, bold: bool = False, colour: str = INK) -> None:
        self.set_font(FONT, "B" if bold else "", SIZES_PT[size])
        self.set_text_color(colour)

    def _text(self, text: str, size: str, *, bold: bool = False, colour: str = INK) -> None:
        self._style(size, bold=bold, colour=colour)
        height = SIZES_PT[size] * POINT_MM * LINE_SPACING
        self.multi_cell(self.epw, height, text, align="L", new_x="LMARGIN", new_y="NEXT")
        self.ln(0.8)

    def _picture(self, element: Element) -> tuple[io.BytesIO, float]:
        """The PNG of a figure and its height [mm] over the whole width."""
        data = base64.b64decode(element.get("src", "").partition(",")[2])
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))  # the header of a PNG
        return io.BytesIO(data), self.epw * height / width

    def _table(self, head: list[list[Element]], body: list[list[Element]], colour: str | None) -> None:
        """Set a table; its font shrinks until the longest word of every column has room."""
        if not body:
            return
        rows = [*head, *body]
        count = max(sum(_span(cell) for cell in row) for row in rows)
        size = SIZES_PT["table"]
        widths = self._widths(rows, count, size)
        while widths is None and size > SMALLEST_PT:
            size -= 0.25
            widths = self._widths(rows, count, size)
        self.set_font(FONT, "", size)
        blank = any("blank" in _classes(cell) for row in body for cell in row)
        with self.table(
            align="LEFT",
            borders_layout="HORIZONTAL_LINES",
            col_widths=widths or [1.0] * count,
            first_row_as_headings=bool(head),
            headings_style=FontFace(color=COLOURS["meta"], emphasis=""),
            line_height=size * POINT_MM * LINE_SPACING,
            min_row_height=BLANK_ROW_MM if blank else None,
            num_heading_rows=len(head) or 1,
            padding=(0.5, PADDING_MM),
            v_align="MIDDLE" if blank else "TOP",
            width=self.epw,
        ) as table:
            for cells in rows:
                row = table.row()
                for cell, left in zip(cells, _left_paddings(cells), strict=True):
                    row.cell(
                        _said(cell),
                        align="R" if _is_number(cell) else "L",
                        colspan=_span(cell),
                        padding=(0.5, PADDING_MM, 0.5, left),
                        style=_face(cell, cells, colour),
                    )
                for _ in range(count - sum(_span(cell) for cell in cells)):
                    row.cell("")
        self.ln(1.5)

    def _widths(self, rows: list[list[Element]], count: int, size: float) -> list[float] | None:
        """Widths of columns [mm] at a font size, or None where the longest words have no room."""
        self.set_font(FONT, "B", size)
        least, most = [0.0] * count, [0.0] * count
        for row in rows:
            place = 0
            for cell, left in zip(row, _left_paddings(row), strict=True):
                if _span(cell) == 1:
                    lines, beside = _said(cell).split("\n"), left + PADDING_MM + 0.2
                    pieces = lines if _stays_whole(cell) else _said(cell).split() or [""]
                    longest = max(map(self.get_string_width, pieces))
                    least[place] = max(least[place], min(longest, self.epw / 3.0) + beside)
                    most[place] = max(most[place], max(map(self.get_string_width, lines)) + beside)
                place += _span(cell)
        spare = self.epw - sum(least)
        if spare < 0.0:
            return None
        wanted = [b - a for a, b in zip(least, most, strict=True)]
        share = min(1.0, spare / sum(wanted)) if sum(wanted) else 0.0
        widths = [a + share * more for a, more in zip(least, wanted, strict=True)]
        if _is_number(rows[-1][-1]):
            return [width * self.epw / sum(widths) for width in widths]
        return [*widths[:-1], self.epw - sum(widths[:-1])]


def _shortened(sheets: FPDF, text: str, width_mm: float) -> str:
    """A text that fits into one line."""
    if sheets.get_string_width(text) <= width_mm:
        return text
    while sheets.get_string_width(text + "…") > width_mm:
        text = text[:-1]
    return text + "…"


def _span(cell: Element) -> int:
    return int(cell.get("colspan", "1"))


def _is_number(cell: Element) -> bool:
    return "number" in _classes(cell)


def _stays_whole(cell: Element) -> bool:
    """Whether the lines of a cell are not broken: numbers and what is met."""
    in_body = cell.tag == "td" or cell.get("scope") == "row"
    return (in_body and _is_number(cell)) or any("status" in _classes(part) for part in cell.iter())


def _left_paddings(cells: list[Element]) -> list[float]:
    """Free space left of each cell of a row [mm]."""
    after = [False, *(_is_number(cell) for cell in cells[:-1])]
    return [
        AFTER_NUMBER_MM if number and not _is_number(cell) else PADDING_MM
        for cell, number in zip(cells, after, strict=True)
    ]


def _rows(kind: str, element: Element) -> tuple[list[list[Element]], list[list[Element]]]:
    """The heading rows and the rows of a table, of a list of terms, of warnings, or of the cards."""
    if kind == "table":
        head = [row for part in element.iter("thead") for row in part.iter("tr")]
        body = [row for part in element.iter("tbody") for row in part.iter("tr")]
        return [list(row) for row in head], [_with_row_class(row) for row in body]
    if kind == "dl":
        terms = [part for part in element.iter() if part.tag in ("dt", "dd")]
        return [], [list(pair) for pair in zip(terms[::2], terms[1::2], strict=True)]
    return [], [list(row) for row in element]


def _with_row_class(row: Element) -> list[Element]:
    """The cells of a row, each with the classes of the row."""
    for cell in row:
        own = _classes(cell)
        inherited = _classes(row) if "plain" not in own else set()
        cell.set("class", " ".join(sorted(own | inherited)))
    return list(row)


def _face(cell: Element, row: list[Element], colour: str | None) -> FontFace | None:
    """How a cell is set."""
    if cell.tag == "th" and cell.get("scope") != "row" and "group" not in _classes(cell):
        return None
    classes = _classes(cell)
    bold = bool(classes & {"key", "value", "group"}) or ("used" in classes and cell is row[0])
    fill = USED if "used" in classes else None
    emphasis = "B" * bold + "S" * ("struck" in classes)
    return FontFace(color=colour or _colour(cell), emphasis=emphasis, fill_color=fill)
