"""The figures of docs/validation.md: sample study against its truth, engines beside a liver/lung surface.

Run from the checkout: ``python benchmarks/validation_figures.py [--lung JSON] [--out docs/images]``. Layers beside the surface
are those that ``python benchmarks/accuracy_lung.py --quick --json JSON`` wrote; without the file that run is made first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

import y90voxel as yv

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "sample_data"
REGIONS = ("GTV1", "GTV2", "non-tumour liver", "perfused non-tumour liver", "Liver")
# Engines with a colour each, from dark to light so that they are told apart in grey too.
COLOURS = {"density": "#1d2730", "exact": "#2f7fc1", "local": "#e0a03a", "convolution": "#c9573f"}
# As `accuracy_lung.py` calls them, the default last so that it lies on top; with the width of its line [points].
METHODS = {
    "convolution / density": ("convolution", 2.5),
    "local": ("local", 2.5),
    "exact": ("exact", 4.5),
    "density": ("density", 1.5),
}
MARKERS = {"density": "o", "convolution": "x", "local": "s"}
# What the sample's truth calls its two truths, and what an axis calls them.
TRUTHS = {
    "blurred_calibrated_over_liver": "mean dose over the truth as the camera\nsees it (blurred, calibrated), less 1 [%]",
    "plain": "mean dose over the truth\nas it is, less 1 [%]",
}
PIXELS_PER_INCH = 110  # of the page: 6.8 inches fill the width of a page of the site


def of_sample(activity_bq: float = 2.2e9) -> dict[str, dict[str, list[float]]]:
    """Means of every engine that needs no histories over each truth, less 1 [%], by engine, in the order of `REGIONS`."""
    truth = json.loads((SAMPLE / "truth.json").read_text(encoding="utf-8"))["regions"]
    case = yv.read_study(SAMPLE / "study").case(activity_bq=activity_bq, lung_shunt_fraction=0.06)
    kernel = yv.voxel_kernel("Y-90", case.grid.spacing_mm, "liver", density_g_per_ml=1.05)
    engines = {
        "density": yv.DensitySuperposition("Y-90"),
        "convolution": yv.KernelConvolution(kernel),
        "local": yv.LocalDeposition("Y-90"),
    }
    off: dict[str, dict[str, list[float]]] = {kind: {} for kind in TRUTHS}
    for name, engine in engines.items():
        found = yv.verify(case, engine)
        means = {region: found.region(region).mass_weighted_mean_gy for region in REGIONS}
        for kind in TRUTHS:
            true = {region: truth[region]["mean_dose_gy"][kind] for region in REGIONS}
            off[kind][name] = [100 * (means[region] / true[region] - 1) for region in REGIONS]
    return off


def draw_sample(off: dict[str, dict[str, list[float]]]) -> Figure:
    """Points by region and engine, a panel a truth; with the band of 1 % that the test holds the default to."""
    figure = Figure((6.8, 3.0), layout="constrained")
    panels = figure.subplots(1, len(TRUTHS), sharey=True)
    panels[0].axvspan(-1, 1, color="#e6f1e8", label="claim for density: 1 %")
    for axes, (kind, title) in zip(panels, TRUTHS.items(), strict=True):
        axes.axvline(0, color="#aab4bc", linewidth=0.8)
        for name, values in off[kind].items():
            axes.plot(
                values,
                range(len(REGIONS)),
                MARKERS[name],
                color=COLOURS[name],
                markerfacecolor="none" if name == "density" else COLOURS[name],
                markersize=8 if name == "density" else 6,
                label=name if axes is panels[0] else None,
            )
        axes.margins(x=0.1)
        axes.set_xlabel(title, fontsize=9)
    panels[0].set_yticks(range(len(REGIONS)), REGIONS)
    panels[0].set_ylim(len(REGIONS) - 0.5, -0.5)  # half a row of room: no point on the frame
    figure.legend(loc="outside upper center", ncols=len(off["plain"]) + 1, frameon=False, fontsize=8)
    return figure


def draw_lung(layers: list[dict[str, Any]]) -> Figure:
    """Dose over PENELOPE's by distance from the surface; liver left of it, lung right, each active in its panel."""
    figure = Figure((6.8, 3.0), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, active in zip(panels, ("liver", "lung"), strict=True):
        rows = [row for row in layers if row["active"] == active and row["case"] == "liver-lung penelope"]
        for method, (name, width) in METHODS.items():
            for number, row in enumerate(rows):
                edges = (float(row["from_mm"]), float(row["to_mm"]))
                axes.plot(edges, [row["ratios"][method]] * 2, color=COLOURS[name], linewidth=width,
                          label=name if active == "liver" and number == 0 else None)  # fmt: skip
        axes.axhspan(0.97, 1.03, color="#e6f1e8", zorder=0)
        axes.axvline(0, color="#aab4bc", linewidth=0.8)
        axes.set_title(f"{active} active", fontsize=9)
        axes.set_xlabel("liver < 0, lung > 0 [mm]")
        axes.set_ylim(0, 3.2)
    panels[0].set_ylabel("dose over PENELOPE's")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def measured_layers() -> list[dict[str, Any]]:
    """Run the benchmark of the surface."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lung.json"
        script = ROOT / "benchmarks" / "accuracy_lung.py"
        subprocess.run([sys.executable, str(script), "--quick", "--json", str(file)], check=True)
        return list(json.loads(file.read_text(encoding="utf-8"))["layers"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lung", type=Path, help="what accuracy_lung.py --json wrote")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="folder of the pictures")
    options = parser.parse_args()
    layers = json.loads(options.lung.read_text(encoding="utf-8"))["layers"] if options.lung else None
    drawn = {"sample": draw_sample(of_sample()), "lung": draw_lung(layers or measured_layers())}
    for name, figure in drawn.items():
        file = options.out / f"validation_{name}.png"
        figure.savefig(file, dpi=PIXELS_PER_INCH, metadata={"Software": None})
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
