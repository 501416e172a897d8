"""Plans without images: masses, ratios and shunts that are stated twice are refused where they differ."""

import pytest

from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.planning.compartments import Territory, TumourUptake
from y90voxel.study.run_plan import run_plan

A = {"name": "A", "mass_kg": 0.10, "ratio": 3.0}
B = {"name": "B", "mass_kg": 0.20, "ratio": 6.0}


def planned(*, shunt=None, territory=(), tumour=(), treated_kg=0.5):
    anatomy = {
        "perfused_normal_mass_kg": treated_kg,
        "whole_normal_mass_kg": 1.4,
        "tumour": list(tumour),
        "territory": list(territory),
    }
    administration = {"device": "glass", "lung_shunt_fraction": shunt}
    return run_plan(
        None, None, load_settings(None, {"administration": administration, "plan": {"anatomy": anatomy}})
    )


def reached(shunt, *tumours, **more):
    return {"lung_shunt_fraction": shunt, "tumour": list(tumours), **more}


@pytest.mark.parametrize("shunt", [0.25, 0.0, "planar", "spect"])
@pytest.mark.parametrize("injections", [1, 2])
def test_a_shunt_beside_those_of_the_injections_is_refused_where_it_differs(shunt, injections):
    territory = [reached(0.05, A, name=f"artery {n}", normal_mass_kg=0.5) for n in range(injections)]
    with pytest.raises(InputError, match=rf"is {shunt}, but the injections .* have 0.05: which holds"):
        planned(shunt=shunt, territory=territory)
    shunts = [t.lung_shunt_fraction for t in planned(shunt=0.05, territory=territory).territories]
    assert shunts == [0.05] * injections


def test_a_shunt_of_one_of_two_injections_is_not_that_of_both():
    territory = [reached(shunt, A, name=str(shunt), normal_mass_kg=0.5) for shunt in (0.05, 0.25)]
    with pytest.raises(InputError, match=r"is 0.05, but the injections .* have 0.05, 0.25"):
        planned(shunt=0.05, territory=territory)
    assert [t.lung_shunt_fraction for t in planned(territory=territory).territories] == [0.05, 0.25]


@pytest.mark.parametrize("territory", [(), [reached(0.05)], [reached(0.05, A)]])
def test_two_tumours_of_one_name_are_refused(territory):
    shunt = None if territory else 0.05
    twice = [{"mass_kg": 0.1}, {"mass_kg": 0.2}] if not territory else [A, A]
    with pytest.raises(InputError, match=r"several tumours are called (tumour|A); give each a name"):
        planned(shunt=shunt, territory=territory, tumour=twice)
    assert planned(shunt=0.05, tumour=[A, B]).anatomy.tumour_masses_kg == {"A": 0.1, "B": 0.2}


def test_an_injection_reaches_no_two_tumours_of_one_name():
    with pytest.raises(InputError, match="several tumours are called A"):
        planned(territory=[reached(0.05, A, A)])
    part = TumourUptake("A", 0.1, 3.0)
    with pytest.raises(InputError, match=r"several tumours of one name \(A, A\)"):
        Territory("injection", 0.05, (part, part), 0.5)
    assert len(Territory("injection", 0.05, (part, TumourUptake("B", 0.1, 3.0)), 0.5).tumours) == 2


@pytest.mark.parametrize(
    ("stated", "there", "said"),
    [
        ({**A, "ratio": 9.0}, [reached(0.05, A)], "is 9 .* have 3;"),
        (A, [reached(0.05, {**A, "ratio": None})], "is 3 .* have none;"),
        (B, [reached(0.05, A)], "ratio of B is 6 .* have no such tumour;"),
        (A, [reached(0.05, B, name="1"), reached(0.05, name="2")], "have no such tumour;"),
        (A, [reached(0.05, name="1"), reached(0.05, name="2")], "have no such tumour;"),
    ],
)
def test_a_ratio_beside_those_of_the_injections_is_refused_where_it_differs(stated, there, said):
    with pytest.raises(InputError, match=said):
        planned(territory=there, tumour=[stated])
    massive = {name: value for name, value in stated.items() if name != "ratio"}
    assert planned(territory=there, tumour=[massive]).anatomy.tumour_masses_kg[stated["name"]] > 0


@pytest.mark.parametrize("territory", [[reached(0.05)], [reached(0.05, A)]])
def test_a_ratio_is_that_of_the_only_injection_or_equals_it(territory):
    (found,) = planned(territory=territory, tumour=[A]).territories
    assert [(one.name, one.ratio) for one in found.tumours] == [("A", 3.0)]


@pytest.mark.parametrize(("normal_kg", "refused"), [(0.3, True), (0.5, False), (None, False)])
def test_the_only_injection_reaches_all_that_is_treated(normal_kg, refused):
    territory = [reached(0.05, A) | ({} if normal_kg is None else {"normal_mass_kg": normal_kg})]
    if refused:
        with pytest.raises(InputError, match=r"reaches 0.3 kg .* but 0.5 kg are treated"):
            planned(territory=territory)
    else:
        assert planned(territory=territory).territories[0].normal_kg == 0.5
    one_of_two = [*territory, reached(0.05, B, name="other", normal_mass_kg=0.2)]
    assert planned(territory=one_of_two).territories[1].normal_kg == 0.2
