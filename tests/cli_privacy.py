"""Search outputs for what must not be there, inside everything that is packed."""

import base64
import gzip
import re
import struct
import zlib


def layers(content):
    """The content itself and everything that is packed inside it: gzip, PNG text and base64."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield content[3:300]
        yield from layers(gzip.decompress(content))
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        place = 8
        while place + 8 <= len(content):
            length, kind = struct.unpack(">I4s", content[place : place + 8])
            chunk = content[place + 8 : place + 8 + length]
            if kind == b"zTXt":
                yield zlib.decompress(chunk.split(b"\0", 1)[1][1:])
            place += 12 + length
    for packed in re.findall(rb"[A-Za-z0-9+/]{400,}={0,2}", content):
        try:
            yield from layers(base64.b64decode(packed + b"=" * (-len(packed) % 4)))
        except (ValueError, OSError, EOFError):
            continue


def leaks(files, secrets):
    found = []
    for name, content in files.items():
        for layer in layers(content):
            low = layer.lower()
            for secret in secrets:
                forms = (secret.lower().encode(), secret.lower().encode("utf-16-le"))
                found += [(name, secret) for form in forms if form in low]
    return found


def files_below(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
