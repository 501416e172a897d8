"""Which compartments of the circulation the blood of a drawn organ belongs to."""

from __future__ import annotations

from types import MappingProxyType

from y90voxel.regions.roles import Role, normalised_name

__all__ = ["ORGANS_OF_BLOOD", "compartments_of"]

# Organs near the liver whose dose counts where they are drawn, and their compartments.
ORGANS_OF_BLOOD: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "spleen": ("spleen",),
        "stomach": ("stomach and oesophagus",),
        "kidneys": ("kidneys",),
        "pancreas": ("pancreas",),
        "bowel": ("small intestine", "large intestine"),
        "heart": ("right heart", "left heart", "coronary"),
    }
)
_BY_ROLE = {Role.STOMACH: "stomach", Role.KIDNEY: "kidneys", Role.BOWEL: "bowel", Role.HEART: "heart"}
_NAMES = {
    "spleen": "spleen, milz, rate, milza, bazo, baco, milt, sledziona, mjalte",
    "pancreas": "pancreas, bauchspeicheldruese, alvleesklier, trzustka, bukspottkortel",
}
_BY_NAME = {name.strip(): organ for organ, names in _NAMES.items() for name in names.split(",")}


def compartments_of(name: str, role: Role) -> tuple[str, ...]:
    """Return the compartments of a drawn organ by its role, else its name; none for other regions.

    Examples
    --------
    >>> compartments_of("Spleen", Role.OTHER), compartments_of("Nieren", Role.KIDNEY), compartments_of("Aorta", Role.OTHER)
    (('spleen',), ('kidneys',), ())
    """
    organ = _BY_ROLE.get(role)
    if organ is None and role is Role.OTHER:
        organ = _BY_NAME.get(normalised_name(name))
    return () if organ is None else ORGANS_OF_BLOOD[organ]
