"""Times of the JSON beside a PET image: of the scan, its frame, the injection, and what decay was corrected to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path

from y90voxel.errors import InputError, Notice
from y90voxel.io.sidecar_values import SidecarValues
from y90voxel.quantification.decay import frame_decay_factor
from y90voxel.quantification.emission import DecayReference

__all__ = ["SidecarTimes"]

# Clocks of one system agree so well; decay of Y-90 over it is 0.02 %.
SAME_INSTANT_S = 60.0
# From the start of the scan to a later frame whose values refer to that start.
LONGEST_SCAN_S = 3600.0
# A stated decay factor may differ so much from that of the stated times.
SAME_FACTOR = 0.02
# The day of times without a date: only differences between them count.
NO_DAY = date(1900, 1, 1)
DAY_S = 86400.0  # exact [s]


@dataclass
class SidecarTimes:
    """When an image was measured, and what its values refer to.

    Parameters
    ----------
    values : SidecarValues
        What the side-car holds.
    notices : list of Notice
        Gets what is assumed.
    """

    values: SidecarValues
    notices: list[Notice] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file."""
        return self.values.path

    def frames(self) -> tuple[list[float], list[float]]:
        """Return start after TimeZero and duration of the frames [s]; refuse more than the one of the image."""
        starts, durations = self.values.numbers("FrameTimesStart"), self.values.numbers("FrameDuration")
        for key, values in (("FrameTimesStart", starts), ("FrameDuration", durations)):
            if len(values) > 1:
                raise InputError(
                    f"{key} of {self.path} has {len(values)} frames, but the image is one volume: which of them it is, is not "
                    "known. Take out the frame that is meant, with its own times.",
                    file=self.path,
                    tag=key,
                )
        if durations and durations[0] <= 0:
            raise InputError(
                f"FrameDuration of {self.path} is {durations[0]:g} s; it must be above 0. Correct it.",
                file=self.path,
                tag="FrameDuration",
            )
        return starts, durations

    def moments(self, starts: list[float]) -> tuple[datetime | None, datetime | None, bool]:
        """Return acquisition, administration, and whether their day is not known."""
        scan, frame = self.values.number("ScanStart"), starts[0] if starts else None
        if scan is not None and frame is not None and abs(scan - frame) > SAME_INSTANT_S:
            raise InputError(
                f"ScanStart of {self.path} is {scan:g} s and FrameTimesStart {frame:g} s after TimeZero, but the image has one "
                "frame: one of both is wrong (both count from TimeZero). Correct the file.",
                file=self.path,
                tag="FrameTimesStart",
            )
        begun = frame if frame is not None else scan
        acquired = self.instant(begun, None)
        stated = self._stated()
        if acquired is not None and stated is not None and self.values.text("TimeZero"):
            apart = abs((acquired - stated).total_seconds())
            if not self._has_day():
                apart = min(apart % DAY_S, DAY_S - apart % DAY_S)
            if apart > SAME_INSTANT_S:
                raise InputError(
                    f"{self.path} states the acquisition twice: {stated:%H:%M:%S} (AcquisitionTime), and {acquired:%H:%M:%S} by "
                    "TimeZero and ScanStart. One of both is wrong: correct the file.",
                    file=self.path,
                    tag="AcquisitionTime",
                )
        injected = self.instant(self.values.number("InjectionStart"), None)
        acquired = acquired or stated
        if acquired is None or self._has_day():
            return acquired, injected, False
        message = (
            f"{self.path.name} states times without a date (ScanDate): time from administration to acquisition is taken from "
            "them. To state the administration otherwise, give --time and --acquisition-time."
        )
        self.notices.append(Notice("date-not-stated", message))
        return acquired, injected, True

    def instant(self, seconds: float | None, absent: datetime | None) -> datetime | None:
        """Return the instant so many seconds after TimeZero."""
        if seconds is None:
            return absent
        clock = self.values.text("TimeZero")
        zero = self.values.clock("TimeZero", clock) if clock else time()
        return datetime.combine(self._day(), zero, self._zone()) + timedelta(seconds=seconds)

    def _stated(self) -> datetime | None:
        """Return the acquisition as a clock states it."""
        written = self.values.text("AcquisitionDateTime")
        if written:
            return self.values.moment("AcquisitionDateTime", written)
        clock = self.values.text("AcquisitionTime")
        return (
            datetime.combine(self._day(), self.values.clock("AcquisitionTime", clock), self._zone())
            if clock
            else None
        )

    def _has_day(self) -> bool:
        """Whether a date is stated."""
        return bool(self.values.text("ScanDate") or self.values.text("AcquisitionDateTime"))

    def _day(self) -> date:
        """Return the day of the scan."""
        if stated := self.values.text("ScanDate"):
            return self.values.moment("ScanDate", stated).date()
        if stated := self.values.text("AcquisitionDateTime"):
            return self.values.moment("AcquisitionDateTime", stated).date()
        return NO_DAY

    def _zone(self) -> tzinfo | None:
        """Return the zone of all clocks, where one is stated."""
        stated = self.values.text("AcquisitionDateTime")
        return self.values.moment("AcquisitionDateTime", stated).tzinfo if stated else None

    def reference(self) -> tuple[DecayReference | None, float | None]:
        """Return what the values refer to, and when that was after TimeZero [s]."""
        named = self.values.text("DecayCorrection").upper()
        corrected, moment = (
            self.values.document.get("ImageDecayCorrected"),
            self.values.number("ImageDecayCorrectionTime"),
        )
        if corrected not in (None, True, False):
            raise InputError(
                f"ImageDecayCorrected of {self.path} is {corrected!r}; write true or false.",
                file=self.path,
                tag="ImageDecayCorrected",
            )
        by_name = DecayReference(named) if named in DecayReference.__members__ else None
        by_time = DecayReference.NONE if corrected is False else None
        if corrected is not False and moment is not None:
            by_time = self._nearest(moment)
        if by_name is not None and (
            (by_time is not None and by_time is not by_name)
            or (corrected is True and by_name is DecayReference.NONE)
        ):
            raise InputError(
                f"DecayCorrection of {self.path} is {named}, but ImageDecayCorrected is {str(corrected).lower()} and "
                f"ImageDecayCorrectionTime {'missing' if moment is None else f'{moment:g} s'}. One of them is wrong: correct the "
                "file.",
                file=self.path,
                tag="DecayCorrection",
            )
        return by_time or by_name, moment if corrected is not False else None

    def _nearest(self, moment_s: float) -> DecayReference:
        """Return whether values refer to the administration or to the start of the scan."""
        offsets = (
            (DecayReference.ADMIN, self.values.number("InjectionStart"), SAME_INSTANT_S),
            (
                DecayReference.START,
                self._begun_s(self.values.numbers("FrameTimesStart")),
                LONGEST_SCAN_S,
            ),
        )
        for reference, instant_s, before_s in offsets:
            if instant_s is not None and -SAME_INSTANT_S <= instant_s - moment_s <= before_s:
                return reference
        offsets_text = ", ".join(
            f"{r.value} {'not stated' if s is None else f'{s:g} s'}" for r, s, _ in offsets
        )
        raise InputError(
            f"ImageDecayCorrectionTime of {self.path} is {moment_s:g} s after TimeZero, which is neither the injection nor the "
            f"scan ({offsets_text}). Export the image corrected to one of them, or correct the file.",
            file=self.path,
            tag="ImageDecayCorrectionTime",
        )

    def check_factor(
        self, reference_s: float | None, starts: list[float], duration: float | None, half_life: float | None
    ) -> None:
        """Refuse a decay factor that is not that of the stated times."""
        factors = self.values.numbers("DecayCorrectionFactor") or self.values.numbers("DecayFactor")
        if len(factors) != 1 or reference_s is None or half_life is None:
            return
        begun = self._begun_s(starts)
        if begun is None:
            return
        expected = 2.0 ** min((begun - reference_s) / half_life, 1000.0)
        with_frame = expected * frame_decay_factor(duration or 0.0, half_life)
        if min(abs(factors[0] / one - 1) for one in (expected, with_frame)) <= SAME_FACTOR:
            return
        raise InputError(
            f"DecayCorrectionFactor of {self.path} is {factors[0]:g}, but its times mean {with_frame:.4f} "
            f"({(begun - reference_s) / 3600:.2f} h at a half-life of {half_life / 3600:.4g} h). One of them is wrong: correct "
            "the file.",
            file=self.path,
            tag="DecayCorrectionFactor",
        )

    def _begun_s(self, starts: list[float]) -> float | None:
        """Return the start of the frame, else of the scan, after TimeZero [s]."""
        return starts[0] if starts else self.values.number("ScanStart")
