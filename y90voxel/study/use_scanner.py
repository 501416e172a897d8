"""A scanner file in a run: merged into the settings before the study is read, compared with its images afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace

from y90voxel.case.scanner_settings import with_scanner
from y90voxel.case.settings import StudySettings
from y90voxel.errors import Notice
from y90voxel.io.scanner_file import read_scanner
from y90voxel.quantification.scanner import Scanner, check_scanner
from y90voxel.study.study import Study, file_record

__all__ = ["UsedScanner", "use_scanner"]


@dataclass(frozen=True)
class UsedScanner:
    """A scanner file in a run; one without a file changes nothing.

    Parameters
    ----------
    scanner : Scanner or None
        What it knows.
    notices : tuple of Notice
        What was said of the settings.
    rate_cps, duration_s : float or None
        Observed count rate [1/s] and duration of the acquisition [s] as stated.
    """

    scanner: Scanner | None = None
    notices: tuple[Notice, ...] = ()
    rate_cps: float | None = None
    duration_s: float | None = None

    def checked(self, study: Study) -> Study:
        """Return the study with the files among its inputs and what could not be checked among its notices.

        Raises
        ------
        InputError
            If an image is of another nuclide, kind, reconstruction, filter or voxel size than the phantom.
        """
        if self.scanner is None:
            return study
        scanner_notices = [
            notice
            for emission in study.emissions
            for notice in check_scanner(
                self.scanner, emission, rate_cps=self.rate_cps, duration_s=self.duration_s
            )
        ]
        files = [file_record(self.scanner.path, "scanner")]
        if self.scanner.recovery_file is not None:
            files.append(file_record(self.scanner.recovery_file, "recovery"))
        notices = tuple(dict.fromkeys((*study.notices, *self.notices, *scanner_notices)))
        return replace(study, notices=notices, inputs=(*study.inputs, *files))


def use_scanner(settings: StudySettings, *, plans: bool = False) -> tuple[StudySettings, UsedScanner]:
    """Return the settings with those of their scanner file, and what it is compared by.

    Parameters
    ----------
    settings : StudySettings
        As given.
    plans : bool
        Whether they are for `plan`.

    Raises
    ------
    InputError
        If the file cannot be used, or contradicts the settings.
    """
    if settings.scanner is None:
        return settings, UsedScanner()
    scanner = read_scanner(settings.scanner)
    settings, notices = with_scanner(settings, scanner, plans=plans)
    rate = None if settings.dead_time is None else settings.dead_time.observed_rate_cps
    return settings, UsedScanner(scanner, tuple(notices), rate, settings.dose.acquisition_duration_s)
