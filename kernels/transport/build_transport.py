"""Write the tables of electron and photon transport in this folder, and ``index.json``.

Usage: ``python build_transport.py FOLDER_WITH_THE_PHYSICS_TABLES``; needs ``xraylib`` (4.3.0 was used) for the
atomic form factors. README.md beside this file says where every number comes from. The program only ever
reads the results.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import sys
from pathlib import Path

import xraylib

HERE = Path(__file__).resolve().parent
SYMBOLS = ["H", "C", "N", "O", "Na", "Mg", "Si", "P", "S", "Cl", "Ar", "K", "Ca", "Fe", "Zn"]
# name here: name in the composition and stopping-power tables, name in the photon table
MATERIALS = {
    "water": ("water", "water"),
    "soft tissue": ("liver_icru1986", "tissue_soft_icru44"),
    "lung": ("lung_inflated_icru1986", "lung_tissue_icru44"),
    "adipose": ("adipose_icru1986", "adipose_icru44"),
    "bone": ("bone_cortical_icru1986", "bone_cortical_icru44"),
}
# Dry air: ICRU Report 37 composition, mean excitation energy and Sternheimer's density-effect parameters.
AIR_FRACTIONS = {"C": 0.000124, "N": 0.755267, "O": 0.231781, "Ar": 0.012827}
AIR_I_EV, AIR_DENSITY = 85.7, 0.00120479
AIR_STERNHEIMER = {"C": 10.5961, "x0": 1.7418, "x1": 4.2759, "a": 0.10914, "m": 3.3994}
ELECTRON_MASS_MEV = 0.51099895
# Seltzer & Berger's scaled energy spectrum of bremsstrahlung in oxygen, (beta/Z)^2 k dsigma/dk [mb].
BREMS_T_MEV = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0)
BREMS_SCALED = {
    0.00: (10.07132, 11.28235, 11.93363, 12.58505, 13.84661, 15.28994, 16.77907, 17.49292),
    0.05: (9.65501, 10.55976, 10.92711, 11.11761, 11.59502, 12.51258, 13.56878, 14.13787),
    0.10: (9.22076, 9.83270, 9.95706, 9.84546, 9.97360, 10.68763, 11.65734, 12.27424),
    0.15: (8.80412, 9.16506, 9.09985, 8.79041, 8.70388, 9.22271, 10.13675, 10.81574),
    0.20: (8.40393, 8.54918, 8.33505, 7.89936, 7.67438, 8.05984, 8.96474, 9.66606),
    0.30: (7.65036, 7.45410, 7.03570, 6.47787, 6.08006, 6.36098, 7.18643, 7.86537),
    0.40: (6.95706, 6.51739, 5.98476, 5.38558, 4.90980, 5.11940, 5.85190, 6.47774),
    0.50: (6.32625, 5.72525, 5.14560, 4.51195, 3.96883, 4.10598, 4.75684, 5.33009),
    0.60: (5.76574, 5.04805, 4.42958, 3.75885, 3.16917, 3.24557, 3.82283, 4.34748),
    0.70: (5.27637, 4.45644, 3.77958, 3.08011, 2.47114, 2.48648, 2.98512, 3.46414),
    0.80: (4.86306, 3.92373, 3.17414, 2.47738, 1.86303, 1.80860, 2.19428, 2.61731),
    0.90: (4.52058, 3.39604, 2.57247, 1.87679, 1.29326, 1.19775, 1.41586, 1.69517),
    0.95: (4.39993, 3.15155, 2.27765, 1.55765, 0.98801, 0.86772, 0.98385, 1.14082),
    1.00: (4.28113, 3.00241, 2.04545, 1.25050, 0.63341, 0.44436, 0.38743, 0.37643),
}


def rows_of(path):
    """Return the rows of a commented CSV file as dictionaries."""
    with open(path) as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def write(name, header, columns, rows):
    """Write one commented table."""
    lines = [f"# {line}" for line in header] + [",".join(columns)]
    lines += [",".join(str(value) for value in row) for row in rows]
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def materials(folder):
    """Write composition, density and mean excitation energy."""
    found = {row["material"]: row for row in rows_of(folder / "tissue_compositions.csv")}
    rows = []
    for name, (key, _) in MATERIALS.items():
        row = found[key]
        rows.append([name, row["density_file_rho_g_cm3"], row["I_eV"], *(row.get(s, "0") for s in SYMBOLS)])
    rows.append(["air", AIR_DENSITY, AIR_I_EV, *(AIR_FRACTIONS.get(s, 0) for s in SYMBOLS)])
    header = [
        "Mass fractions, density of the density effect, mean excitation energy (ICRU Report 37, 1984):",
        "liquid water; ICRU 1986 liver (soft tissue), inflated lung, adipose tissue, cortical bone, as in the",
        "density-effect files of EGSnrc (HEN_HOUSE/pegs4/density_corrections/compounds); dry air of ICRU Report 37",
    ]
    write(
        "materials.csv", header, ["material", "density_g_per_ml", "mean_excitation_energy_ev", *SYMBOLS], rows
    )


def collision_stopping_of_air(energy_mev):
    """Return the Bethe mass collision stopping power of dry air [MeV cm2/g] (ICRU Report 37, eq. 3.1)."""
    tau = energy_mev / ELECTRON_MASS_MEV
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    x = math.log10(math.sqrt(tau * (tau + 2)))
    p = AIR_STERNHEIMER
    delta = 0.0
    if x > p["x0"]:
        delta = 2 * math.log(10) * x - p["C"]
        if x < p["x1"]:
            delta += p["a"] * (p["x1"] - x) ** p["m"]
    bracket = math.log(tau * tau * (tau + 2) / (2 * (AIR_I_EV * 1e-6 / ELECTRON_MASS_MEV) ** 2))
    bracket += 1 - beta2 + (tau * tau / 8 - (2 * tau + 1) * math.log(2)) / (tau + 1) ** 2 - delta
    z_over_a = 0.49919
    return 0.153537 * z_over_a / beta2 * bracket


def stopping(folder):
    """Write collision and radiative mass stopping powers."""
    table = rows_of(folder / "electron_stopping_powers.csv")
    rows = []
    for name, (key, _) in MATERIALS.items():
        for row in table:
            if row["material"] == key:
                rows.append([name, row["T_MeV"], row["S_col_MeV_cm2_g"], row["S_rad_MeV_cm2_g"]])
    # Radiative losses per gram go as the sum of w Z(Z+1)/A; that of air over that of lung tissue.
    ratio = strength(AIR_FRACTIONS) / strength(lung_fractions(folder))
    for row in table:
        if row["material"] == "lung_inflated_icru1986":
            energy = float(row["T_MeV"])
            rows.append(["air", row["T_MeV"], f"{collision_stopping_of_air(energy):.5g}",
                         f"{float(row['S_rad_MeV_cm2_g']) * ratio:.5g}"])  # fmt: skip
    header = [
        "Electron mass stopping powers: collision by the Bethe formula with the mean excitation energies and the density",
        "effect of ICRU Report 37 (1984), radiative from Seltzer & Berger 1986, At Data Nucl Data Tables 35:345,",
        "doi:10.1016/0092-640X(86)90014-8; soft tissue is ICRU 1986 liver; air: density effect of Sternheimer,",
        "Berger & Seltzer 1984, At Data Nucl Data Tables 30:261, radiative scaled from lung by sum w Z(Z+1)/A",
    ]
    write("stopping_powers.csv", header,
          ["material", "energy_mev", "collision_mev_cm2_per_g", "radiative_mev_cm2_per_g"], rows)  # fmt: skip


def lung_fractions(folder):
    """Return the mass fractions of inflated lung."""
    found = {row["material"]: row for row in rows_of(folder / "tissue_compositions.csv")}
    row = found["lung_inflated_icru1986"]
    return {s: float(row[s]) for s in SYMBOLS if s in row and float(row[s]) > 0}


def strength(fractions):
    """Return the sum of w Z(Z+1)/A."""
    total = 0.0
    for symbol, w in fractions.items():
        z = xraylib.SymbolToAtomicNumber(symbol)
        total += w * z * (z + 1) / xraylib.AtomicWeight(z)
    return total


def photons(folder):
    """Write attenuation and energy-absorption coefficients."""
    table = rows_of(folder / "photon_coefficients.csv")
    rows = []
    for name, key in [*((n, k) for n, (_, k) in MATERIALS.items()), ("air", "air_dry")]:
        for row in table:
            if row["material"] == key and row["flag"] == "nist":
                rows.append(
                    [name, f"{float(row['E_keV']) / 1000:g}", row["mu_rho_cm2_g"], row["muen_rho_cm2_g"]]
                )
    header = [
        "Photon mass attenuation and mass energy-absorption coefficients: Hubbell & Seltzer, NIST SRD 126 (1995),",
        "doi:10.18434/T4D01F, ICRU 44 tissues; an absorption edge stands as two rows of one energy",
    ]
    write("photon_coefficients.csv", header,
          ["material", "energy_mev", "attenuation_cm2_per_g", "absorption_cm2_per_g"], rows)  # fmt: skip


def form_factors():
    """Write F(x, Z) and S(x, Z) on a logarithmic grid of x = sin(theta/2)/lambda."""
    rows = []
    for symbol in SYMBOLS:
        z = xraylib.SymbolToAtomicNumber(symbol)
        for step in range(-32, 33):
            x = 10.0 ** (step / 16)
            rows.append([z, f"{x:.6g}", f"{xraylib.FF_Rayl(z, x):.6g}", f"{xraylib.SF_Compt(z, x):.6g}"])
    header = [
        "Atomic form factor F and incoherent scattering function S against x = sin(theta/2)/lambda [1/angstrom]:",
        "Hubbell et al. 1975, J Phys Chem Ref Data 4:471, doi:10.1063/1.555523, and Hubbell & Overbo 1979,",
        "J Phys Chem Ref Data 8:69, doi:10.1063/1.555593, as in xraylib 4.3.0; below the table S goes as x squared",
    ]
    write(
        "form_factors.csv",
        header,
        ["atomic_number", "x_per_angstrom", "form_factor", "scattering_function"],
        rows,
    )


def bremsstrahlung():
    """Write the shape of the photon spectrum."""
    rows = [[f"{kappa:g}", *(f"{value:g}" for value in values)] for kappa, values in BREMS_SCALED.items()]
    header = [
        "Scaled bremsstrahlung spectrum (beta/Z)^2 k dsigma/dk [mb] of oxygen against k/T, one column per electron",
        "energy T [MeV]: Seltzer & Berger 1986, At Data Nucl Data Tables 35:345, doi:10.1016/0092-640X(86)90014-8",
    ]
    write("bremsstrahlung_oxygen.csv", header, ["k_over_t", *(f"{t:g}" for t in BREMS_T_MEV)], rows)


def main():
    """Write every table."""
    folder = Path(sys.argv[1])
    materials(folder)
    stopping(folder)
    photons(folder)
    form_factors()
    bremsstrahlung()
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(HERE.glob("*.csv"))}
    (HERE / "index.json").write_text(
        json.dumps({"format": 1, "sha256": sums}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
