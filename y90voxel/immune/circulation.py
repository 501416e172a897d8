"""The circulation as compartments that blood moves between: fractions, transit times, generator, a tumour beside the liver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.immune.reference_blood import PORTAL, ReferenceBlood, Sex, reference_blood
from y90voxel.short_repr import short_repr

__all__ = ["Circulation", "reference_circulation"]

Array = NDArray[np.float64]
# Shares of a whole may miss 1, and flows each other, by this much: the table of the reference woman sums to 99.98 %.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Circulation:
    """Blood in compartments, each well mixed, with constant flows between them.

    Parameters
    ----------
    names : tuple of str, (n,)
        Compartments.
    volumes_l : ndarray, (n,)
        Blood in each [L].
    flows_l_per_s : ndarray, (n, n)
        Flow from the compartment of the row to that of the column [L/s].

    Raises
    ------
    InputError
        If shapes do not fit, names repeat, a volume is not positive, a flow is negative, or what flows into a compartment does
        not flow out of it.

    Examples
    --------
    >>> body = reference_circulation("male")
    >>> len(body.names), round(body.fraction("liver"), 3)
    (28, 0.1)
    """

    names: tuple[str, ...]
    volumes_l: Array
    flows_l_per_s: Array = field(repr=False)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        object.__setattr__(self, "volumes_l", np.array(self.volumes_l, float))
        object.__setattr__(self, "flows_l_per_s", np.array(self.flows_l_per_s, float))
        count = len(self.names)
        if self.volumes_l.shape != (count,) or self.flows_l_per_s.shape != (count, count):
            raise InputError(
                f"{count} compartments need as many volumes and {count} × {count} flows, got volumes of shape "
                f"{self.volumes_l.shape} and flows of shape {self.flows_l_per_s.shape}."
            )
        if len(set(self.names)) < count:
            raise InputError(f"compartments must have different names, got {', '.join(self.names)}.")
        for name, volume in zip(self.names, self.volumes_l, strict=True):
            check_positive(float(volume), f"the blood volume of {name!r}", "L")
        if not (np.isfinite(self.flows_l_per_s).all() and self.flows_l_per_s.min() >= 0):
            raise InputError(f"flows must not be negative, the lowest is {self.flows_l_per_s.min():g} L/s.")
        into, out = self.flows_l_per_s.sum(0), self.flows_l_per_s.sum(1)
        worst = int(np.argmax(np.abs(into - out) / np.maximum(out, 1e-300)))
        if not np.allclose(into, out, rtol=SUM_TOLERANCE, atol=0.0) or not out.min() > 0:
            raise InputError(
                f"into {self.names[worst]!r} flow {into[worst]:.4g} L/s and out of it {out[worst]:.4g} L/s: flows must be "
                "positive and balance in every compartment."
            )

    def index(self, name: str) -> int:
        """Return the place of a compartment.

        Raises
        ------
        InputError
            If there is none of that name; the message lists them.
        """
        if name not in self.names:
            raise InputError(
                f"there is no compartment {name!r}; the circulation has {', '.join(self.names)}."
            )
        return self.names.index(name)

    @property
    def total_volume_l(self) -> float:
        """Total blood volume V_T [L]."""
        return float(self.volumes_l.sum())

    @property
    def fractions(self) -> Array:
        """Share of the blood in each compartment f_i = V_i / V_T, (n,); the stationary distribution of `generator`."""
        return self.volumes_l / self.total_volume_l

    def fraction(self, name: str) -> float:
        """Return the share of the blood in one compartment."""
        return float(self.fractions[self.index(name)])

    @property
    def transit_times_s(self) -> Array:
        """Mean transit time V_i / Q_i of each compartment, (n,) [s]."""
        return np.asarray(self.volumes_l / self.flows_l_per_s.sum(1))

    @property
    def generator(self) -> Array:
        """Generator of the Markov chain of one cell, (n, n) [1/s]: rates Q_ij / V_i, rows that sum to zero."""
        rates = self.flows_l_per_s / self.volumes_l[:, None]
        np.fill_diagonal(rates, 0.0)
        return np.asarray(rates - np.diag(rates.sum(1)))

    @property
    def transition_probabilities(self) -> Array:
        """Probability to go from the compartment of the row to that of the column on leaving it, (n, n)."""
        return np.asarray(self.flows_l_per_s / self.flows_l_per_s.sum(1, keepdims=True))

    def doses_by_compartment(self, doses_gy: Mapping[str, float]) -> Array:
        """Return the doses by compartment in the order of `names`, 0 where none is given, (n,) [Gy].

        Raises
        ------
        InputError
            If a name is unknown, or a dose negative or not finite.
        """
        doses = np.zeros(len(self.names))
        for name, dose in doses_gy.items():
            if not (np.isfinite(dose) and dose >= 0):
                raise InputError(f"the dose of the blood in {name!r} must not be negative, got {dose} Gy.")
            doses[self.index(name)] = dose
        return doses

    def scaled(self, total_volume_l: float, cardiac_output_l_per_min: float | None = None) -> Circulation:
        """Return the circulation with another total volume; flows follow it, or have another sum.

        Parameters
        ----------
        total_volume_l : float
            Total blood volume [L].
        cardiac_output_l_per_min : float or None
            Outflow of the compartment with the greatest flow, the heart [L/min]; None scales it with the volume, so that transit
            times stay.

        Raises
        ------
        InputError
            If a number is not positive.
        """
        check_positive(total_volume_l, "the blood volume", "L", tag="immune.blood_volume_l")
        by_volume = total_volume_l / self.total_volume_l
        by_flow = by_volume
        if cardiac_output_l_per_min is not None:
            check_positive(
                cardiac_output_l_per_min, "the cardiac output", "L/min", tag="immune.cardiac_output_l_per_min"
            )
            by_flow = cardiac_output_l_per_min / 60.0 / float(self.flows_l_per_s.sum(1).max())
        return replace(self, volumes_l=self.volumes_l * by_volume, flows_l_per_s=self.flows_l_per_s * by_flow)

    def with_volume(self, name: str, factor: float) -> Circulation:
        """Return the circulation with the blood of one compartment multiplied, all flows unchanged.

        Raises
        ------
        InputError
            If the name is unknown or the factor not positive.
        """
        check_positive(factor, f"the factor of the blood in {name!r}", "")
        volumes = self.volumes_l.copy()
        volumes[self.index(name)] *= factor
        return replace(self, volumes_l=volumes)

    def in_parallel(
        self, name: str, parts: Sequence[str], blood_shares: ArrayLike, flow_shares: ArrayLike
    ) -> Circulation:
        """Return the circulation with a compartment replaced by several in parallel.

        Each has its share of the compartment's blood and of all flows through it: f_part = f b, transit time of part
        = T b / q.

        Parameters
        ----------
        name : str
            The compartment.
        parts : sequence of str, (m,)
            Names of the parts.
        blood_shares, flow_shares : array_like, (m,)
            Shares of blood and flow; each sum to 1.

        Raises
        ------
        InputError
            If a share is not positive, or they do not sum to 1.
        """
        blood, flow = np.asarray(blood_shares, float), np.asarray(flow_shares, float)
        for shares, what in ((blood, "blood volume"), (flow, "flow")):
            if shares.shape != (len(parts),) or not shares.min() > 0 or abs(shares.sum() - 1) > SUM_TOLERANCE:
                raise InputError(
                    f"the shares of the {what} of {name!r} must be positive and sum to 1, got "
                    f"{', '.join(f'{share:.4g}' for share in np.ravel(shares))}, sum {shares.sum():.4g}."
                )
        at, blood, flow = self.index(name), blood / blood.sum(), flow / flow.sum()
        keep = [i for i in range(len(self.names)) if i != at]
        flows = np.zeros((len(keep) + len(parts),) * 2)
        inner = len(keep)
        flows[:inner, :inner] = self.flows_l_per_s[np.ix_(keep, keep)]
        flows[:inner, inner:] = np.outer(self.flows_l_per_s[keep, at], flow)
        flows[inner:, :inner] = np.outer(flow, self.flows_l_per_s[at, keep])
        return Circulation(
            (*(self.names[i] for i in keep), *parts),
            np.concatenate([self.volumes_l[keep], self.volumes_l[at] * blood]),
            flows,
        )

    def with_tumour(
        self, volume_fraction: float, relative_blood: float = 1.0, relative_perfusion: float = 1.0
    ) -> Circulation:
        """Return the circulation with a tumour in parallel to the liver.

        Its share of the liver's blood is v b and of the liver's flow v p; the liver keeps the rest.

        Parameters
        ----------
        volume_fraction : float
            Tumour volume over that of liver and tumour together, v.
        relative_blood : float
            Blood volume per tissue volume over the mean of liver and tumour, b.
        relative_perfusion : float
            Flow per tissue volume over that mean, p.

        Raises
        ------
        InputError
            If a number is not positive, or the tumour's share reaches 1.

        References
        ----------
        The rule of the open model HEDOS, github.com/mghro/hedos, ``simulation/FlowModel.py``.
        """
        for value, what, tag in (
            (volume_fraction, "the tumour's share of the liver", None),
            (relative_blood, "the relative blood volume of the tumour", "immune.tumour_relative_blood"),
            (relative_perfusion, "the relative perfusion of the tumour", "immune.tumour_relative_perfusion"),
        ):
            check_positive(value, what, "", tag=tag)
        shares = volume_fraction * relative_blood, volume_fraction * relative_perfusion
        if max(shares) >= 1:
            raise InputError(
                f"a tumour of {100 * volume_fraction:.3g} % of the liver with {relative_blood:g} times its blood and "
                f"{relative_perfusion:g} times its perfusion would take {100 * shares[0]:.3g} % of the liver's blood and "
                f"{100 * shares[1]:.3g} % of its flow; both must stay below 100 %.",
                tag="immune.tumour_relative_blood" if shares[0] >= 1 else "immune.tumour_relative_perfusion",
            )
        blood, flow = shares
        return self.in_parallel("liver", ("liver", "tumour"), (1 - blood, blood), (1 - flow, flow))


def reference_circulation(sex: Sex | str | ReferenceBlood) -> Circulation:
    """Return the circulation of a reference adult, 28 compartments, or of another table of the same organs.

    Organs are fed by the arteries and drain into the large veins; pancreas, spleen, stomach and bowel through the liver;
    the coronary vessels into the right, the bronchial ones into the left heart.

    Parameters
    ----------
    sex : str or ReferenceBlood
        male or female, or volumes and flows of one's own.

    Raises
    ------
    InputError
        If it is another word, or volumes or arterial flows do not sum to 100 %.

    References
    ----------
    ICRP Publication 89 (2002), Ann ICRP 32(3-4); the compartments are those of github.com/mghro/hedos (Shin et al. 2021,
    Phys Med Biol 66(16), doi 10.1088/1361-6560/ac16ea).

    Examples
    --------
    >>> body = reference_circulation("male")
    >>> round(float(body.transit_times_s[body.index("liver")]), 2)
    19.19
    """
    table = sex if isinstance(sex, ReferenceBlood) else reference_blood(sex)
    for percents, what in ((table.volume_percent, "blood volumes"), (table.flow_percent, "arterial flows")):
        total = sum(percents.values())
        if abs(total / 100.0 - 1.0) > SUM_TOLERANCE:
            raise InputError(
                f"the {what} of {table.sex} sum to {total:.5g} %, not to 100 % within {100 * SUM_TOLERANCE:g} %; correct it."
            )
    names = tuple(table.volume_percent)
    at = {name: i for i, name in enumerate(names)}
    flows = np.zeros((len(names), len(names)))
    drains = dict.fromkeys(PORTAL, "liver") | {"coronary": "right heart", "bronchial": "left heart"}
    for organ, percent in table.flow_percent.items():
        flows[at["aorta and large arteries"], at[organ]] = percent
        flows[at[organ], at[drains.get(organ, "large veins")]] += percent
    flows[at["liver"], at["large veins"]] += flows[:, at["liver"]].sum() - table.flow_percent["liver"]
    through = ("large veins", "right heart", "lung", "left heart", "aorta and large arteries")
    for one, following in pairwise(through):
        flows[at[one], at[following]] = flows[:, at[one]].sum()
    volumes = np.array(list(table.volume_percent.values())) / 100.0 * table.total_volume_l
    return Circulation(names, volumes, flows / 100.0 * table.cardiac_output_l_per_min / 60.0)
