"""A cohort of little studies, each from its own seed and of its own size, some of them broken."""

import dicom_factory as dicom
import numpy as np
from study_factory import ball_contours, distances

SOFT_TISSUE = 1024 + 50  # stored value of 50 HU
# What is wrong, and what a batch has to say about it (with a time limit and a memory bound).
BROKEN = {
    "no-emission": ("refused", "no emission image"),
    "missing-slice": ("refused", "missing"),
    "no-regions": ("refused", "liver"),
    "wrong-unit": ("refused", "cannot read '2.2 Gy'"),
    "too-large": ("failed", "needed more than"),
    "endless": ("failed", "ran longer than"),
}


def centred(shape, step):
    """An axial affine about the origin."""
    first = [-(n - 1) / 2 * step for n in shape]
    return np.array([[0, 0, step, first[2]], [0, step, 0, first[1]], [step, 0, 0, first[0]], [0, 0, 0, 1.0]])


def write_seeded_study(folder, seed):
    """Write a liver with a hot tumour: place, size, counts and matrices drawn from the seed."""
    rng = np.random.default_rng(seed)
    slices, pixels = (int(n) for n in rng.integers(34, 48, 2))
    liver = (rng.uniform(-6, 6, 3) - (0, 0, 8), rng.uniform(40, 48))
    tumour = (liver[0] + rng.uniform(-12, 12, 3), rng.uniform(12, 18))
    nm_shape = tuple(int(n) for n in rng.integers(20, 26, 1).repeat(3))
    ct_affine, nm_affine = centred((slices, pixels, pixels), 4.0), centred(nm_shape, 8.0)
    expected = 60.0 * (distances(nm_shape, nm_affine, liver[0]) < liver[1])
    expected[distances(nm_shape, nm_affine, tumour[0]) < tumour[1]] *= rng.uniform(3, 8)
    frame = f"1.2.826.0.1.{seed}"
    same = {
        "StudyInstanceUID": f"1.2.826.0.2.{seed}",
        "PatientID": f"seed {seed}",
        "PatientName": f"Seed^{seed}",
    }
    parts = {
        "nm": [dicom.nm(rng.poisson(expected).astype(np.uint16), nm_affine, FrameOfReferenceUID=frame)],
        "ct": dicom.ct(
            np.full((slices, pixels, pixels), SOFT_TISSUE, np.int16), ct_affine, FrameOfReferenceUID=frame
        ),
        "rs": [
            dicom.rtstruct({n: ball_contours(*s) for n, s in (("Liver", liver), ("GTV1", tumour))}, frame)
        ],
    }
    for prefix, datasets in parts.items():
        dicom.save([dicom.change(ds, **same) for ds in datasets], folder, prefix)
    activity, shunt = rng.uniform(0.8, 3.0), rng.uniform(0.01, 0.12)
    case = f'[administration]\nactivity = "{activity:.3f} GBq"\nlung_shunt_fraction = {shunt:.3f}\n'
    (folder / "case.toml").write_text(case)
    return folder


def break_study(folder, how):
    """Do to a study what archives do."""
    case = (folder / "case.toml").read_text()
    if how == "no-emission":
        (folder / "nm0000").unlink()
    elif how == "missing-slice":
        (folder / "ct0012").unlink()
    elif how == "no-regions":
        (folder / "rs0000").unlink()
    elif how == "wrong-unit":
        lines = ['activity = "2.2 Gy"' if line.startswith("activity") else line for line in case.split("\n")]
        (folder / "case.toml").write_text("\n".join(lines))
    elif how == "too-large":
        (folder / "case.toml").write_text(case + "[dose]\ngrid = 0.6\n")
    elif how == "endless":
        more = '[dose]\nengine = "monte-carlo"\n[monte_carlo]\nhistories = 100000000000\n'
        (folder / "case.toml").write_text(case + more)


def write_cohort_tree(root, studies=40):
    """Write a cohort in which the first studies are broken, each in its own way; returns {name: how}."""
    broken = {}
    for seed in range(studies):
        how = list(BROKEN)[seed] if seed < len(BROKEN) else None
        folder = write_seeded_study(root / f"site{seed % 3}" / f"p{seed:02d}", seed)
        if how is not None:
            break_study(folder, how)
            broken[f"site{seed % 3}-p{seed:02d}"] = how
    return broken
