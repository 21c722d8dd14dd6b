from pathlib import Path

import pytest

from drivers.modbus.coding import Address, Table, WordOrder
from drivers.modbus.mapfile import load_map, map_names
from ems.errors import ConfigError, ConfigProblem

MAP = """
[device]
id = "site-pcs"
source = "invented for this test, no document"
class = "pcs"

[endpoint]
max_registers = 100
word_order = "big"

[identity.serial]
at = "input:0"
length = 8

[[blocks]]
at = "holding:100"
count = 10
speed = "fast"

[[blocks]]
at = "holding:200"
count = 4
speed = "slow"

[points.power_kw]
at = "holding:100"
type = "int16"
scale = 0.1
invalid = [0x8000]

[points.setpoint_kw]
at = "holding:101"
type = "int16"
scale = 0.1

[points.discharge_wh]
at = "holding:200"
type = "uint64"

[commands.power_kw]
at = "holding:300"
type = "int16"
scale = 0.1
limits = [-3000, 3000]
volatile = true
readback = "setpoint_kw"

[watchdog]
at = "holding:310"
volatile = false
writes_per_day = 24

[fallback]
text = "it ramps to zero"
armed_by = "watchdog"
"""

WATCHDOG = '[watchdog]\nat = "holding:310"\nvolatile = false\nwrites_per_day = 24'


def write(directory: Path, text: str, name: str = "site-pcs") -> Path:
    file = directory / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(directory: Path, text: str) -> tuple[ConfigProblem, ...]:
    write(directory, text)
    with pytest.raises(ConfigError) as refused:
        load_map("site-pcs", (directory,))
    return refused.value.problems


def problem(directory: Path, old: str, new: str) -> ConfigProblem:
    """Return the only problem of the map above with one place changed."""
    assert MAP.count(old) == 1, old
    (found,) = problems(directory, MAP.replace(old, new))
    assert found.file == str(directory / "site-pcs.toml")
    return found


def test_a_map_of_the_site_is_loaded_as_it_is_written(tmp_path: Path) -> None:
    write(tmp_path, MAP)

    loaded = load_map("site-pcs", (tmp_path,))

    assert loaded.points["power_kw"].coding.word_order is WordOrder.BIG
    assert loaded.points["power_kw"].at == Address(table=Table.HOLDING, register=100)
    # 0x8000 as the int16 that it decodes to
    assert loaded.points["power_kw"].invalid == {-32768}
    assert loaded.commands["power_kw"].function == 16
    assert loaded.watchdog is not None


def test_a_map_of_the_site_comes_before_a_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    write(tmp_path, MAP.replace("site-pcs", "generic-pcs"), "generic-pcs")

    assert load_map("generic-pcs", (tmp_path,)).max_registers == 100
    assert "frequency_hz" not in load_map("generic-pcs", (tmp_path,)).points
    assert "frequency_hz" in load_map("generic-pcs", ()).points


def test_the_names_of_all_maps_are_known(tmp_path: Path) -> None:
    write(tmp_path, MAP)

    assert {"site-pcs", "generic-pcs", "generic-tank"} <= set(map_names((tmp_path,)))


def test_a_name_without_a_map_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_map("generic-psc", (tmp_path,))

    assert refused.value.problems[0].nearest == "generic-pcs"
    assert "generic-bms" in (refused.value.problems[0].allowed or "")


def test_text_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "[device]\nid = \n")

    assert found.line == 2


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "site-pcs.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match="not valid UTF-8"):
        load_map("site-pcs", (tmp_path,))


def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path) -> None:
    found = problem(tmp_path, "max_registers = 100", "max_register = 100\nmax_registers = 100")

    assert (found.key, found.message) == ("endpoint.max_register", "unknown key")
    assert found.nearest == "max_registers"
    assert found.allowed == "byte_order, max_bits, max_registers, never_read, word_order, write_fc"


def test_a_missing_key_is_named_with_what_it_means(tmp_path: Path) -> None:
    found = problem(tmp_path, 'word_order = "big"', "")

    assert (found.key, found.message) == ("endpoint.word_order", "this key is required")
    assert "low word" in (found.allowed or "")


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ("max_registers = 100", "max_registers = 200", "endpoint.max_registers", "4 to 125"),
        ('word_order = "big"', 'word_order = "middle"', "endpoint.word_order", "big"),
        ('class = "pcs"', 'class = "inverter"', "device.class", "pcs"),
        ('at = "holding:100"\ncount', 'at = "coils:100"\ncount', "blocks[0].at", "holding:N"),
        ('at = "holding:300"', 'at = "input:300"', "commands.power_kw.at", "holding:N"),
        ("scale = 0.1\ninvalid", 'scale = "0.1"\ninvalid', "points.power_kw.scale", "scale"),
        ("scale = 0.1\ninvalid", "scale = nan\ninvalid", "points.power_kw.scale", "scale"),
        ("volatile = true", "volatile = 1", "commands.power_kw.volatile", "RAM"),
        ("text =", "text = 5 #", "fallback.text", "silent"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, key: str, allowed: str
) -> None:
    found = problem(tmp_path, old, new)

    assert found.key == key
    assert allowed in (found.allowed or "")


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('id = "site-pcs"', 'id = "other"', "device.id", "the file is called 'site-pcs.toml'"),
        ('"holding:101"', '"holding:115"', "points.setpoint_kw.at", "holding:115 is in no block"),
        ('"holding:200"\ntype', '"holding:202"\ntype', "points.discharge_wh.at", "holding:202..205 is in no block"),
        ("count = 10", "count = 101", "blocks", "the blocks at holding:100 and holding:200 overlap"),
        ('"holding:101"\ntype = "int16"', '"holding:100"\ntype = "int32"', None, "shares registers with"),
        ("[points.power_kw]", "[points.watts]", "points.watts", "a pcs has no such value"),
        ('readback = "setpoint_kw"', 'readback = "setpoint"', "commands.power_kw.readback", "no point 'setpoint'"),
        ('readback = "setpoint_kw"', 'readback = "discharge_wh"', "commands.power_kw.readback", "too seldom"),
        ('"uint64"', '"float32"', "points.discharge_wh", "this value is a whole number"),
        ('type = "int16"\nscale = 0.1\ninvalid = [0x8000]', 'type = "bit"\nbit = 1', "points.power_kw", "is a number"),
        ("invalid = [0x8000]", "valid = [5, -5]", "points.power_kw.valid", "the first number is the lower one"),
        ("invalid = [0x8000]", "bit = 3", "points.power_kw.bit", "belong together"),
        ("scale = 0.1\ninvalid = [0x8000]", 'enum = { 1 = "true" }', "points.power_kw", "this value is a number"),
        ("scale = 0.1\ninvalid", "scale = 0\ninvalid", "points.power_kw.scale", "every value would be the same"),
        ('type = "int16"\nscale = 0.1\nlimits', 'type = "int64"\nlimits', "commands.power_kw.type", "be written"),
        ("limits = [-3000, 3000]", "limits = [5, 5]", "commands.power_kw.limits", "the lower one"),
        ("limits = [-3000, 3000]", "", "commands.power_kw.limits", "needs its range"),
        ("volatile = true", "volatile = false", "commands.power_kw", "it needs writes_per_day"),
        ("volatile = true", "volatile = true\nwrites_per_day = 5", "commands.power_kw", "writes_per_day"),
        ('speed = "slow"', "", "blocks[1]", "either speed or every_s"),
        ('speed = "slow"', 'speed = "slow"\nevery_s = 60.0', "blocks[1]", "either speed or every_s"),
        ('"holding:300"', '"coil:300"', "commands.power_kw.type", "cannot be written to coil:300"),
        ("writes_per_day = 24\n", "", "watchdog", "it needs writes_per_day"),
        ("volatile = false\nwrites_per_day = 24", "volatile = true\nwrites_per_day = 24", "watchdog", "to no other"),
        ('[watchdog]\nat = "holding:310"', '[watchdog]\nat = "holding:65536"', "watchdog.at", "last register"),
        ('class = "pcs"', 'class = "pcs"\ncapabilities = ["reports_soc"]', "device.capabilities", "point soc_pct"),
        ('class = "pcs"', 'class = "pcs"\ncapabilities = ["heartbeat"]', "device.capabilities", "needs [heartbeat]"),
        ('class = "pcs"', 'class = "pcs"\ncapabilities = ["curtails"]', "device.capabilities", "a command limit_kw"),
        ("volatile = true", "volatile = false\nwrites_per_day = 100000", "commands.power_kw.volatile", "wears this"),
        ('to zero"', 'to zero"\nmisses = "heartbeat"', "fallback.misses", "no heartbeat"),
        ('to zero"', 'to zero"\nmisses = "nothing"', "fallback.misses", "acts after no time"),
        ('to zero"', 'to zero"\nafter_s = 60.0', "fallback.after_s", "the watchdog time"),
        (WATCHDOG, "", "fallback.armed_by", "no watchdog time"),
        ('[identity.serial]\nat = "input:0"', '[identity.serial]\nat = "input:65530"', "identity.serial.at", "last"),
        ('[fallback]\ntext = "it ramps to zero"\narmed_by = "watchdog"', "", "fallback", "without a controller"),
    ],
)
def test_a_map_that_contradicts_itself_is_refused(
    tmp_path: Path, old: str, new: str, key: str | None, message: str
) -> None:
    found = problem(tmp_path, old, new)

    assert key is None or found.key == key
    assert message in found.message


def test_function_6_cannot_write_a_value_of_two_registers(tmp_path: Path) -> None:
    text = MAP.replace('word_order = "big"', 'word_order = "big"\nwrite_fc = 6')
    text = text.replace('at = "holding:300"\ntype = "int16"', 'at = "holding:300"\ntype = "int32"')

    (found,) = problems(tmp_path, text)

    assert (found.key, found.allowed) == ("commands.power_kw.write_fc", "16")


def test_a_life_counter_and_the_remote_switch_must_be_read_often(tmp_path: Path) -> None:
    slow = '\n[points.{name}]\nat = "holding:200"\ntype = "uint16"\n{rest}\n'
    text = MAP.replace("count = 4", "count = 6").replace('"holding:200"\ntype', '"holding:202"\ntype')

    counter = problems(tmp_path, text + slow.format(name="life", rest="stale_after_s = 5.0"))
    remote = problems(tmp_path, text + slow.format(name="remote", rest='enum = { 0 = "false", 1 = "true" }'))

    assert [found.key for found in counter] == ["points.life.at"]
    assert [found.key for found in remote] == ["points.remote.at"]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = MAP.replace("max_registers = 100", "max_registers = 0").replace("length = 8", "length = 0")

    assert [found.key for found in problems(tmp_path, text)] == ["endpoint.max_registers", "identity.serial.length"]


SHIPPED = Path(__file__).parents[2] / "drivers" / "maps"


@pytest.mark.parametrize(
    ("shipped", "old", "new", "key"),
    [
        ("generic-genset", '15 = "fault"', '15 = "broken"', "points.phase.enum"),
        (
            "generic-genset",
            'type = "uint16"\n\n[points.phase.enum]',
            'type = "uint64"\n\n[points.phase.enum]',
            "points.phase.enum",
        ),
        ("generic-genset", 'readback = "run_request"', 'readback = "phase"', "commands.run.readback"),
        ("generic-genset", 'at = "holding:4100"', 'at = "holding:4097"', "heartbeat.at"),
        ("generic-genset", 'at = "holding:4101"\ntype = "uint16"', 'at = "holding:4101"\nscale = 0', "watchdog.scale"),
        ("generic-bms", 'type = "bit"\nbit = 15', 'type = "uint16"', "points.alarm"),
        ("generic-pcs", 'type = "uint16"\nstale_after_s', 'type = "int16"\nstale_after_s', "points.life_counter.type"),
        ("generic-tank", 'type = "uint32"', 'type = "string"', "points.fuel_l"),
        ("generic-tank", "count = 3", "count = 60000", "blocks[0].count"),
        ("generic-tank", '"holding:10"\ncount', '"holding:65534"\ncount', "blocks[0].at"),
    ],
)
def test_a_shipped_map_with_one_slip_is_refused_at_the_right_key(
    tmp_path: Path, shipped: str, old: str, new: str, key: str
) -> None:
    text = (SHIPPED / f"{shipped}.toml").read_text(encoding="utf-8")
    assert old in text
    write(tmp_path, text.replace(old, new), shipped)

    with pytest.raises(ConfigError) as refused:
        load_map(shipped, (tmp_path,))

    assert key in {found.key for found in refused.value.problems}


def test_an_expected_identity_that_is_no_pattern_is_refused(tmp_path: Path) -> None:
    found = problem(tmp_path, "length = 8\n", 'length = 8\nexpect = "AB-("\n')

    assert found.key == "identity.serial.expect"
    assert "no regular expression" in found.message
