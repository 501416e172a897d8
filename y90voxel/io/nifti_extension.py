"""What stands between header and voxels of a NIfTI-1 file: its extensions, and the names of labels in them.

References
----------
NIfTI-1 extension, https://nifti.nimh.nih.gov/nifti-1/documentation/nifti1fields/nifti1fields_pages/extension.html :
four bytes after the header, the first of them not 0; then size, code and content of each.
Caret ``LabelTable``, as in GIFTI 1.0 (Harwell et al., 2008), which TotalSegmentator writes for its multi-label image.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import numpy as np

from y90voxel.errors import InputError

__all__ = ["extension_contents", "label_table"]

# Names of labels take a few kB; more than this is no table of them.
LARGEST_TABLE_BYTES = 4 << 20
_LABEL = re.compile(r"<Label\b([^>]*)>(.*?)</Label>", re.DOTALL)
_KEY = re.compile(r"""\bKey\s*=\s*["']\s*([0-9]{1,9})\s*["']""")


def extension_contents(flag: bytes, content: bytes, *, big_endian: bool, path: str | Path) -> list[bytes]:
    """Return the content of each extension.

    Parameters
    ----------
    flag : bytes
        The four bytes after the header.
    content : bytes
        What stands between these and the voxels.
    big_endian : bool
        Byte order of the file.
    path : path-like
        For the message.

    Raises
    ------
    InputError
        If the extensions are longer than the place before the voxels: then vox_offset points into them.
    """
    if not flag[:1].strip(b"\0"):
        return []
    order = np.dtype(">i4" if big_endian else "<i4")
    contents, place = [], 0
    while place + 8 <= len(content):
        size = int(np.frombuffer(content, order, 1, place)[0])
        if size < 8:
            break
        if place + size > len(content):
            raise InputError(
                f"{path}: vox_offset says that voxels begin at byte {352 + len(content)}, but a header extension of {size} "
                f"bytes begins at byte {352 + place}: one of them is wrong. Write the file again.",
                file=path,
                tag="vox_offset",
            )
        contents.append(content[place + 8 : place + size])
        place += size
    return contents


def label_table(contents: list[bytes]) -> dict[int, str]:
    """Return {value: name} of the label table in the extensions, without the background; empty where there is none.

    Examples
    --------
    >>> label_table([b"<LabelTable><Label Key='5' Red='0'><![CDATA[liver]]></Label></LabelTable>"])
    {5: 'liver'}
    """
    names: dict[int, str] = {}
    for content in contents:
        if b"<LabelTable" not in content or len(content) > LARGEST_TABLE_BYTES:
            continue
        for attributes, inner in _LABEL.findall(content.decode("utf-8", "replace")):
            key = _KEY.search(attributes)
            name = re.sub(r"<!\[CDATA\[(.*?)\]\]>", r"\1", unescape(inner), flags=re.DOTALL).strip()
            if key is not None and int(key[1]) != 0 and name:
                names[int(key[1])] = name
    return names
