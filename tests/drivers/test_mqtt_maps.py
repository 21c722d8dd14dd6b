from pathlib import Path

import pytest

from drivers.mqtt.topicmapfile import load_topic_map, read_topic_map, topic_map_names
from ems.errors import ConfigError, ConfigProblem
from tests.drivers.mqtt_maps import FILE, SITE_MAP, site_map


def problem(*changes: tuple[str, str]) -> ConfigProblem:
    with pytest.raises(ConfigError) as caught:
        site_map(*changes)
    return caught.value.problems[0]


@pytest.mark.parametrize("name", topic_map_names(()))
def test_every_shipped_map_can_be_loaded_and_names_its_source(name: str) -> None:
    topic_map = load_topic_map(name, ())

    assert topic_map.id == name
    assert topic_map.capabilities is not None


def test_a_map_of_the_site_goes_before_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "mqtt").mkdir()
    text = SITE_MAP.replace('id = "site-pcs"', 'id = "mqtt-json-battery"')
    (tmp_path / "mqtt" / "mqtt-json-battery.toml").write_text(text, encoding="utf-8")

    assert load_topic_map("mqtt-json-battery", (tmp_path,)).source == "invented for this test, no document"


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as caught:
        load_topic_map("victron-venus-meters", ())

    assert caught.value.problems[0].nearest == "victron-venus-meter"


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[device]\nid = \n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        read_topic_map(file)

    assert caught.value.problems[0].line == 2


@pytest.mark.parametrize(
    ("old", "new", "key", "word"),
    [
        ('id = "site-pcs"', 'id = "other"', "device.id", "site-pcs.toml"),
        ("most_off_s = 5.0", "most_of_s = 5.0", "messages.most_of_s", "unknown key"),
        ("max_bytes = 400", "max_bytes = 4", "messages.max_bytes", "greater"),
        ('topic = "{device}/counter/charge"', 'topic = "{device}/+"', "points.charge_wh.topic", "pattern"),
        ('topic = "{device}/counter/charge"', 'topic = "{unit}/x"', "points.charge_wh.topic", "no part 'unit'"),
        ('topic = "{device}/counter/charge"', 'topic = "x{/y"', "points.charge_wh.topic", "brace"),
        ('topic = "{device}/counter/charge"', 'topic = "all/y"', "points.charge_wh.topic", "same topic"),
        ('topic = "{device}/counter/charge"', 'topic = "$SYS/{device}"', "points.charge_wh.topic", "broker's own"),
        ('topic = "{device}/set"', 'topic = "{device}/state"', "commands.power_kw.topic", "own messages"),
        ("[points.charge_wh]", "[points.colour]", "points.colour", "no such value"),
        ("valid = [-100, 100]", "valid = [100, -100]", "points.power_kw.valid", "lower"),
        ("scale = 1000\n", "scale = 0\n", "points.charge_wh.scale", "the same"),
        ('type = "flag"', 'type = "text"', "points.ready", "true or false"),
        ('type = "flag"', 'type = "flag"\nscale = 2', "points.ready.scale", "a flag has no scale"),
        ('type = "flag"', 'type = "flag"\nvalid = [0, 1]', "points.ready.valid", "a flag has no valid"),
        ('type = "flag"', 'type = "flag"\nmax_step_per_s = 1', "points.ready.max_step_per_s", "measured number"),
        ('type = "flag"', 'type = "flag"\nstale_after_s = 5.0', "points.ready.type", "counts up"),
        ('at = "mode"\n', 'at = "mode"\noffset = 1\n', "points.remote.offset", "an enumeration has no offset"),
        ('1 = "true", 2 = "false"', "", "points.remote.enum", "names nothing"),
        ('type = "names"\n', 'type = "names"\ninvalid = ["none"]\n', "points.faults.invalid", "no codes"),
        (
            'type = "names"\n',
            'type = "names"\nsign = "into_bus"\n',
            "points.faults.sign",
            "names has no sign",
        ),
        ("scale = 1000\n", "scale = -1000\n", "points.charge_wh.scale", "the key `sign`"),
        ("valid = [-100, 100]", "valid = [1e19, 2e19]", "points.power_kw.valid", "no number of a payload"),
        ('1 = "true", 2 = "false"', '1 = "yes"', "points.remote", "true or false"),
        ("max_age_s = 60.0", 'fills = "colour"', "points.charge_wh.fills", "no such value"),
        ('at = "faults"\n', "", "points.faults.at", "array"),
        ('readback = "setpoint_kw"', 'readback = "ready"', "commands.power_kw.readback", "no number"),
        ('readback = "setpoint_kw"', 'readback = "none"', "commands.power_kw.readback", "no point"),
        (
            'readback = "setpoint_kw"',
            'readback = "power_kw"',
            "commands.power_kw.readback",
            "not what power_kw",
        ),
        ('readback = "setpoint_kw"', 'readback = "frequency_hz"', "commands.power_kw.readback", "shows frequency_hz"),
        ('at = "ac.setpoint"\n', 'at = "ac.setpoint"\nstale_after_s = 5.0\n', "commands.power_kw.readback", "life"),
        ('at = "ac.setpoint"\n', 'at = "ac.setpoint"\nvalid = [-50, 50]\n', "commands.power_kw.limits", "be verified"),
        ("resolution = 10.0", "resolution = 1e6", "commands.power_kw.resolution", "no two numbers"),
        ('at = "ac.setpoint"\n', 'at = "ac.setpoint"\nmax_age_s = 9.0\n', "points.setpoint_kw.max_age_s", "older"),
        ("limits = [-100, 100]", "limits = [1, 1]", "commands.power_kw.limits", "lower"),
        ('p = "{value}"', 'p = "{valve}"', "commands.power_kw.payload", "'{valve}'"),
        ('p = "{value}"', "p = 1", "commands.power_kw.payload", "0 times"),
        ('p = "{value}"', 'p = "{value}W"', "commands.power_kw.payload", "more than"),
        ('unit = "W"', "unit = 1979-05-27", "commands.power_kw.payload", "valid"),
        ('payload = "{count}"', 'payload = "{value}"', "heartbeat.payload", "'{value}'"),
        ("[keepalive]", '[watchdog]\ntopic = "{device}/w"\npayload = "5"\n[keepalive]', "watchdog.payload", "0 times"),
        ('online = "here"', 'online = "gone"', "availability.offline", "online"),
        ("[fallback]\n", '[fallback]\nmisses = "requests"\n', "fallback.misses", "requested"),
        ("[fallback]\n", '[fallback]\narmed_by = "watchdog"\n', "fallback.armed_by", "watchdog time"),
        ('class = "pcs"\n', 'class = "pcs"\ncapabilities = ["forms_grid"]\n', "device.capabilities", "point forming"),
        ('class = "pcs"\n', 'class = "pcs"\ncapabilities = ["curtails"]\n', "device.capabilities", "limit_kw"),
    ],
)
def test_a_wrong_line_is_refused_with_file_key_and_reason(old: str, new: str, key: str, word: str) -> None:
    found = problem((old, new))

    assert found.file == str(FILE)
    assert found.key == key
    assert word in found.message


COMMAND = '"W" }\nscale = 0.001\nsign = "out_of_bus"\n'
PLAIN = 'topic = "{device}/counter/charge"\n'


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        (COMMAND, '"W" }\nscale = -0.001\nsign = "out_of_bus"\n', "commands.power_kw.scale", "the key `sign`"),
        ("limits = [-100, 100]", "limits = [-1e20, 1e20]", "commands.power_kw.limits", "do not fit into a payload"),
        (COMMAND, '"W" }\nscale = 0.001\n', "commands.power_kw.sign", "the other direction"),
        ('stamp = "time"\n', "", "messages.stamp_format", "no stamp is read"),
        (PLAIN, f'{PLAIN}type = "flag"\ninvalid = [2]\n', "points.charge_wh.invalid", "never the number 2"),
        (PLAIN, f"{PLAIN}valid = [5, 1]\n", "points.charge_wh.valid", "lower"),
    ],
)
def test_a_key_that_would_do_nothing_or_turn_a_sign_twice_is_refused(
    old: str, new: str, key: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        site_map((old, new))

    assert message in {found.key: found.message for found in caught.value.problems}[key]


def test_a_readback_of_its_own_name_states_the_unit_of_the_command() -> None:
    found = problem(("[points.setpoint_kw]", "[points.order_w]"), ('readback = "setpoint_kw"', 'readback = "order_w"'))

    assert (found.key, found.allowed) == ("commands.power_kw.readback", "a name that ends in _kw")


def test_a_map_without_json_leaves_nothing_out(tmp_path: Path) -> None:
    file = tmp_path / "meter.toml"
    file.write_text(
        '[device]\nid = "meter"\nsource = "no document at all"\nclass = "load_meter"\n[messages]\npartial = true\n'
        '[points.load_kw]\ntopic = "{device}"\n',
        encoding="utf-8",
    )

    with pytest.raises(ConfigError) as caught:
        read_topic_map(file)

    assert [found.key for found in caught.value.problems] == ["messages.partial"]


def test_a_device_that_is_commanded_must_say_what_it_does_alone() -> None:
    found = problem(('[fallback]\ntext = "It goes to zero when the heartbeat stops."\n', ""))

    assert found.key == "fallback"


def test_a_map_whose_values_all_have_an_age_of_their_own_makes_no_reading(tmp_path: Path) -> None:
    file = tmp_path / "meter.toml"
    file.write_text(
        '[device]\nid = "meter"\nsource = "no document at all"\nclass = "load_meter"\n[messages]\n'
        '[points.load_kw]\ntopic = "{device}"\nmax_age_s = 5.0\n',
        encoding="utf-8",
    )

    with pytest.raises(ConfigError) as caught:
        read_topic_map(file)

    assert [found.key for found in caught.value.problems] == ["points"]
