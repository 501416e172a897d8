"""Earlier treatments in the limits of a plan: what result folders say that lungs and limited regions have had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from y90voxel.case.plan_settings import AimSettings
from y90voxel.case.settings import StudySettings
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.plan_fractions import read_rtdose_facts
from y90voxel.io.json_files import read_json
from y90voxel.metrics.radiobiology import bed
from y90voxel.planning.aims import Metric, MetricKind, parse_metric
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.reference.nuclide import nuclide as nuclide_record
from y90voxel.regions.regions import Region
from y90voxel.study.result_folder import DoseFolder, read_dose_folder
from y90voxel.units import SECONDS_PER_HOUR

__all__ = ["PreviousTreatments", "with_previous_treatments"]


@dataclass(frozen=True)
class PreviousTreatments:
    """Settings of a plan with earlier treatments counted.

    Parameters
    ----------
    settings : StudySettings
        With lung doses, earlier parts of limits and the pretreated liver filled in.
    notices : tuple of Notice
        What was counted, and what could not be.
    identities : tuple of StudyIdentity
        Whose the earlier doses are, where their folders say so.
    """

    settings: StudySettings
    notices: tuple[Notice, ...] = ()
    identities: tuple[StudyIdentity, ...] = ()

    def check_patient(self, identity: StudyIdentity) -> None:
        """Refuse earlier treatments of another patient.

        Raises
        ------
        DicomError
            If the patients differ.
        """
        for other in self.identities:
            identity.check_patient(other, "the study", "an earlier treatment (plan.previous)")


def with_previous_treatments(settings: StudySettings) -> PreviousTreatments:
    """Return the settings with what the folders of `plan.previous` gave.

    Absorbed dose counts for the lungs' limit over all treatments and for limits of the user on mean doses, mean BED (with the
    parameters of the limit, no cross term: the earlier dose is taken as given and repaired) for those on BED. Limits of the table
    are of one treatment.

    Parameters
    ----------
    settings : StudySettings
        As typed.

    Raises
    ------
    InputError
        If a folder is none of `dose`, is given twice, or contradicts what is typed.
    """
    paths = [Path(path) for path in settings.plan.previous]
    if not paths:
        return PreviousTreatments(settings)
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError(
            "a folder is given twice (--previous): a treatment counts once.", tag="plan.previous"
        )
    if settings.plan.pretreated is False:
        raise InputError(
            "earlier treatments are given (--previous) for a liver that was not treated before (pretreated = false): take one "
            "of both back.",
            tag="plan.pretreated",
        )
    read = [(path, read_dose_folder(path), read_json(path / "metrics.json")) for path in paths]
    lungs = [*(settings.plan.previous_lung_doses_gy or ())]
    notices = []
    for number, (path, _, document) in enumerate(read, 1):
        name = f"earlier treatment {number}" + ("" if settings.output.anonymise else f" ({path.name})")
        mean = document["lung"].get(limiting_convention().dose_key)
        if mean is None:
            raise InputError(
                f"{path.name} states no lung dose, which the lungs' limit over all treatments counts: state it "
                "(--previous-lung-dose) and leave the folder out.",
                file=path,
            )
        lungs.append(float(mean))
        what = "predicted from a surrogate, " if document["predicted"] else ""
        notices.append(Notice("previous-treatment", f"{name}: {what}{mean:.4g} Gy to the lungs counted."))
    folders = [folder for _, folder, _ in read]
    limits = [_with_earlier(limit, folders, notices) for limit in settings.plan.limit]
    changed = settings.changed(
        plan={
            "previous_lung_doses_gy": lungs,
            "pretreated": True,
            "limit": limits,
        }
    )
    identities = [
        read_rtdose_facts(path / "dose.dcm").identity for path in paths if (path / "dose.dcm").is_file()
    ]
    return PreviousTreatments(changed, tuple(notices), tuple(identities))


def _with_earlier(limit: AimSettings, folders: Sequence[DoseFolder], notices: list[Notice]) -> AimSettings:
    """A limit of the user with what earlier treatments used of it."""
    if limit.previous:
        raise InputError(
            f"the limit on {limit.region} states what earlier treatments used ({limit.previous:g}), and folders of earlier "
            "treatments are given (--previous): leave one of both out.",
            tag="plan.limit.previous",
        )
    metric = parse_metric(limit.metric, limit.parameters)
    what = f"{limit.region} {metric}"
    if metric.kind not in (MetricKind.MEAN, MetricKind.MEAN_BED):
        message = f"earlier treatments are not counted in the limit on {what}: only mean doses and mean BED add up by region."
        notices.append(Notice("previous-not-counted", message))
        return limit
    used = 0.0
    for number, folder in enumerate(folders, 1):
        region = _region(limit.region, folder.side.regions)
        if region is None or not region.mask.array.any():
            held = "no region" if region is None else "no voxel of"
            message = f"earlier treatment {number} has {held} {limit.region!r}: it is not counted in the limit on {what}."
            notices.append(Notice("previous-not-counted", message))
            continue
        used += _earlier_value(folder, region, metric)
    if used > 0:
        notices.append(
            Notice("previous-counted", f"limit on {what}: {used:.4g} Gy of earlier treatments counted.")
        )
    return limit.model_copy(update={"previous": used})


def _region(name: str, regions: Sequence[Region]) -> Region | None:
    """The region of a name, else the only one of a role."""
    named = [region for region in regions if region.name.casefold() == name.casefold()]
    of_role = [
        region for region in regions if region.role.value.replace("_", " ") == name.replace("_", " ").lower()
    ]
    return next((candidates[0] for candidates in (named, of_role) if len(candidates) == 1), None)


def _earlier_value(folder: DoseFolder, region: Region, metric: Metric) -> float:
    """Mean absorbed dose, or mean BED with the parameters of the limit [Gy]."""
    if metric.kind is MetricKind.MEAN:
        stated = folder.side.stated.get(region.name)
        if stated is not None and stated.mass_weighted_mean_gy is not None:
            return float(stated.mass_weighted_mean_gy)
    weights = region.mask.array
    values: Any = folder.side.dose.array.clip(0.0)
    if metric.kind is MetricKind.MEAN_BED:
        parameters = metric.parameters
        repair_s = parameters["repair_half_time_h"] * SECONDS_PER_HOUR
        half_life_s = nuclide_record(str(folder.side.nuclide)).half_life_s
        values = bed(values, parameters["alpha_beta_gy"], repair_s, half_life_s)
    return float((weights * values).sum() / weights.sum())
