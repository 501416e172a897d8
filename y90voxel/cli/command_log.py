"""The log of a command, by `logging`: ``-v`` shows it on stderr, ``--log-file`` adds it to a file."""

from __future__ import annotations

import inspect
import logging
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from typer import Option

from y90voxel.errors import InputError
from y90voxel.version import __version__

__all__ = ["LOGGER", "LogFile", "Verbose", "command_log", "is_verbose", "start_log", "with_log_options"]

LOGGER = logging.getLogger("y90voxel")
LOGGER.addHandler(logging.NullHandler())  # else warnings would go to stderr by themselves, and twice
FORMAT = "%(asctime)s %(levelname)-7s %(message)s"

Verbose = Annotated[
    bool, Option("-v", "--verbose", help="Log what is done to stderr, with the time of each step.")
]
LogFile = Annotated[
    Path | None,
    Option("--log-file", metavar="FILE", help="Add the log to a file; faults with all their details."),
]


class _LogToFile(logging.FileHandler):
    """A log file that ends, with one sentence, where its disk takes no more: the command itself goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging calls it so
        """Say it once and take no more."""
        self.setLevel(logging.CRITICAL + 1)
        reason = sys.exc_info()[1]
        sys.stderr.write(f"y90voxel: the log file {self.baseFilename} ends here: {reason}.\n")

    def close(self) -> None:
        """Close the file, whether or not the disk takes what is left."""
        with suppress(OSError):
            super().close()


def with_log_options(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options ``-v`` and ``--log-file`` after its own."""
    hints = get_type_hints(function, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(function).parameters.values()]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, default, annotation in (("verbose", False, Verbose), ("log_file", None, LogFile))
    ]

    def call(*, verbose: bool, log_file: Path | None, **typed: Any) -> None:
        start_log(verbose, log_file)
        function(**typed)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__annotations__ = {p.name: p.annotation for p in (*own, *more)}
    call.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]  # typer reads it
    return call


def start_log(verbose: bool, log_file: Path | None) -> None:
    """Begin to log, to stderr or to the end of a file.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    handlers: list[logging.Handler] = []
    if verbose and not is_verbose():
        console = logging.StreamHandler(sys.stderr)
        console.addFilter(lambda record: not getattr(record, "printed", False))
        console.setLevel(logging.INFO)
        handlers.append(console)
    if log_file is not None:
        try:
            handlers.append(_LogToFile(log_file, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise InputError(
                f"cannot write the log file {log_file}: {error.strerror or error}. Give a file in a folder that exists.",
                file=log_file,
                tag="--log-file",
            ) from error
    if not handlers:
        return
    logging.captureWarnings(True)
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT))
        for logger in (LOGGER, logging.getLogger("py.warnings")):
            logger.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    where = f"Python {platform.python_version()}, {platform.platform()}"
    text = f"y90voxel {__version__}, {where}: {_command()}"
    begin = LOGGER.makeRecord(LOGGER.name, logging.INFO, "", 0, text, (), None)
    for handler in handlers:  # those of an earlier call have it
        handler.handle(begin)


def is_verbose() -> bool:
    """Whether the log is shown on stderr."""
    return any(type(handler) is logging.StreamHandler for handler in LOGGER.handlers)


@contextmanager
def command_log() -> Iterator[None]:
    """Log how a command ended and how long it took; then end the log."""
    started = time.perf_counter()
    try:
        yield
    except SystemExit as stop:
        LOGGER.log(
            logging.INFO if not stop.code else logging.ERROR, "ended with exit code %s", stop.code or 0
        )
        raise
    except BaseException as error:
        if _anonymous():  # an error that was made nameless has the names in those it came from
            LOGGER.error("%s: %s", type(error).__name__, getattr(error, "message", "not shown"))
        else:
            LOGGER.error("%s: %s", type(error).__name__, error, extra={"printed": True})
            LOGGER.debug("where it came from", exc_info=error)
        raise
    finally:
        LOGGER.info("%.2f s", time.perf_counter() - started)
        _end_log()


def _end_log() -> None:
    """Close what was opened."""
    for handler in [h for h in LOGGER.handlers if not isinstance(h, logging.NullHandler)]:
        for logger in (LOGGER, logging.getLogger("py.warnings")):
            logger.removeHandler(handler)
        handler.close()
    logging.captureWarnings(False)
    LOGGER.setLevel(logging.NOTSET)


def _command() -> str:
    """The command as typed; without its arguments where they may name a patient."""
    typed = sys.argv[1:]
    shown = typed[:1] if _anonymous() else typed
    return " ".join(f'"{word}"' if " " in word else word for word in shown)


def _anonymous() -> bool:
    """Whether nothing may tell who the patient is."""
    return "--anonymise" in sys.argv
