"""Which series of an archive belong together: one emission image each, and what shares its coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath

from y90voxel.io.dicom.index import SeriesRole
from y90voxel.io.dicom.series_facts import SeriesFacts

__all__ = ["PairedStudy", "pair_series"]

COMPANIONS = (SeriesRole.CT, SeriesRole.REGIONS, SeriesRole.PLANAR, SeriesRole.REGISTRATION)
UNKNOWN_INTERVAL = timedelta.max


@dataclass
class PairedStudy:
    """Series that make one study.

    Parameters
    ----------
    study_uid : str
        Of its emission image, or of all of it when there is none.
    emission : list of SeriesFacts
        Reconstructions in one frame of reference; empty when the study has none.
    companions : list of SeriesFacts
        CT, regions, planar views and registrations.
    """

    study_uid: str
    emission: list[SeriesFacts]
    companions: list[SeriesFacts] = field(default_factory=list)

    @property
    def series(self) -> list[SeriesFacts]:
        """All series."""
        return [*self.emission, *self.companions]

    @property
    def frame_of_reference_uid(self) -> str | None:
        """Frame of reference of the emission image; without one, of the first series that states any."""
        if self.emission:
            return self.emission[0].frame_of_reference_uid
        return next((s.frame_of_reference_uid for s in self.companions if s.frame_of_reference_uid), None)

    @property
    def patients(self) -> set[str]:
        """Digests of its patients."""
        return {s.patient for s in self.series}

    @property
    def study_uids(self) -> set[str]:
        """Every study instance UID among its series."""
        return {s.study_uid for s in self.series}


def pair_series(series: Sequence[SeriesFacts]) -> tuple[list[PairedStudy], list[PairedStudy]]:
    """Return the studies of an archive, and what belongs to none.

    A study has the emission images of one patient, one StudyInstanceUID and one frame of reference. Every other
    series goes to the emission images of its own study and frame; else to those of its own study; else to those
    of another study in its frame. Where several fit, the one nearest in time takes it, and of copies the one
    nearest in the tree.

    Parameters
    ----------
    series : sequence of SeriesFacts
        What the archive holds.

    Returns
    -------
    studies, left_over : list of PairedStudy
        The second have no emission image; they are grouped by StudyInstanceUID.
    """
    studies: list[PairedStudy] = []
    near = _Neighbours()
    for one in series:
        if one.role is SeriesRole.EMISSION:
            same = [study for study in near.of(one) if _belongs(one, study)]
            study = max(same, key=lambda study: _nearness(one, study), default=None)
            if study is None:
                study = PairedStudy(one.study_uid, [])
                studies.append(study)
            study.emission.append(one)
            near.add(study)
    copies: dict[tuple[str, str, str], list[SeriesFacts]] = {}
    for one in series:
        copies.setdefault((one.study_uid, one.uid, one.patient), []).append(one)
    left_over: dict[tuple[str, str, str], PairedStudy] = {}
    for one in series:
        if one.role not in COMPANIONS:
            continue
        same_series = copies[one.study_uid, one.uid, one.patient]
        study = _study_of(one, near.of(one))
        if study is not None and any(_nearness(c, study) > _nearness(one, study) for c in same_series):
            study = None  # a copy whose emission image is missing: that study has its own
        if study is None:
            top = one.files[0].partition("/")[0] if len(same_series) > 1 else ""
            study = left_over.setdefault((one.study_uid, one.patient, top), PairedStudy(one.study_uid, []))
        study.companions.append(one)
    _add_left_out_images(series, [*studies, *left_over.values()])
    return studies, list(left_over.values())


class _Neighbours:
    """Studies by what a series may share with them, so that not every series looks at every study."""

    def __init__(self) -> None:
        self._by_study: dict[str, dict[int, PairedStudy]] = {}
        self._by_frame: dict[str, dict[int, PairedStudy]] = {}
        self._order: dict[int, int] = {}

    def add(self, study: PairedStudy) -> None:
        """Take up a study that has its first emission image."""
        number = self._order.setdefault(id(study), len(self._order))
        self._by_study.setdefault(study.study_uid, {})[number] = study
        if study.frame_of_reference_uid is not None:
            self._by_frame.setdefault(study.frame_of_reference_uid, {})[number] = study

    def of(self, one: SeriesFacts) -> list[PairedStudy]:
        """Return the studies with the StudyInstanceUID or the frame of reference of a series, in their order."""
        studies = dict(self._by_study.get(one.study_uid, {}))
        if one.frame_of_reference_uid is not None:
            studies |= self._by_frame.get(one.frame_of_reference_uid, {})
        return [studies[number] for number in sorted(studies)]


def _belongs(one: SeriesFacts, study: PairedStudy) -> bool:
    """Return whether an emission image is another reconstruction of a study's, not a copy of one in another folder."""
    first = study.emission[0]
    return (one.study_uid, one.frame_of_reference_uid, one.patient) == (
        first.study_uid, first.frame_of_reference_uid, first.patient,
    ) and all(one.uid != other.uid for other in study.emission)  # fmt: skip


def _study_of(one: SeriesFacts, studies: Iterable[PairedStudy]) -> PairedStudy | None:
    """Return the study that a series belongs to."""
    frame = one.frame_of_reference_uid
    ranks: dict[int, list[PairedStudy]] = {1: [], 2: [], 3: [], 4: []}
    for study in studies:
        same_study = study.study_uid == one.study_uid
        same_frame = frame is not None and frame == study.frame_of_reference_uid
        if one.patient == study.emission[0].patient:
            if same_study or same_frame:
                ranks[1 if same_study and same_frame else 2 if same_study else 3].append(study)
        elif same_study:  # the run will say that patients are mixed
            ranks[4].append(study)
    fitting = next((candidates for candidates in ranks.values() if candidates), [])
    return min(fitting, key=lambda study: (_interval(one, study), -_nearness(one, study)), default=None)


def _interval(one: SeriesFacts, study: PairedStudy) -> timedelta:
    """Return the time between a series and the emission images of a study."""
    times = [e.taken for e in study.emission if e.taken is not None]
    if one.taken is None or not times:
        return UNKNOWN_INTERVAL
    return min(abs(one.taken - time) for time in times)


def _nearness(one: SeriesFacts, study: PairedStudy) -> int:
    """Return how many folders a series shares with the emission image of a study, from the archive down."""
    here, there = (PurePosixPath(name).parts for name in (one.files[0], study.emission[0].files[0]))
    return next((i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), len(here))


def _add_left_out_images(series: Sequence[SeriesFacts], studies: Sequence[PairedStudy]) -> None:
    """Add localizers and the like to the studies whose series they are part of, so that they are named there."""
    study_of = {(s.study_uid, s.uid): study for study in studies for s in study.series}
    for one in series:
        study = study_of.get((one.study_uid, one.uid))
        if one.role is SeriesRole.OTHER and study is not None:
            study.companions.append(one)
