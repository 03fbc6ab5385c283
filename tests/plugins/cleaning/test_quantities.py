"""Quantities in texts as numbers of one unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle import Columns, OptionError, Sample
from ladle_cleaning.conversion import Convert


def into(unit: str, text: str, **options) -> float | None:
    cleaner = Convert.model_validate({"units": {"x": unit}, "invalid": "null"} | options)
    return cleaner.clean_row({"_id": "r0", "x": text})["x"]


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("12 lb", "kg", 5.44310844),
        ("12lbs.", "kg", 5.44310844),
        (" 12 Pounds ", "kg", 5.44310844),
        ("1.5 KG", "g", 1500.0),
        ("5 ft 11 in", "cm", 180.34),
        ("5'11\"", "m", 1.8034),
        ("5′ 11″", "m", 1.8034),
        ("6 lb, 4 oz", "kg", 2.8349523125),
        ("-5 ft 3 in", "m", -1.6002),
        ("1h30min", "min", 90.0),
        ("1m23cm", "cm", 123.0),
        ("32 °F", "C", 0.0),
        ("-40F", "°C", -40.0),
        ("100 celsius", "F", 212.0),
        ("\u22121.5e1 °C", "K", 258.15),
        ("36 km/h", "m/s", 10.0),
        ("2 GiB", "GB", 2.147483648),
        ("3 sqft", "m²", 0.27870912),
        ("10 cm2", "m2", 0.001),
        ("3 kWh", "MJ", 10.8),
        ("2 weeks", "d", 14.0),
    ],
)
def test_quantities_are_read_and_converted(text, unit, number):
    assert into(unit, text) == number


NO_MASSES = ["12", "kg", "", "12 quux", "12 m", "12kg5", "12 kg extra", "1,234 kg", "10-12 kg", "2 kg 3 kg", "4 g 1 kg"]


@pytest.mark.parametrize("text", [*NO_MASSES, "1 . kg", "1e999 kg", "9" * 101 + " kg", "kg 5 g"])
def test_what_is_no_quantity_of_the_kind_is_none(text):
    assert into("kg", text) is None


def test_temperatures_do_not_add_up():
    assert into("K", "20 °C 3 °C") is None


def test_numbers_without_a_unit_are_in_the_one_that_the_recipe_says():
    assert into("kg", "12", unitless={"x": "lb"}) == 5.44310844
    assert into("kg", "12 kg", unitless={"x": "lb"}) == 12.0
    assert into("kg", "1 kg 500", unitless={"x": "g"}) is None  # of several, each has to say what it is


def test_numbers_may_have_other_separators():
    assert into("kg", "1.234,5 g", decimal=",", thousands=".") == 1.2345
    assert into("kg", "1'000 g", thousands="'") == 1.0


def test_a_recipe_may_have_units_of_its_own():
    assert into("kg", "2 firkins", own_units={"firkin": "25.4 kg"}) == 50.8
    money = {"usd": "0.5 eur", "$": "0.5 eur", "cent": "0.01 eur"}
    assert [into("eur", text, own_units=money) for text in ("$12.50", "12 USD", "3 eur 20 cent", "5 £")] == [
        6.25,
        6.0,
        3.2,
        None,
    ]


def test_rows_without_a_quantity_are_rejected(rows, clean):
    data = rows({"w": ["12 lb", "heavy", "?", None, "5 km"], "n": [1, 2, 3, 4, 5]})
    done = clean(Convert(units={"w": "kg"}, types={"n": "number"}, markers=["?"]), data)
    assert done.values("w") == [5.44310844, None, None]
    assert dict(done.columns) == {"w": "number", "n": "number"}
    assert {id_: reject.reason for id_, reject in done.rejects.items()} == {
        "r1": '`w` is "heavy", which is no quantity in kg',
        "r4": '`w` is "5 km", which is no quantity in kg',
    }
    assert clean(Convert(units={"w": "kg"}, invalid="null"), data).values("w") == [5.44310844, None, None, None, None]


def test_numbers_are_no_texts_with_units():
    with pytest.raises(OptionError, match="column `w` holds number, expected text") as caught:
        Convert(units={"w": "kg"}).columns_after(Columns({"w": "number"}))
    assert caught.value.option == "units"


@pytest.mark.parametrize(
    ("options", "message", "option", "help"),
    [
        ({"units": {"w": "kgg"}}, "there is no unit `kgg`", ("units", "w"), "did you mean `kg`?"),
        (
            {"units": {"w": "zorkmid"}},
            "there is no unit `zorkmid`",
            ("units", "w"),
            'say in `own_units` how large it is: { stone = "14 lb" }',
        ),
        (
            {"units": {"w": "kg"}, "own_units": {"firkin": "56"}},
            '"56" does not tell how large `firkin` is',
            ("own_units", "firkin"),
            'write a number and a unit that is known, such as "14 lb"',
        ),
        (
            {"units": {"w": "kg"}, "own_units": {"fl oz": "0.03 l"}},
            "`fl oz` can be no unit",
            ("own_units", "fl oz"),
            "a unit is called by one word of letters, or a sign such as $",
        ),
        ({"units": {"w": "kg"}, "unitless": {"w": "m"}}, "m is no unit of mass, as kg is", ("unitless", "w"), ""),
        (
            {"units": {"w": "kg"}, "unitless": {"v": "kg"}},
            "`v` is converted into no unit",
            ("unitless", "v"),
            "name it in `units` as well",
        ),
        (
            {"units": {"w": "kg"}, "types": {"w": "number"}},
            "`w` becomes a number of kg already",
            ("types", "w"),
            "leave it out here",
        ),
        ({}, "nothing is to be converted", "types", 'write types = { age = "integer" }, or `units`'),
    ],
)
def test_units_that_make_no_sense_are_refused(refused, options, message, option, help):
    error = refused(Convert, **options)
    assert (str(error), error.option, error.help) == (message, option, help)


def test_the_first_rows_show_a_unit_that_does_not_fit():
    sample = Sample([{"w": "12 km"}, {"w": "3 km"}, {"w": "4 kg"}])
    [doubt] = Convert(units={"w": "kg"}, invalid="null").doubts(sample)
    assert (str(doubt), doubt.path) == (
        '2 of the first 3 rows become null: `w` is "12 km", which is no quantity in kg',
        ("units", "w"),
    )
    assert not list(Convert(units={"w": "m"}, invalid="null").doubts(sample))


@given(st.integers(0, 10**6), st.integers(0, 11))
def test_feet_and_inches_add_up(feet, inches):
    assert into("in", f"{feet} ft {inches} in") == feet * 12 + inches


@given(st.floats(0, 1e6), st.sampled_from([("kg", "lb"), ("C", "F"), ("m", "mi"), ("l", "ml"), ("kn", "mph")]))
def test_quantities_survive_the_way_there_and_back(number, units):
    one, other = units
    there = into(other, f"{number!r} {one}")
    assert into(one, f"{there!r} {other}") == pytest.approx(number, rel=1e-12, abs=1e-9)


@given(st.text(st.sampled_from("0123456789.,-+ eEkglbmft'\"°CF/²")))
def test_whatever_it_is_nothing_fails(text):
    assert isinstance(into("kg", text), float | None)
