"""What a session of a course is and is not, said before anything is computed."""

from datetime import datetime

import pytest

from y90voxel.case.course_settings import CourseSettings, folder_name, read_course
from y90voxel.errors import InputError

NEEDED = {
    "plan": {"study": "s"},
    "dose": {"case": "c.toml"},
    "external beam": {"dose": "d.dcm"},
    "event": {},
}


def session(name="a", kind="dose", **more):
    when = {} if {"date", "day"} & more.keys() else {"day": 0.0}
    return {"name": name, "kind": kind, **NEEDED[kind], **when, **more}


def course(*sessions, **more):
    return CourseSettings.model_validate({"session": list(sessions), **more})


@pytest.mark.parametrize("kind", NEEDED)
@pytest.mark.parametrize(
    ("key", "value", "kinds"),
    [
        ("study", "x", ("plan", "dose")),
        ("case", "x", ("plan", "dose")),
        ("dose", "x", ("external beam",)),
        ("fractions", 3, ("external beam",)),
        ("fraction_dates", ["2026-03-02"], ("external beam",)),
        ("predicted_by", "b", ("dose",)),
    ],
)
def test_each_kind_takes_what_it_uses_and_nothing_else(kind, key, value, kinds):
    made = [session("b", "plan", day=-1.0), session(kind=kind, **{key: value})]
    if kind in kinds:
        assert getattr(course(*made).session[1], key) not in (None, [])
    else:
        named = "fractions" if key == "fraction_dates" else key
        with pytest.raises(ValueError, match=f"{kind} 'a' does not use {named}"):
            course(*made)


@pytest.mark.parametrize(
    ("kind", "needs"), [("plan", "study or case"), ("dose", "study or case"), ("external beam", "dose")]
)
def test_each_kind_needs_what_makes_it_one(kind, needs):
    with pytest.raises(ValueError, match=f"{kind} 'a' needs {needs}"):
        course({"name": "a", "kind": kind, "day": 0.0})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"fractions": 0}, "0 must be 1 or more"),
        ({"fractions": -2}, "-2 must be 1 or more"),
        ({"fractions": 2, "fraction_dates": ["2026-03-02"]}, "'a' has 2 fractions, but 1 fraction_dates"),
        ({"fractions": 1, "fraction_dates": ["2026-03-02", "2026-03-03"]}, "'a' has 1 fractions, but 2"),
        ({"fractions": 1, "fraction_dates": ["2026-03-02"]}, None),
        ({"fractions": 1}, None),
        ({"fraction_dates": ["2026-03-02", "2026-03-03"]}, None),
        ({}, None),
    ],
)
def test_fractions_and_their_dates_are_one_number(given, said):
    one = session(kind="external beam", **given)
    if said is None:
        found = course(one).session[0]
        assert (found.fractions, len(found.fraction_dates)) == (
            given.get("fractions"),
            len(given.get("fraction_dates", ())),
        )
    else:
        with pytest.raises(ValueError, match=said):
            course(one)


@pytest.mark.parametrize(
    ("reference", "said"),
    [(None, None), ("b", None), ("c", None), ("a", "it has 'b', 'c'"), ("e", "no dose or external beam")],
)
def test_the_reference_of_the_sum_is_a_treatment_of_the_course(reference, said):
    """Known at the end only, after all sessions had been computed."""
    made = [
        session("a", "plan"), session("b", "dose"), session("c", "external beam", day=1.0), session("e", "event", day=2.0),
    ]  # fmt: skip
    total = {} if reference is None else {"reference": reference}
    if said is None:
        assert course(*made, accumulate=total).accumulate.reference == reference
    else:
        with pytest.raises(ValueError, match=said):
            course(*made, accumulate=total)


@pytest.mark.parametrize(
    ("names", "refused"), [(("a", "b"), False), (("a b", "A, b"), True), (("a", "b", "a"), True)]
)
def test_folders_of_sessions_differ(names, refused):
    made = [session(name) for name in names]
    if refused:
        with pytest.raises(ValueError, match=f"two sessions are named {names[0]!r}, or nearly"):
            course(*made)
    else:
        assert len(course(*made).session) == len(names)


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ({"day": 3.0}, {"day": 3.0}, False),
        ({"day": 3.0}, {"day": 4.0}, False),
        ({"day": 3.0}, {"day": 2.0}, True),
        ({"date": "2026-03-02"}, {"date": "2026-03-02"}, False),
        ({"date": "2026-03-02T10:00"}, {"date": "2026-03-02T09:00"}, True),
        ({"date": "2026-02-28"}, {"date": "2026-03-01"}, False),
        ({"date": "2026-03-01"}, {"date": "2026-02-28"}, True),
        ({"date": "1999-12-31"}, {"date": "2000-01-02"}, False),
    ],
)
def test_sessions_stand_in_their_order_and_may_share_a_day(before, after, refused):
    made = [session("a", **before), session("b", **after)]
    if refused:
        with pytest.raises(ValueError, match=r"'b' \(.*\) is listed after 'a' \(.*\) and lies before it"):
            course(*made)
    else:
        assert [one.name for one in course(*made).session] == ["a", "b"]


def test_dates_and_days_are_not_mixed_and_one_of_them_is_given():
    with pytest.raises(ValueError, match="some sessions have a date and some a day"):
        course(session("a", day=1.0), session("b", date="2026-03-02"))
    for both in ({"date": "2026-03-02", "day": 1.0}, {"date": None, "day": None}):
        with pytest.raises(ValueError, match="needs a date, or a day after the beginning, and not both"):
            course(session("a", **both))
    with pytest.raises(ValueError, match=r"needs a \[\[session\]\]"):
        course()


def test_days_lie_as_far_apart_as_they_say():
    made = course(session("a", day=-1.5), session("b", day=2.0), session("c", day=2.0))
    first, second, third = (made.start(one) for one in made.session)
    assert ((second - first).total_seconds(), third) == (3.5 * 86_400, second)
    dated = course(session("a", date="2026-03-02"), session("b", date="2026-03-04T18:00"))
    assert [dated.start(one) for one in dated.session] == [
        datetime(2026, 3, 2, 12),
        datetime(2026, 3, 4, 18),
    ]


@pytest.mark.parametrize(
    ("day", "refused"), [(36_525, False), (36_526, True), (-36_525, False), (-36_526, True)]
)
def test_days_lie_within_a_century(day, refused):
    """The sum of all treatments ended in an overflow."""
    if refused:
        with pytest.raises(ValueError, match=f"'a' lies {day} days from the beginning, more than a century"):
            course(session(day=day))
    else:
        made = course(session(day=day))
        assert abs(made.start(made.session[0]) - datetime(2000, 1, 1, 12)).days == 36_525


@pytest.mark.parametrize(("kind", "key"), [("dose", "study"), ("plan", "case"), ("external beam", "dose")])
@pytest.mark.parametrize("named", ["", " "])
def test_a_file_without_a_name_is_not_the_folder_of_the_course(tmp_path, kind, key, named):
    (tmp_path / "c.toml").write_text(
        f'[[session]]\nname = "a"\nkind = "{kind}"\nday = 0\n{key} = "{named}"\n'
    )
    with pytest.raises(InputError, match=f"{key} of 'a' is empty"):
        read_course(tmp_path / "c.toml")


def test_files_lie_beside_the_course(tmp_path):
    text = (
        '[[session]]\nname = "a"\nkind = "dose"\nday = 0\nstudy = "s"\ncase = "/abs/c.toml"\n'
        '[[session]]\nname = "b"\nkind = "external beam"\nday = 1\ndose = "d.dcm"\n'
        '[accumulate]\nregistration = ["r.dcm"]\n'
    )
    (tmp_path / "course.toml").write_text(text)
    read = read_course(tmp_path / "course.toml")
    a, b = read.session
    assert (a.study, a.case, a.dose) == (str(tmp_path / "s"), "/abs/c.toml", None)
    assert (b.dose, b.study) == (str(tmp_path / "d.dcm"), None)
    assert read.accumulate.registration == [str(tmp_path / "r.dcm")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("session = 5\n", "session Input should be a valid list"),
        ("session = [5]\n", "session.0 Input should be a valid dictionary"),
        (
            '[[session]]\nname = "a"\nkind = "dose"\nday = 0\nstudy = 5\n',
            r"session\.0\.study Input should be a valid string",
        ),
        (
            'accumulate = 5\n[[session]]\nname = "a"\nkind = "event"\nday = 0\n',
            "accumulate Input should be a valid dict",
        ),
        (
            '[[session]]\nname = "a"\nkind = "event"\nday = 0\n[accumulate]\nregistration = "r.dcm"\n',
            r"accumulate\.registration Input should be a valid list",
        ),
        ('[[session]]\nname = "a"\nkind = "event"\nday = 0\ncolour = 1\n', r"session\.0\.colour is not a setting"),
    ],
)  # fmt: skip
def test_what_has_another_shape_is_refused_by_its_key(tmp_path, text, said):
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_course(tmp_path / "course.toml")


def test_a_name_without_letters_has_a_folder():
    assert (folder_name("--"), folder_name("A 1")) == ("session", "a-1")
