"""How many fractions the plan beside a dose has, whatever else lies there."""

import dicom_factory as factory
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom.plan_fractions import read_rtdose_facts
from y90voxel.io.dicom.rtdose import read_dose_origin, read_rtdose

DOSE, PLAN, ION_PLAN = (f"1.2.840.10008.5.1.4.1.1.481.{number}" for number in (2, 5, 8))


def plan(uid, *fractions, sop_class=PLAN):
    groups = [factory.item(NumberOfFractionsPlanned=count) for count in fractions]
    return factory.header(
        sop_class, "RTPLAN", uid, "0", SOPInstanceUID=uid, FractionGroupSequence=Sequence(groups)
    )


def planned(folder, plans, refers_to=("1.2.3",)):
    """Fractions of a dose that refers to plans, of those in its folder."""
    references = [factory.item(ReferencedSOPInstanceUID=uid) for uid in refers_to]
    dose = factory.header(DOSE, "RTDOSE", "dose", "0", ReferencedRTPlanSequence=Sequence(references))
    factory.save(plans, folder, "plan")
    return read_rtdose_facts(factory.save(dose, folder, "dose")[0]).fractions_planned


@pytest.mark.parametrize(
    ("plans", "refers_to", "fractions"),
    [
        ([plan("1.2.4", 25), plan("1.2.3", 5)], ["1.2.3"], 5),
        ([plan("1.2.3", 5, sop_class=ION_PLAN)], ["1.2.3"], 5),
        ([plan("1.2.3", 5, sop_class=DOSE)], ["1.2.3"], None),  # no plan
        ([plan("1.2.3", 5, 3)], ["1.2.3"], 8),
        ([plan("1.2.3", None, 3)], ["1.2.3"], 3),
        ([plan("1.2.3")], ["1.2.3"], None),
        ([plan("1.2.4", 25)], ["1.2.3"], None),
        ([plan("1.2.3", 25), plan("1.2.4", 5)], ["1.2.3", "1.2.4"], None),  # 30 days, or 25
        ([plan("1.2.3", 25)], ["1.2.3", "1.2.3"], 25),
        ([plan("1.2.3", 25)], [], None),
    ],
)
def test_fractions_are_those_of_the_one_plan_that_a_dose_refers_to(tmp_path, plans, refers_to, fractions):
    assert planned(tmp_path, plans, refers_to) == fractions


def damaged(path, keyword_bytes, representation):
    """A file whose element has another value representation."""
    data = path.read_bytes()
    place = data.index(keyword_bytes) + 4
    path.write_bytes(data[:place] + representation + data[place + 2 :])
    return path


def test_a_damaged_file_beside_a_dose_is_not_its_plan(tmp_path):
    (path,) = factory.save(plan("1.2.5", 9), tmp_path, "a")
    damaged(path, b"\x02\x00\x10\x00", b"L?")
    (path,) = factory.save(plan("1.2.6", 9), tmp_path, "b")
    damaged(path, b"\x08\x00\x16\x00", b"FD")
    assert planned(tmp_path, [plan("1.2.3", 5)]) == 5


@pytest.mark.parametrize("read", [read_rtdose, read_dose_origin, read_rtdose_facts])
@pytest.mark.parametrize(
    ("element", "representation"), [(b"\x02\x00\x10\x00", b"L?"), (b"\x10\x00\x20\x00", b"FD")]
)
def test_a_damaged_dose_is_an_error_of_the_file(tmp_path, read, element, representation):
    dose = factory.header(DOSE, "RTDOSE", "dose", "0", PatientID="F1234")
    (path,) = factory.save(dose, tmp_path)
    with pytest.raises(InputError) as caught:
        read(damaged(path, element, representation))
    assert "F1234" not in str(caught.value)


def test_a_damaged_identity_is_named_without_its_value(tmp_path):
    dose = factory.header(DOSE, "RTDOSE", "dose", "0", PatientID="F1234")
    (path,) = factory.save(dose, tmp_path)
    with pytest.raises(DicomError, match="PatientID cannot be read") as caught:
        read_rtdose_facts(damaged(path, b"\x10\x00\x20\x00", b"FD"))
    assert caught.value.tag == "PatientID"
