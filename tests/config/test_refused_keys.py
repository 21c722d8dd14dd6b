from pathlib import Path

import pytest

from ems.config.schema.limits import BatteryLimits
from tests.config.directories import line_of, problem_at, problems_of, replace


def test_an_unknown_key_is_named_with_file_line_path_and_the_known_keys(campus: Path) -> None:
    file = campus / "limits.toml"
    replace(file, "soc_max_pct", "soc_mux_pct")

    problem = problem_at(campus, "battery.bess.soc_mux_pct")

    assert problem.file == str(file)
    assert problem.line == line_of(file, "soc_mux_pct")
    assert problem.message == "unknown key"
    assert problem.allowed is not None
    assert problem.allowed.split(", ") == sorted(BatteryLimits.model_fields)
    assert problem.nearest == "soc_max_pct"


@pytest.mark.parametrize(
    ("file", "key", "wrong", "path"),
    [
        ("limits.toml", "max_charge_kw", "max_charge_w", "battery.bess.max_charge_w"),
        ("limits.toml", "import_limit_kw", "import_limit_mw", "grid.import_limit_mw"),
        ("limits.toml", "sustain_s", "sustain_min", "reserve.sustain_min"),
        ("assets.toml", "container_kwh", "container_mwh", "battery.bess.container_mwh"),
        ("tariffs.toml", "diesel_price_per_l", "diesel_price_per_gal", "economics.diesel_price_per_gal"),
        ("assets.toml", "facility_supply_degc", "facility_supply_degf", "cooling.facility_supply_degf"),
    ],
)
def test_a_wrong_unit_in_a_key_suggests_the_right_one(
    campus: Path, *, file: str, key: str, wrong: str, path: str
) -> None:
    replace(campus / file, key, wrong)

    assert problem_at(campus, path).nearest == key


def test_a_misspelt_table_suggests_the_right_one(campus: Path) -> None:
    replace(campus / "assets.toml", "[cooling]", "[colling]")

    assert problem_at(campus, "colling").nearest == "cooling"
    assert problem_at(campus, "cooling").message == "this table is required"


def test_a_key_of_another_file_is_sent_there(campus: Path) -> None:
    replace(campus / "assets.toml", "pcs_kw = 4000.0", "pcs_kw = 4000.0\nmax_charge_kw = 4000.0")

    problem = problem_at(campus, "battery.bess.max_charge_kw")

    assert problem.message == "unknown key here; it belongs to limits.toml as battery.<name>.max_charge_kw"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"4000"', 'must be a number, found "4000"'),
        ("true", "must be a number, found true"),
        ("[4000.0]", "must be a number, found a list"),
        ("[]", "must be a number, found an empty list"),
        ("{ kw = 4000.0 }", "must be a number, found a table"),
        ("2026-01-01", "must be a number, found 2026-01-01"),
        ("nan", "must be a finite number, found nan"),
        ("inf", "must be a finite number, found inf"),
        ("0.0", "must be above 0, found 0"),
        ("4_000_000", "must be at most 1000000, found 4000000"),
        ("0x" + "f" * 4900, "must be a number, found a number beyond every use"),
    ],
)
def test_a_wrong_number_is_shown_with_its_range_and_unit(campus: Path, *, value: str, message: str) -> None:
    file = campus / "limits.toml"
    replace(file, "max_charge_kw = 4000.0", f"max_charge_kw = {value}")

    (problem,) = problems_of(campus)

    assert problem.key == "battery.bess.max_charge_kw"
    assert (problem.file, problem.line) == (str(file), line_of(file, "max_charge_kw"))
    assert problem.message == message
    assert problem.allowed == (
        "a number above 0 and up to 1000000 kW; Charge limit of one block, not above the PCS rating."
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "message"),
    [
        (
            "assets.toml",
            "n_blocks = 10",
            "n_blocks = 10.0",
            "battery.bess.n_blocks",
            "must be a whole number, found 10",
        ),
        (
            "assets.toml",
            "grid_forming = true",
            "grid_forming = 1",
            "battery.bess.grid_forming",
            "must be true or false",
        ),
        ("assets.toml", '"liquid"', '"oil"', "cooling.kind", 'must be one of the choices, found "oil"'),
        ("assets.toml", '"hall-a"', '"Hall A"', "it.id", 'must be of another form, found "Hall A"'),
        ("site.toml", '"weak-grid-campus"', "7", "site.id", "must be a text in quotes, found 7"),
        (
            "assets.toml",
            "power_kw = 1000.0",
            "power_kw = -1",
            "genset.gen.fuel[1].power_kw",
            "must be above 0, found -1",
        ),
        ("tariffs.toml", "2025-01-28", '"2025-01-28"', "tariff.holidays[1]", "must be a date without quotes"),
        ("tariffs.toml", "months = [6, 7, 8]", "months = []", "tariff.season[0].months", "at least 1 entries"),
        ("tariffs.toml", "peak = 229.0", "peak = true", "tariff.season[0].prices_per_kwh.peak", "must be a number"),
        (
            "tariffs.toml",
            "start_h = 20.0",
            "start_h = 25",
            "tariff.season[2].windows[4].start_h",
            "at most 24, found 25",
        ),
        (
            "assets.toml",
            "[battery.bess]",
            '[battery."B 1"]',
            'battery."B 1"',
            'the name must be of another form, found "B 1"',
        ),
        ("devices.toml", 'id = "pv{n:02}"', 'id = "pv{x}"', "link[1].id", 'must be of another form, found "pv{x}"'),
        ("mqtt.toml", "port = 1883", "port = 70000", "mqtt.port", "must be at most 65535, found 70000"),
        (
            "forecasts.toml",
            "longest_h = 4.5",
            "longest_h = 4.5\nannounced = [{ start = 2026-03-01T09:00:00, end = 2026-03-01T10:00:00Z }]",
            "outages.announced[0].start",
            "must be a time with an offset from UTC",
        ),
        (
            "forecasts.toml",
            "longest_h = 4.5",
            "longest_h = 4.5\nannounced = [{ start = 0001-01-01T00:00:00+10:00, end = 2026-03-01T10:00:00Z }]",
            "outages.announced[0].start",
            "must be at least",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_plain_words(
    campus: Path, *, file: str, old: str, new: str, key: str, message: str
) -> None:
    replace(campus / file, old, new)

    problem = problem_at(campus, key)

    assert message in problem.message
    assert problem.file == str(campus / file)
    assert problem.line is not None
    assert problem.allowed


def test_a_value_in_an_inline_table_has_the_line_of_the_enclosing_key(campus: Path) -> None:
    file = campus / "assets.toml"
    replace(file, "power_kw = 1500.0", "power_kw = 0")

    assert problem_at(campus, "genset.gen.fuel[2].power_kw").line == line_of(file, "fuel = [")


def test_a_device_of_a_list_has_the_line_of_its_own_table(campus: Path) -> None:
    file = campus / "devices.toml"
    replace(file, 'id = "it-meter"\n', 'id = "it-meter"\nslow = 1\n')

    problem = problem_at(campus, "device[5].slow")

    assert problem.line == line_of(file, "slow = 1")


@pytest.mark.parametrize(
    ("file", "line", "key"),
    [
        ("limits.toml", "max_charge_kw = 4000.0\n", "battery.bess.max_charge_kw"),
        ("limits.toml", "soc_max_pct = 95.0\n", "battery.bess.soc_max_pct"),
        ("limits.toml", "import_limit_kw = 26000.0\n", "grid.import_limit_kw"),
        ("limits.toml", "reserve_l = 80000.0\n", "fuel_tank.reserve_l"),
        ("limits.toml", "max_starts_per_h = 4.0\n", "genset.gen.max_starts_per_h"),
    ],
)
def test_a_missing_limit_never_means_unlimited(campus: Path, *, file: str, line: str, key: str) -> None:
    replace(campus / file, line, "")

    problem = problem_at(campus, key)

    assert problem.message == "this key is required"
    # the line of the table in which it is missing
    assert problem.line == line_of(campus / file, f"[{key.rpartition('.')[0]}]")


def test_every_problem_is_reported_at_once_and_in_the_order_of_lines(campus: Path) -> None:
    replace(campus / "site.toml", "latitude_deg = 37.5", "latitude_deg = 137.5")
    replace(campus / "limits.toml", "max_degc = 50.0", "max_degc = 500.0")
    replace(campus / "limits.toml", "max_charge_kw = 4000.0", "max_charge_kw = 0")

    problems = problems_of(campus)

    assert [problem.key for problem in problems] == [
        "site.latitude_deg",
        "battery.bess.max_charge_kw",
        "battery.bess.max_degc",
    ]


@pytest.mark.parametrize(
    "path",
    ["../secret.csv", "/etc/passwd", "~/x.csv", "data/../../x.csv", "data//x.csv", "", "x" * 201, "data\\\\x.csv"],
)
def test_a_path_cannot_leave_the_directory(campus: Path, path: str) -> None:
    replace(campus / "forecasts.toml", "data/carbon_korea_2023_1h.csv.gz", path)

    problem = problem_at(campus, "carbon.file")

    assert problem.allowed is not None
    assert problem.allowed.startswith("a path inside the configuration directory")


@pytest.mark.parametrize("key", ["[key]", "a b", "a.b", "größe", "", "x" * 300])
def test_any_key_can_be_unknown(campus: Path, key: str) -> None:
    replace(campus / "mqtt.toml", "[mqtt]", f'[mqtt]\n"{key}" = 1')

    (problem,) = problems_of(campus)

    assert problem.message == "unknown key"
    assert problem.line == line_of(campus / "mqtt.toml", f'"{key}"')


def test_a_sentence_says_where_what_and_what_to_do(campus: Path) -> None:
    replace(campus / "mqtt.toml", 'prefix = "ems"', "prefixx = true")

    (problem,) = problems_of(campus)

    assert problem.sentence() == (
        f"{campus}/mqtt.toml:5: mqtt.prefixx: unknown key; allowed: ca_file, cert_file, client_id, host, keepalive_s, "
        "key_file, password_file, port, prefix, protocol, publish_s, queue_events, queue_records, "
        "reconnect_max_s, timeout_s, username; did you mean 'prefix'?"
    )


def test_a_site_that_need_not_survive_any_loss_is_refused(campus: Path) -> None:
    replace(campus / "limits.toml", 'survive = ["grid", "genset", "block", "pv_block"]', "survive = []")

    problem = problem_at(campus, "reserve.survive")

    assert problem.line == line_of(campus / "limits.toml", "survive")
    assert "at least 1 entries" in problem.message
    assert problem.allowed is not None
    assert '"grid" or "genset" or "block" or "pv_block"' in problem.allowed


@pytest.mark.parametrize(("key", "present"), [("min_up_h", "0.5"), ("min_down_h", "0.25")])
def test_a_set_that_runs_or_rests_for_more_than_two_days_is_refused(campus: Path, key: str, present: str) -> None:
    replace(campus / "limits.toml", f"{key} = {present}", f"{key} = 48.5")

    allowed = problem_at(campus, f"genset.gen.{key}").allowed
    assert allowed is not None
    assert allowed.startswith("a number from 0 to 48 hours; ")
