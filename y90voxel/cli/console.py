"""Output that every console can print: symbols that its encoding does not have become plain ones.

Consoles of Windows have one page of 256 characters (cp437, cp932, cp1252), cron and C locales ASCII. Without this a result
that was computed and written ends in a UnicodeEncodeError on its last line.
"""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from contextlib import suppress

__all__ = ["PLAIN", "plain_text", "prepare_console"]

HANDLER, ASCII = "y90voxel-plain", "y90voxel_ascii"
# What stands for symbols that text of this program has.
PLAIN = {
    "–": "-", "—": "-", "−": "-", "‑": "-", "×": "x", "·": "*", "±": "+/-", "∓": "-/+", "≥": ">=", "≤": "<=", "≈": "~",
    "→": "->", "←": "<-", "…": "...", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "µ": "u", "μ": "u", "°": " deg",
    "²": "^2", "³": "^3", "⁻": "^-", "¹": "1", "½": "1/2", "✓": "ok", "✕": "x", "•": "*", "∪": "and", "∞": "inf",
    "÷": "/", "√": "sqrt ", "∝": "~", "∩": "and", "∫": "int ", "Σ": "sum ", "∂": "d", "∇": "grad ", "∘": "o", "⋆": "*",
    "⟨": "<", "⟩": ">", "─": "-", "│": "|", "└": "+", "†": "+", "├": "+", "□": "[]", "œ": "oe", "ħ": "hbar",
    "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
}  # fmt: skip


def plain_text(text: str) -> str:
    """Return a text in ASCII: known symbols spelled out, accents left off, a question mark for the rest.

    Examples
    --------
    >>> plain_text("2 × 3 mm² ≤ 5 µL, Läsion 症")
    '2 x 3 mm^2 <= 5 uL, Lasion ?'
    """
    return "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    """One character in ASCII."""
    if character in PLAIN:
        return PLAIN[character]
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        return words[words.index("LETTER") + 1].lower()
    if unicodedata.combining(character):
        return ""
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return bare or "?"


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for characters that an encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain_text(error.object[error.start : error.end]), error.end


def prepare_console() -> None:
    """Let standard output and error print whatever there is. A second call changes nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell, or a program without a console
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    codecs.register_error(HANDLER, _replaced)
    codecs.register(_ascii)
    for stream in (sys.stdout, sys.stderr):
        with suppress(
            AttributeError, TypeError, ValueError
        ):  # something else stands for the stream, or it is closed
            name = codecs.lookup(stream.encoding).name
            stream.reconfigure(encoding=ASCII if name == "ascii" else name, errors=HANDLER)  # type: ignore[union-attr]


def _ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII under a name of our own: click writes UTF-8 to a stream whose encoding is called ascii."""
    if name != ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode,
        known.decode,
        known.streamreader,
        known.streamwriter,
        known.incrementalencoder,
        known.incrementaldecoder,
        name=ASCII,
    )
