"""Merge reference Monte Carlo tables into the files of this folder, and write ``index.json``.

Usage: ``python build_kernels.py FOLDER_WITH_THE_MONTE_CARLO_TABLES``. README.md beside this file says what
the tables are and why they are merged as they are. The program only ever reads the results.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PENELOPE = "PenRed 1.14.0 (PENELOPE 2018 physics, Mott scattering)"
PENELOPE_CUTS = "electrons 10 keV, photons 1 keV, steps of at most 0.1 mm (lung 0.4 mm), C1 = C2 = 0.05"
EGSNRC = "EGSnrc EDKnrc (commit 9edee3e), radii stretched for the missing Mott scattering"
EGSNRC_CUTS = "electrons 10 keV, photons 1 keV, exact boundary crossing"
Y90_SOURCE = "Y-90 betas, unique first-forbidden shape, Q = 2278.7 keV, mean 933.01 keV"
HO166_SOURCE = (
    "Ho-166 betas (DDEP 2004 branches, mean 663.55 keV) and all conversion and Auger electrons, x and gamma "
    "rays (PENNUC 2018)"
)
ICRP_BETA = "ICRP Publication 107 betas"
# The records of y90voxel/reference/nuclide.py that fractions refer to [keV per decay]; see README.md.
Y90_EMITTED_KEV = 933.01
HO166_RECORD_KEV = 696.338
HO166_BETA_KEV = 664.993
# CSDA radiative losses of the Y-90 spectrum in water and cortical bone [keV per decay].
RADIATED_WATER_KEV, RADIATED_BONE_KEV = 4.06, 6.71
# Radii [g/cm2] in bone over those in water. The CSDA ranges give 1.131, but stronger scattering turns electrons
# back: the published voxel S values of Lanconelli et al. 2012 (bone 1.85 g/mL against soft tissue, self-doses at
# 2.2 to 6 mm) need 1.031, and a PENELOPE run of a soft tissue/bone plane 1.00 to 1.08.
BONE_OVER_WATER = 1.031
# Radii [g/cm2] of Y-90 in liver and lung over those in water, mean of R50 and R90 of the runs themselves.
LIVER_OVER_WATER, LUNG_OVER_WATER = 1.0097, 0.9944
DENSITY = {"water": 1.0, "liver": 1.06, "soft tissue": 1.04, "lung": 0.26, "bone": 1.92}


class Shells:
    """Shell edges [mm] with electron energy, photon energy and its sigma [keV per decay]."""

    def __init__(self, edges, electron, photon, sigma):
        self.edges, self.electron = np.asarray(edges, float), np.asarray(electron, float)
        self.photon, self.sigma = np.asarray(photon, float), np.asarray(sigma, float)

    def scaled(self, factor):
        """Return the same energies in shells of other radii."""
        return Shells(self.edges * factor, self.electron, self.photon, self.sigma)


def read_table(path):
    """Return the columns of a commented CSV file by name."""
    with open(path) as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def read_penelope(folder, stem):
    """Return fine shells continued by the coarse ones; a coarse shell cut by the fine range is split."""
    fine, tail = read_table(folder / f"mc/{stem}_fine.csv"), read_table(folder / f"mc/{stem}_tail.csv")
    end = fine["r_hi_mm"][-1]
    inside = tail["r_hi_mm"] <= end + 1e-9
    cut = ~inside & (tail["r_lo_mm"] < end - 1e-9)
    covered = fine["r_lo_mm"] >= tail["r_hi_mm"][inside][-1] - 1e-9
    total = tail["E_total_keV"].copy()
    total[cut] -= fine["E_total_keV"][covered].sum()
    beyond = ~inside
    low = np.maximum(tail["r_lo_mm"][beyond], end)
    edges = np.concatenate([[0.0], fine["r_hi_mm"], tail["r_hi_mm"][beyond]])
    assert np.allclose(low, edges[len(fine["r_hi_mm"]) : -1])
    # Beyond the electrons' reach everything belongs to the photon lineage.
    electron = np.concatenate([np.maximum(fine["E_e_keV"], 0.0), np.zeros(beyond.sum())])
    everything = np.concatenate([fine["E_total_keV"], total[beyond]])
    sigma = np.concatenate([fine["sigma_E_keV"], tail["sigma_E_keV"][beyond]])
    return Shells(edges, electron, np.maximum(everything - electron, 0.0), sigma)


def read_egsnrc(folder, stem, energy_kev):
    """Return an EGSnrc kernel up to about 200 mm, from fractions of the emitted beta energy."""
    table = read_table(folder / f"dpk_recommended_{stem}.csv")
    keep = table["r_hi_mm"] <= 210.0
    beta, brem = table["f_beta"][keep] * energy_kev, table["f_brem"][keep] * energy_kev
    edges = np.concatenate([[0.0], table["r_hi_mm"][keep]])
    return Shells(edges, beta, brem, (beta + brem) * table["stat_unc_pct"][keep] / 100)


def rebinned(shells, edges):
    """Return the same kernel on other shells, energy uniform in radius within a shell."""

    def move(energy):
        cumulative = np.concatenate([[0.0], np.cumsum(energy)])
        return np.diff(np.interp(edges, shells.edges, cumulative))

    return Shells(edges, move(shells.electron), move(shells.photon), move(shells.sigma))


def with_conversion_electrons_resolved(shells, soft_kev, hard_kev):
    """Split the innermost 0.1 mm: soft electrons stop within 0.012 mm, 71-80 keV ones within 0.080 mm."""
    edges = np.concatenate([[0.0, 0.012, 0.080], shells.edges[1:]])
    width = np.diff(edges[:4]) / shells.edges[1]
    smooth = shells.electron[0] - soft_kev - hard_kev
    share = np.array([0.012, 0.068]) / 0.080
    first = smooth * width + np.array([soft_kev + hard_kev * share[0], hard_kev * share[1], 0.0])
    return Shells(
        edges,
        np.concatenate([first, shells.electron[1:]]),
        np.concatenate([shells.photon[0] * width, shells.photon[1:]]),
        np.concatenate([shells.sigma[0] * width, shells.sigma[1:]]),
    )


def in_bone(water):
    """Return the bone kernel from water: electron radii by CSDA range, more of the energy radiated."""
    density = DENSITY["bone"]
    edges = np.union1d(np.round(water.edges[water.edges <= 12.0] * BONE_OVER_WATER / density, 6),
                       water.edges[water.edges > 12.0] / density)  # fmt: skip
    electron = rebinned(water.scaled(BONE_OVER_WATER / density), edges).electron
    photon = rebinned(water.scaled(1.0 / density), edges).photon
    sigma = rebinned(water.scaled(BONE_OVER_WATER / density), edges).sigma
    kept = (1 - RADIATED_BONE_KEV / Y90_EMITTED_KEV) / (1 - RADIATED_WATER_KEV / Y90_EMITTED_KEV)
    return Shells(edges, electron * kept, photon * RADIATED_BONE_KEV / RADIATED_WATER_KEV, sigma)


def write_kernel(name, shells, reference_kev, header):
    """Write one kernel file and return its entry in the index."""
    total = (shells.electron + shells.photon).sum() / reference_kev
    header = header | {"reference_energy_kev": reference_kev, "fraction_held": f"{total:.6f}"}
    lines = [f"# {key}: {value}" for key, value in header.items()]
    lines.append("r_lo_mm,r_hi_mm,electron_fraction,photon_fraction,sigma")
    for low, high, *energies in zip(
        shells.edges[:-1], shells.edges[1:], shells.electron, shells.photon, shells.sigma, strict=True
    ):
        values = ",".join(f"{energy / reference_kev:.6e}" for energy in energies)
        lines.append(f"{low:.6g},{high:.6g},{values}")
    (HERE / name).write_text("\n".join(lines) + "\n", newline="\n")
    return {key: header[key] for key in ("nuclide", "medium", "source", "density_g_per_ml")} | {"file": name}


def header(nuclide, medium, source, histories, spectrum, made, interaction="I = 78.0 eV"):
    """Return the provenance of one kernel file."""
    code, cuts = (PENELOPE, PENELOPE_CUTS) if source == "penelope" else (EGSNRC, EGSNRC_CUTS)
    return {
        "quantity": "fraction of the reference energy left in each shell around a point source, infinite medium",
        "nuclide": nuclide,
        "medium": medium,
        "source": source,
        "density_g_per_ml": DENSITY[medium],
        "code": code,
        "histories": histories,
        "cut_offs": cuts,
        "mean_excitation_energy": interaction,
        "source_spectrum": spectrum,
        "how_made": made,
        "columns": "electron_fraction: primary electrons and their knock-ons; photon_fraction: bremsstrahlung, "
        "x and gamma rays and what they set free; sigma: one statistical standard deviation of their sum",
    }  # fmt: skip


def penelope_kernels(folder):
    """Yield (file, shells, reference energy, header) of every kernel that rests on PENELOPE."""
    water = read_penelope(folder, "A_y90_dpk_water")
    liver = read_penelope(folder, "C_y90_dpk_liver106")
    lung = read_penelope(folder, "C_y90_dpk_lung026")
    merged = (
        "fine shells of the run continued by its coarse shells to 200 mm; nothing smoothed or renormalised"
    )
    y90 = ("Y-90", "penelope", Y90_EMITTED_KEV, Y90_SOURCE)
    runs = [
        ("water", water, 2_000_000, merged, "I = 78.0 eV"),
        ("liver", liver, 400_000, merged, "ICRU-44 liver, I = 74.8 eV"),
        ("lung", lung, 500_000, merged, "ICRU-44 lung, I = 75.3 eV, homogeneous"),
        ("soft tissue", liver.scaled(1.06 / 1.04), 400_000, "liver kernel, radii times 1.06/1.04 (equal mass "
         "depth; the CSDA ranges in g/cm2 of ICRU soft tissue and liver agree to 0.1 %)", "as liver"),
        ("bone", in_bone(water), 2_000_000, f"no run: water kernel, electron radii times {BONE_OVER_WATER}"
         f"/{DENSITY['bone']} (fitted to published voxel S values in bone; see README.md), radiated energy "
         f"{RADIATED_BONE_KEV} instead of {RADIATED_WATER_KEV} keV per decay at radii times 1/{DENSITY['bone']}",
         "cortical bone ICRU 1986, I = 112 eV"),
    ]  # fmt: skip
    for medium, shells, histories, made, interaction in runs:
        yield (medium, shells, y90[2], header(y90[0], medium, y90[1], histories, y90[3], made, interaction))
    yield from holmium_kernels(folder)


def holmium_water(folder):
    """Return Ho-166 in water with its conversion electrons resolved inside the first shell."""
    everything = read_penelope(folder, "B_ho166_dpk_water_recommended")
    other = read_penelope(folder, "B3_ho166_nonbeta_dpk_water")
    local = other.electron[0]
    # Auger electrons below 10 keV and the 23 keV conversion line carry 16.4 % of the non-beta electron energy.
    return with_conversion_electrons_resolved(everything, 0.164 * local, 0.836 * local), other


def holmium_kernels(folder):
    """Yield Ho-166 in water from the run, and in the other media by the ranges of Y-90 there."""
    water, _ = holmium_water(folder)
    made = (
        "sum of a beta run and a run of everything else; fine shells to 12 mm continued by coarse shells to 200 mm; "
        "inside 0.1 mm the conversion electrons are put where their CSDA ranges end (0.012 and 0.080 mm)"
    )
    ratios = {"liver": LIVER_OVER_WATER, "soft tissue": LIVER_OVER_WATER, "lung": LUNG_OVER_WATER,
              "bone": BONE_OVER_WATER}  # fmt: skip
    histories = "500000 betas, 1000000 other"
    yield ("water", water, HO166_RECORD_KEV,
           header("Ho-166", "water", "penelope", histories, HO166_SOURCE, made))  # fmt: skip
    for medium, ratio in ratios.items():
        scaled = water.scaled(ratio / DENSITY[medium])
        text = f"water kernel, all radii times {ratio}/{DENSITY[medium]} (range in g/cm2 over that in water)"
        yield (medium, scaled, HO166_RECORD_KEV,
               header("Ho-166", medium, "penelope", histories, HO166_SOURCE, text))  # fmt: skip


def egsnrc_kernels(folder):
    """Yield the second opinions."""
    made = (
        "as tabulated; Mott scattering by stretching the beta radii with the ratio from an event-by-event run"
    )
    for medium, stem in (("water", "y90_water"), ("liver", "y90_liver"), ("lung", "y90_lung026")):
        shells = read_egsnrc(folder, stem, Y90_EMITTED_KEV)
        interaction = {"water": "I = 75.0 eV", "liver": "I = 74.8 eV", "lung": "I = 75.2 eV"}[medium]
        yield (medium, shells, Y90_EMITTED_KEV, header("Y-90", medium, "egsnrc", 3_000_000,
               "Y-90, " + ICRP_BETA, made, interaction))  # fmt: skip
    _, other = holmium_water(folder)
    beta = read_egsnrc(folder, "ho166_water", HO166_BETA_KEV)
    edges = beta.edges[beta.edges <= 200.0]
    both, rest = rebinned(beta, edges), rebinned(other, edges)
    total = Shells(edges, both.electron + rest.electron, both.photon + rest.photon,
                   np.hypot(both.sigma, rest.sigma))  # fmt: skip
    local = other.electron[0]
    total = with_conversion_electrons_resolved(total, 0.164 * local, 0.836 * local)
    yield ("water", total, HO166_RECORD_KEV, header("Ho-166", "water", "egsnrc", 2_000_000, "Ho-166, " + ICRP_BETA,
           "betas as for Y-90, times 664.993 keV per decay; the other emissions from the PENELOPE run",
           "I = 75.0 eV"))  # fmt: skip


def write_nuclear_data(folder):
    """Write beta spectra and lines of ICRP Publication 107; return the file names."""
    names = []
    note = "# ICRP Publication 107 as tabulated in icrp107-database 0.0.3; normalised to one beta per decay\n"
    for stem in ("y90", "ho166", "lu177", "p32", "i131"):
        table = read_table(folder / f"{stem}_beta_spectrum.csv")
        rows = (f"{e:.6g},{n:.6g}\n" for e, n in zip(table["energy_MeV"], table["N_norm"], strict=True))
        names.append(f"spectra/{stem}_beta.csv")
        (HERE / names[-1]).write_text(note + "energy_mev,per_mev_per_decay\n" + "".join(rows), newline="\n")
    for target, origin, text in (
        ("electron_lines", "conversion_auger_electrons_icrp107", "conversion and Auger electrons"),
        ("photon_lines", "photon_lines_icrp107", "gamma and x rays above 5 keV"),
    ):
        with open(folder / f"{origin}.csv") as lines:
            body = [line.strip() for line in lines if not line.startswith("#")][1:]
        head = f"# ICRP Publication 107, icrp107-database 0.0.3: {text} with a yield above 1e-5 per decay\n"
        names.append(f"spectra/{target}.csv")
        text = head + "nuclide,kind,energy_mev,per_decay\n" + "\n".join(body) + "\n"
        (HERE / names[-1]).write_text(text, newline="\n")
    return names


def write_tissues(folder):
    """Write elemental compositions and mean excitation energies; return the file name."""
    names = {"water": "water", "tissue_soft_icrp": "soft tissue", "liver_icru1986": "liver",
             "lung_inflated_icru1986": "lung", "bone_cortical_icru1986": "bone",
             "muscle_skeletal_icru1986": "muscle", "blood_icrp": "blood", "adipose_icru1986": "adipose"}  # fmt: skip
    with open(folder / "tissue_compositions.csv") as lines:
        rows = {row["material"]: row for row in csv.DictReader(lines)}
    elements = ["H", "C", "N", "O", "Na", "Mg", "Si", "P", "S", "Cl", "K", "Ca", "Fe", "Zn"]
    out = ["# Mass fractions, density and mean excitation energy: ICRU-37/44 and ICRP materials as in the density-effect",
           "# files of EGSnrc (HEN_HOUSE/pegs4/density_corrections/compounds); soft tissue is the ICRP one",
           ",".join(["tissue", "density_g_per_ml", "mean_excitation_energy_ev", *elements])]  # fmt: skip
    for key, name in names.items():
        row = rows[key]
        out.append(",".join([name, row["density_file_rho_g_cm3"], row["I_eV"], *(row[e] for e in elements)]))
    (HERE / "tissues.csv").write_text("\n".join(out) + "\n", newline="\n")
    return "tissues.csv"


def main(folder):
    """Write every file and the index."""
    (HERE / "spectra").mkdir(exist_ok=True)
    entries = []
    for medium, shells, reference_kev, provenance in (*penelope_kernels(folder), *egsnrc_kernels(folder)):
        stem = provenance["nuclide"].lower().replace("-", "")
        name = f"{stem}_{medium.replace(' ', '_')}_{provenance['source']}.csv"
        entries.append(write_kernel(name, shells, reference_kev, provenance))
    others = [*write_nuclear_data(folder), write_tissues(folder)]
    names = [entry["file"] for entry in entries] + others
    sha256 = {name: hashlib.sha256((HERE / name).read_bytes()).hexdigest() for name in sorted(names)}
    index = {"format": 1, "kernels": entries, "sha256": sha256}
    (HERE / "index.json").write_text(json.dumps(index, indent=1) + "\n", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
