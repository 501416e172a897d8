"""What a patient is recognised by in a text, however it is written."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["identity_tokens", "tokens_of"]

SHORTEST_WORD = 2  # letters; chosen: single ones are initials or articles and would match every text
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})\D?(\d{2})\D?(\d{2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})\D(\d{1,2})\D(\d{4}|\d{2})(?!\d)")


def identity_tokens(name: str, identifier: str, birth_date: str) -> list[str]:
    """Return what a patient's name, identifier and birth date are recognised by, however they are written.

    Examples
    --------
    >>> identity_tokens("DOE^JOHN", "H-0042", "19500102")
    ['0042', '0042h', 'date:19500102', 'doe', 'doejohn', 'h0042', 'john']
    """
    return sorted(tokens_of(name) | tokens_of(identifier) | tokens_of(birth_date))


def tokens_of(text: str) -> set[str]:
    """Return words, all of them in one in the order of the alphabet, the text without separators, and dates."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(c))
    words = [word for word in re.split(r"[\W_^]+", plain) if word]
    tokens = {word for word in words if len(word) >= SHORTEST_WORD}
    if words:
        tokens |= {"".join(words), "".join(sorted(words))}
    for year, month, day in _YEAR_FIRST.findall(plain):
        tokens |= {f"date:{year}{month}{day}"}
    for first, second, year in _YEAR_LAST.findall(plain):
        for century in ("",) if len(year) > 2 else ("19", "20"):
            tokens |= {
                f"date:{century}{year}{second:0>2}{first:0>2}",
                f"date:{century}{year}{first:0>2}{second:0>2}",
            }
    return tokens - {word for word in tokens if len(word) < SHORTEST_WORD} - _dates_as_words(plain)


def _dates_as_words(text: str) -> set[str]:
    """Dates in one word, which stand as dates already, and their parts."""
    return {word for match in _YEAR_FIRST.finditer(text) for word in re.split(r"\D", match[0])} | {
        word for match in _YEAR_LAST.finditer(text) for word in re.split(r"\D", match[0])
    }
