import pytest

from y90voxel.errors import InputError
from y90voxel.regions.declared_types import looks_like_tumour
from y90voxel.regions.roles import (
    Role,
    assign_roles,
    normalised_name,
    parse_role,
    role_of_name,
    side_of_name,
)

NAMES = {
    Role.LIVER: "Leber gesamt;Leber_gesamt;Liver;liver;LIVER;Whole Liver;Leber;Foie;foie total;Fegato;Hígado;"
    "Fígado;Wątroba;Lever",
    Role.TUMOUR: "Läsion 1;HCC Läsion;Tumours;Tumoren;GTV;GTV1;GTV_2;gtv 03;Tumor;Tumor 2;Tumour;tumour_B;TumorIV;"
    "HCC 1;Lesion 3;Lebertumor 1;Tumeur 2;Tumore;"
    "Metastase 4;Lésion 2;Nodule 1;Target lesion;Liver tumor 2;GTV L;Tumor right",
    Role.LUNG: "Lunge bds;Lunge beidseits;Lung_L;Lung_R;Lungs;Left lung;Lung Right;Lunge li;Lunge rechts;"
    "Poumon droit;Poumons;Polmone sx;Polmoni;Pulmón;"
    "Pulmones;Longen;Both lungs",
    Role.PERFUSED: "PerfVol;Perfundiertes Lebervolumen;Perfused volume;perfused_volume;PerfusedVolume;Perfused;Perfused vol;"
    "Perfusionsvolumen;Foie perfusé;Volume perfuso;"
    "Volumen perfundido;Treated volume",
    Role.BODY: "Body;EXTERNAL;Skin;Körper;Contour externe;Patient outline",
    Role.OTHER: "whole liver normal;Liver-GTV;Liver minus GTV;Normal liver;Tumour segment 8;"
    "not a tumour;spleen;"
    "Right lobe;Lung nodule;Liver dome;perfused tumour;kidney_cyst_left;GB fossa;"
    "stomach minus PTV;PRV duodenum;heart vessels",
    Role.STOMACH: "stomach;Magen;Estomac;Stomaco;Estómago;Żołądek",
    Role.DUODENUM: "Duodenum;Zwölffingerdarm;Duodeno",
    Role.GALLBLADDER: "gallbladder;GallBladder;Gallenblase;Vésicule biliaire;Colecisti;Vesícula biliar",
    Role.BOWEL: "small_bowel;colon;Bowel_Small;Bag_Bowel;Bowel;Dünndarm;Colon_Ascending;Intestin grêle;Intestino tenue",
    Role.KIDNEY: "kidney_left;kidney_right;Kidney_L;Kidneys;Niere rechts;Rein gauche;Riñón derecho;Nieren",
    Role.SKIN: "Skin rind;skin_surface",
    Role.HEART: "heart;heart_atrium_left;heart_ventricle_right;heart_myocardium;Herz;Cœur;Corazón",
}


@pytest.mark.parametrize(
    ("name", "role"), [(name, role) for role, names in NAMES.items() for name in names.split(";")]
)
def test_roles_follow_from_whole_names(name, role):
    assert role_of_name(name) is role


def test_names_are_normalised():
    assert normalised_name("  GTV-1/Läsion_B ") == "gtv 1 lasion b"


def test_overrides_win_and_find_names_by_spelling():
    roles = assign_roles(["Liver", "Segment 8"], {"segment_8": "tumor", "Liver": "ignore"})
    assert roles == {"Liver": Role.IGNORE, "Segment 8": Role.TUMOUR}


def test_an_override_of_an_unknown_region_is_refused():
    with pytest.raises(InputError, match="'Spleen', but the regions are: Liver"):
        assign_roles(["Liver"], {"Spleen": "other"})


def test_an_unknown_role_is_refused_with_the_list():
    with pytest.raises(InputError, match=r"unknown role 'spleen'.*liver, tumour, lung"):
        parse_role("spleen")


def test_derived_roles_cannot_be_given():
    with pytest.raises(InputError, match="unknown role"):
        parse_role("non_tumour_liver")


@pytest.mark.parametrize(("name", "side"), [("Lung_L", "left"), ("Lunge rechts", "right"), ("Lungs", None)])
def test_sides_are_recognised(name, side):
    assert side_of_name(name) == side


def test_a_role_that_the_file_states_wins_over_the_name_and_yields_to_the_user():
    stated = [Role.TUMOUR, Role.TUMOUR, None]
    roles = assign_roles(["Lesion", "Liver", "GTV"], {"Liver": "liver"}, stated)
    assert roles == {"Lesion": Role.TUMOUR, "Liver": Role.LIVER, "GTV": Role.TUMOUR}


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("HCC*", {"HCC seg 7", "hcc 2"}),
        ("*seg ?", {"HCC seg 7"}),
        ("*", {"HCC seg 7", "hcc 2", "Liver", "Met [1]"}),
        ("Met [1]", {"Met [1]"}),
        ("met*]", {"Met [1]"}),
    ],
)
def test_a_pattern_gives_its_role_to_all_that_fit(pattern, fitting):
    names = ["HCC seg 7", "hcc 2", "Liver", "Met [1]"]
    roles = assign_roles(names, {pattern: "other"})
    before = assign_roles(names)
    assert roles == {**before, **dict.fromkeys(fitting, Role.OTHER)}


def test_a_name_wins_over_patterns_and_two_patterns_must_agree():
    names = ["HCC 1", "HCC 2"]
    assert assign_roles(names, {"HCC 1": "ignore", "HCC*": "other"}) == {
        "HCC 1": Role.IGNORE,
        "HCC 2": Role.OTHER,
    }
    assert assign_roles(names, {"HCC*": "other", "*2": "other"})["HCC 2"] is Role.OTHER
    with pytest.raises(InputError, match=r"'HCC\*=other' and '\*2=tumour' both fit the region 'HCC 2'"):
        assign_roles(names, {"HCC*": "other", "*2": "tumour"})


def test_a_pattern_that_fits_nothing_is_refused():
    with pytest.raises(InputError, match=r"names the region 'CCC\*', but the regions are: HCC 1"):
        assign_roles(["HCC 1"], {"CCC*": "tumour"})


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("GTV_1 HCC", Role.TUMOUR),
        ("liver_tumor", Role.TUMOUR),
        ("Liver - GTV", Role.OTHER),
        ("zLiver", Role.OTHER),
        ("lung_upper_lobe_left", Role.LUNG),
        ("lung_middle_lobe_right", Role.LUNG),
        ("lung_vessels", Role.OTHER),
        ("lung_nodules", Role.OTHER),
        ("liver_vessels", Role.OTHER),
        ("liver_segment_4", Role.OTHER),
        ("stomach", Role.STOMACH),
        ("duodenum", Role.DUODENUM),
        ("gallbladder", Role.GALLBLADDER),
    ],
)
def test_names_of_programs_have_their_roles(name, role):
    assert role_of_name(name) is role


@pytest.mark.parametrize(
    ("name", "looks"),
    [
        ("HCC seg 7", True),
        ("met dome", True),
        ("lesion near dome", True),
        ("mass", True),
        ("Liver - GTV", False),
        ("HCC", False),
        ("liver_vessels", False),
        ("PTV HCC", False),
        ("stomach", False),
        ("Liver minus mets", False),
    ],
)
def test_names_that_look_like_tumours(name, looks):
    assert looks_like_tumour(name) is looks


@pytest.mark.parametrize(
    ("names", "overrides", "role"),
    [
        (["Skin", "Liver"], None, Role.BODY),
        (["Skin", "External"], None, Role.SKIN),
        (["Skin", "Liver"], {"Skin": "skin"}, Role.SKIN),
        (["Skin", "External"], {"Skin": "body"}, Role.BODY),
    ],
)
def test_skin_is_the_outline_unless_there_is_another(names, overrides, role):
    assert assign_roles(names, overrides)["Skin"] is role


# Classes of TotalSegmentator, tasks total and total_v1, that have a role here; all others have none.
TOTAL_SEGMENTATOR = {
    Role.LIVER: "liver",
    Role.LUNG: "lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right lung_lower_lobe_right",
    Role.STOMACH: "stomach",
    Role.DUODENUM: "duodenum",
    Role.GALLBLADDER: "gallbladder",
    Role.BOWEL: "small_bowel colon",
    Role.KIDNEY: "kidney_right kidney_left",
    Role.HEART: "heart heart_myocardium heart_atrium_left heart_ventricle_left heart_atrium_right heart_ventricle_right",
    Role.OTHER: "spleen pancreas adrenal_gland_right adrenal_gland_left esophagus trachea thyroid_gland urinary_bladder "
    "prostate kidney_cyst_left kidney_cyst_right sacrum vertebrae_L1 spinal_cord aorta pulmonary_vein pulmonary_artery "
    "atrial_appendage_left superior_vena_cava inferior_vena_cava portal_vein_and_splenic_vein iliac_artery_left hip_left "
    "gluteus_maximus_left autochthon_left iliopsoas_right brain skull rib_left_1 sternum costal_cartilages face",
}


@pytest.mark.parametrize(
    ("name", "role"), [(name, role) for role, names in TOTAL_SEGMENTATOR.items() for name in names.split()]
)
def test_classes_of_totalsegmentator_have_their_roles(name, role):
    assert role_of_name(name) is role
