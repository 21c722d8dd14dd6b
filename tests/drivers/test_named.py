"""Values by name whose names are kept apart from them, and rounds of several answers."""

import pytest

from drivers.device.named import Joint, NamedValues, Names, row_of, table_of


def test_values_are_found_by_name_like_in_a_table() -> None:
    values = NamedValues(Names(["power_kw", "ready"]), (500.0, None))

    assert values == {"power_kw": 500.0, "ready": None}
    assert (values["power_kw"], values.get("ready"), values.get("absent", 7)) == (500.0, None, 7)
    assert ("ready" in values, "absent" in values, len(values), list(values)) == (True, False, 2, ["power_kw", "ready"])
    assert (table_of(values), row_of(values)) == ({"power_kw": 500.0, "ready": None}, (500.0, None))


def test_a_name_that_is_not_there_is_an_error() -> None:
    values = NamedValues.of({"power_kw": 500.0})

    with pytest.raises(KeyError):
        values["absent"]


def test_a_table_is_the_callers_own() -> None:
    values = NamedValues.of({"power_kw": 500.0})

    table_of(values)["power_kw"] = None

    assert values["power_kw"] == 500.0
    assert table_of({"a": 1}) == {"a": 1}
    assert row_of({"a": 1, "b": None}) == (1, None)


def test_the_answers_of_a_round_are_joined_in_their_order() -> None:
    joint = Joint()
    first, second = Names(["a", "b"]), Names(["c"])

    once = joint.values([NamedValues(first, (1, 2)), NamedValues(second, (3,))])
    again = joint.values([NamedValues(first, (4, None)), NamedValues(second, (6,))])

    assert once == {"a": 1, "b": 2, "c": 3}
    assert again == {"a": 4, "b": None, "c": 6}
    assert again.names is once.names


def test_a_value_of_several_answers_counts_as_in_the_last() -> None:
    joint = Joint()

    joined = joint.values([NamedValues(Names(["W", "SF"]), (1, -1)), NamedValues(Names(["A", "SF"]), (2, -2))])

    assert joined == {"W": 1, "SF": -2, "A": 2}


def test_answers_of_other_parts_are_joined_by_their_own_names() -> None:
    joint = Joint()
    joint.values([NamedValues(Names(["a"]), (1,)), NamedValues(Names(["b"]), (2,))])

    other = joint.values([NamedValues(Names(["c"]), (3,)), NamedValues(Names(["d"]), (4,))])

    assert other == {"c": 3, "d": 4}
