"""Nuclides by code value, written name, half-life and energy window."""

import itertools

import dicom_factory as factory
import pytest
from pydicom.sequence import Sequence

from y90voxel.io.dicom.headers import lenient_reading, read_header
from y90voxel.io.dicom.radionuclide import NUCLIDES, radiopharmaceutical_of
from y90voxel.io.dicom.sources import list_files


def drug(tmp_path, items, modality="PT", **attributes):
    dataset = factory.header("1.2.840.10008.5.1.4.1.1.128", modality, "s", "0", **attributes)
    if items is not None:
        dataset.RadiopharmaceuticalInformationSequence = items
    path = factory.save(dataset, tmp_path)[0]
    with lenient_reading():
        return radiopharmaceutical_of(read_header(list_files(path)[0]))


@pytest.mark.parametrize(
    ("value", "scheme", "meaning", "nuclide"),
    [
        ("C-111A1", "99SDM", "18F", "F-18"),
        ("C-111A1", "SNM3", "x", "F-18"),
        ("C-101ED", "99SDM", "177 Lutetium", "Lu-177"),
        ("C-162A7", "SRT", "^90^Yttrium", "Y-90"),
        ("14691008", "SCT", "^90^Yttrium", "Y-90"),
        ("C1943", "NCIt", "^166^Holmium", "Ho-166"),
        ("unknown", "99X", "^99m^Technetium", "Tc-99m"),
        ("unknown", "99X", "Y-90", "Y-90"),
        ("unknown", "99X", "90Y", "Y-90"),
        ("unknown", "99X", "Holmium-166", "Ho-166"),
        ("unknown", "99X", "Tc 99m", "Tc-99m"),
        ("unknown", "99X", "something", None),
    ],
)
def test_the_code_value_decides_then_the_meaning(tmp_path, value, scheme, meaning, nuclide):
    codes = Sequence([factory.code(value, scheme, meaning)])
    assert drug(tmp_path, Sequence([factory.item(RadionuclideCodeSequence=codes)])).nuclide == nuclide


@pytest.mark.parametrize("name", sorted(NUCLIDES))
def test_every_code_names_its_nuclide(tmp_path, name):
    for number, value in enumerate(NUCLIDES[name][1]):
        codes = Sequence([factory.code(value)])
        found = drug(tmp_path / str(number), Sequence([factory.item(RadionuclideCodeSequence=codes)]))
        assert found.nuclide == name


def test_half_lives_tell_nuclides_apart_but_for_one_pair(tmp_path):
    lives = sorted((life, name) for name, (life, _) in NUCLIDES.items())
    close = [(a[1], b[1]) for a, b in itertools.pairwise(lives) if b[0] / a[0] < 1.02]
    assert close == [("Ga-67", "Zr-89")]
    assert drug(tmp_path, Sequence([factory.item(RadionuclideHalfLife="282000")])).nuclide is None


def test_the_half_life_names_a_nuclide_without_code(tmp_path):
    found = drug(tmp_path, Sequence([factory.item(RadionuclideHalfLife="230000")]))
    assert (found.nuclide, found.half_life_s) == ("Y-90", 230000.0)


def test_the_agent_names_a_nuclide_without_code(tmp_path):
    found = drug(tmp_path, Sequence([factory.item(Radiopharmaceutical="Y-90 SIR-Spheres")]))
    assert (found.nuclide, found.is_surrogate) == ("Y-90", False)


@pytest.mark.parametrize(
    ("life", "named"), [("6586.2", "is that of F-18"), ("12345678", "is not that of this")]
)
def test_a_half_life_of_another_nuclide_is_reported_and_kept(tmp_path, life, named):
    found = drug(tmp_path, factory.radiopharmaceutical(RadionuclideHalfLife=life))
    assert (found.nuclide, found.half_life_s) == ("Y-90", float(life))
    assert [f.code for f in found.notices] == ["nuclide-contradicts-half-life"]
    assert named in found.notices[0].message


def test_the_positron_fraction_of_the_header_is_kept(tmp_path):
    found = drug(tmp_path, factory.radiopharmaceutical("C-111A1", RadionuclidePositronFraction="0.97"))
    assert found.positron_fraction == 0.97


@pytest.mark.parametrize("life", ["0", "-5"])
def test_a_half_life_that_is_not_positive_counts_as_missing(tmp_path, life):
    assert drug(tmp_path, factory.radiopharmaceutical(RadionuclideHalfLife=life)).half_life_s is None


def test_the_energy_window_of_nm_names_technetium_with_a_warning(tmp_path):
    windows = Sequence([factory.energy_window(126.5, 154.5)])
    agent = Sequence([factory.item(Radiopharmaceutical="ATTENUATION MAPS")])
    found = drug(tmp_path, agent, modality="OT", EnergyWindowInformationSequence=windows)
    assert (found.nuclide, found.is_surrogate) == ("Tc-99m", True)
    assert [f.code for f in found.notices] == ["nuclide-from-energy-window"]


@pytest.mark.parametrize("windows", [None, Sequence([factory.energy_window(70, 130)])])
def test_without_any_word_the_nuclide_is_unknown(tmp_path, windows):
    found = drug(tmp_path, None, modality="NM", EnergyWindowInformationSequence=windows)
    assert (found.nuclide, found.agent, found.half_life_s) == (None, "", None)
    assert [f.code for f in found.notices] == ["nuclide-unknown"]


def test_aggregated_albumin_is_a_surrogate_whatever_its_label(tmp_path):
    items = Sequence([factory.item(Radiopharmaceutical="macroaggregated albumin")])
    assert drug(tmp_path, items).is_surrogate
