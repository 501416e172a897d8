"""What says who a patient is, kept out of a cohort that is to tell nothing: columns, values, labels.

Labels and identifiers are digests with a secret that stays with the owner of the data: without it they cannot be found by
trying names or paths. Values of columns are compared with what the DICOM headers say of the patient in the same way: the
ledger holds keyed hashes, never the words.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from y90voxel.batch.identity_tokens import tokens_of
from y90voxel.batch.ledger import Ledger
from y90voxel.batch.study_units import Cell, digest_of
from y90voxel.cohort.cohort_outcomes import is_outcome
from y90voxel.errors import InputError, OutputError

__all__ = ["carried_columns", "check_labels_are_keyed", "marks_of", "owners_secret"]

CHECK, _CHECKED = "key_check", "y90voxel"
SECRET_BYTES = 32  # chosen: 256 bits are beyond any search


def owners_secret(out: Path, given: Path | None, ledger: Ledger) -> bytes:
    """Return the secret of a cohort that is to tell nothing; made when there is none.

    Parameters
    ----------
    out : Path
        The output folder; the secret lies beside it, so that the folder can be given away.
    given : Path or None
        Another place.
    ledger : Ledger
        Knows whether the secret is the one that earlier runs had.

    Raises
    ------
    InputError
        If the file is missing though earlier runs had one, holds another secret or none, or earlier runs had labels without
        a secret.
    OutputError
        If it cannot be written.
    """
    path = given or out.with_name(f"{out.name}.key")
    check_labels_are_keyed(ledger)
    before = ledger.value(CHECK)
    if not path.exists():
        if before is not None:
            raise InputError(
                "the key of this cohort is missing. Its labels cannot be made without it: put the file back beside the output "
                "folder (OUT.key) or name it with --key-file.",
                file=path,
                tag="--key-file",
            )
        _make(path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise InputError("the key of this cohort cannot be read.", file=path, tag="--key-file") from error
    check = digest_of(_CHECKED, secret)[:16]
    if len(secret) < SECRET_BYTES // 2 or (before is not None and before != check):
        raise InputError(
            "this is not the key that this cohort was computed with. Name the right one with --key-file.",
            file=path,
            tag="--key-file",
        )
    ledger.set_value(CHECK, check)
    return secret


def check_labels_are_keyed(ledger: Ledger) -> None:
    """Raise for a cohort whose labels are digests without a secret, as earlier versions made them.

    Raises
    ------
    InputError
        If it is one: whoever has such a label finds the study by trying paths, and it cannot be mixed with keyed ones.
    """
    if ledger.value(CHECK) is None and ledger.entries():
        raise InputError(
            "this output folder holds a cohort that was anonymised by an earlier version: its labels are digests without a key, "
            "which can be found by trying names of folders. Nothing was changed. Choose a new output folder, where all studies "
            "are computed with keyed labels, and delete the old one if it has not left your hands.",
            tag="output.anonymise",
        )


def _make(path: Path) -> None:
    """Make a secret that only its owner can read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(SECRET_BYTES) + "\n")
    except OSError as error:
        raise OutputError(
            f"the key of the cohort cannot be written beside its output folder: {error.strerror}. Name a place that "
            "stays with you with --key-file.",
            file=path,
            tag="--key-file",
        ) from error


def marks_of(tokens: Iterable[str], secret: bytes) -> list[str]:
    """Return keyed hashes of tokens."""
    return sorted(digest_of(token, secret) for token in tokens)


def carried_columns(
    columns: Mapping[str, Cell], marks: Sequence[str] | None, secret: bytes, keep: Sequence[str]
) -> dict[str, Cell]:
    """Return the columns of a study that tell nothing of its patient.

    Outcomes that are understood and columns that were asked for are carried, unless their value is one of the patient's
    own. Of a study whose headers were never read, only outcomes.

    Parameters
    ----------
    columns : mapping
        Of the manifest.
    marks : sequence of str or None
        Of the patient; None where nobody looked.
    secret : bytes
        What the marks were made with.
    keep : sequence of str
        Names of columns that were asked for.
    """
    wanted = {name.strip().casefold() for name in keep}
    own = set(marks or ())
    carried = {}
    for name, value in columns.items():
        chosen = is_outcome(name, value) or (marks is not None and name.strip().casefold() in wanted)
        if chosen and own.isdisjoint(marks_of(tokens_of(str(value)), secret)):
            carried[name] = value
    return carried
