"""A reader of Radiopharmaceutical Radiation Dose SR, after what dose registries extract (OpenREM's rules: concept codes by value
and scheme along the paths of TID 10021, 10022 and 10023); it knows pydicom and nothing of the writer."""

import pydicom

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.88.68"


def concept(item):
    name = item.ConceptNameCodeSequence[0]
    return name.CodeValue, name.CodingSchemeDesignator


def below(item, value, scheme="DCM"):
    """The content items of one concept directly below another, in order."""
    return [one for one in item.get("ContentSequence", []) if concept(one) == (value, scheme)]


def one(item, value, scheme="DCM"):
    found = below(item, value, scheme)
    assert len(found) == 1, (value, scheme, len(found))
    return found[0]


def coded(item):
    assert item.ValueType == "CODE"
    return item.ConceptCodeSequence[0].CodeValue, item.ConceptCodeSequence[0].CodeMeaning


def measured(item, unit):
    """The number of an item, which must be in that unit."""
    assert item.ValueType == "NUM"
    value = item.MeasuredValueSequence[0]
    units = value.MeasurementUnitsCodeSequence[0]
    assert (units.CodeValue, units.CodingSchemeDesignator) == (unit, "UCUM")
    return float(value.NumericValue)


def read_organ(item):
    sides = below(item, "272741003", "SCT")
    masses = below(item, "118538004", "SCT")
    dose = one(item, "113518")
    return {
        "site": coded(one(item, "363698007", "SCT")),
        "side": coded(sides[0])[1] if sides else None,
        "name": one(item, "112039").TextValue,
        "mass_g": measured(masses[0], "g") if masses else None,
        "mass_method": one(masses[0], "370129005", "SCT").TextValue if masses else None,
        "dose_mgy": measured(dose, "mGy"),
        "authority": one(dose, "121406").TextValue,
    }


def read_event(item):
    agent = one(item, "349358000", "SCT")
    assays = {name: below(item, value) for name, value in (("before", "113508"), ("after", "113509"))}
    brands = below(item, "111529")
    return {
        "agent": coded(agent),
        "nuclide": coded(one(agent, "89457008", "SCT")),
        "half_life_s": measured(one(agent, "304283002", "SCT"), "s"),
        "uid": one(item, "113503").UID,
        "start": one(item, "123003").DateTime,
        "activity_mbq": measured(one(item, "113507"), "MBq"),
        "route": coded(one(item, "410675002", "SCT")),
        "brand": brands[0].TextValue if brands else None,
        **{
            name: (measured(found[0], "MBq"), found[0].get("ObservationDateTime")) if found else None
            for name, found in assays.items()
        },
        "organs": [read_organ(organ) for organ in below(item, "113517")],
    }


def read_rrdsr(path):
    """What a registry keeps of a file."""
    root = pydicom.dcmread(path)
    assert (root.SOPClassUID, root.Modality) == (SOP_CLASS, "SR")
    assert concept(root) == ("113500", "DCM")
    assert root.ContentTemplateSequence[0].TemplateIdentifier == "10021"
    procedure = one(root, "363589002", "SCT")
    comments = below(root, "121106")
    return {
        "procedure": coded(procedure),
        "intent": coded(one(procedure, "363703001", "SCT")),
        "comment": comments[0].TextValue if comments else None,
        "patient": (str(root.PatientName), root.PatientID),
        **read_event(one(root, "113502")),
    }
