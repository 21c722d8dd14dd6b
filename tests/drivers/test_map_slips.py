"""Slips of one line in a map whose form is right: codes, ranges, units, read-backs. Each is refused at its key."""

from pathlib import Path

import pytest

from drivers.modbus.mapfile import SHIPPED, load_map
from ems.errors import ConfigError, ConfigProblem

NAME = "generic-pcs"
POWER = '[points.power_kw]\nat = "input:104"\ntype = "int32"                       # W\n'
COMMAND = '[commands.power_kw]\nat = "holding:500"\ntype = "int32"                       # W\nscale = 0.001\n'
LIMITS = "limits = [-20000, 20000]\n"
READBACK = 'readback = "setpoint_kw"'
SENTINEL = "invalid = [0x80000000]\nvalid = [-20000, 20000]\n\n[points.setpoint_kw]"
REMOTE = 'enum = { 0 = "false", 1 = "true" }   # 0 local panel'


def refused(directory: Path, *changes: tuple[str, str], name: str = NAME) -> tuple[ConfigProblem, ...]:
    """Return why a shipped map with changed lines is refused."""
    text = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (directory / f"{name}.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        load_map(name, (directory,))
    return refusal.value.problems


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        (READBACK, 'readback = "frequency_hz"', "commands.power_kw.readback", "shows frequency_hz, not what power_kw"),
        (READBACK, 'readback = "power_kw"', "commands.power_kw.readback", "shows power_kw, not what power_kw"),
        (READBACK, 'readback = "ready"', "commands.power_kw.readback", "no number"),
        (READBACK, 'readback = "remote"', "commands.power_kw.readback", "no number"),
        (READBACK, 'readback = "life_counter"', "commands.power_kw.readback", "life counter"),
        (COMMAND, COMMAND.replace("int32", "uint32"), "commands.power_kw.limits", "do not fit into type uint32"),
        (LIMITS, "limits = [-30000, 20000]\n", "commands.power_kw.limits", "beyond valid of 'setpoint_kw'"),
        (COMMAND + 'sign = "out_of_bus"\n', COMMAND, "commands.power_kw.sign", "the other direction"),
        (COMMAND, COMMAND.replace("0.001", "-0.001"), "commands.power_kw.scale", "the key `sign`"),
        (SENTINEL, SENTINEL.replace("0x80000000", "0x180000000"), "points.power_kw.invalid", "6442450944 is no code"),
        (SENTINEL, SENTINEL.replace("0x80000000", "1.5"), "points.power_kw.invalid", "1.5 is no code of type int32"),
        (POWER + "scale = 0.001\n", POWER + "scale = -0.001\n", "points.power_kw.scale", "the key `sign`"),
        (POWER + "scale = 0.001\n", POWER + "scale = nan\n", "points.power_kw.scale", "finite number; found nan"),
        ("valid = [40, 65]", "valid = [40000, 65000]", "points.frequency_hz.valid", "no code of type uint16"),
        ("valid = [40, 65]", "valid = [-10, -5]", "points.frequency_hz.valid", "no code of type uint16"),
        ("valid = [40, 65]", "valid = [65.5349, 66]", "points.frequency_hz.valid", "no code of type uint16"),
        (REMOTE, REMOTE.replace("1 =", "70000 ="), "points.remote.enum", "70000 is no code of type uint16"),
        ("bit = 0\n", "bit = 0\nscale = 2\n", "points.ready.scale", "a flag has no scale"),
        ("bit = 0\n", "bit = 0\nvalid = [0, 1]\n", "points.ready.valid", "a flag has no valid"),
        ("bit = 0\n", "bit = 0\ninvalid = [65536]\n", "points.ready.invalid", "65536 is no code"),
        (REMOTE, "offset = 1\n" + REMOTE, "points.remote.offset", "an enumeration has no offset"),
        ('"reverts"]', '"reverts", "reverts"]', "device.capabilities", "'reverts' is named twice"),
        ('type = "uint16"                      # s', 'type = "float32"', "watchdog.type", "a whole number of counts"),
        ('type = "uint16"                      # s', 'type = "uint16"\nscale = -1', "watchdog.scale", "the key `sign`"),
        (LIMITS + "volatile = true", LIMITS + "volatile = false", "commands.power_kw", "it needs writes_per_day"),
    ],
)
def test_a_line_that_cannot_be_right_is_refused_at_its_key(
    tmp_path: Path, old: str, new: str, key: str, message: str
) -> None:
    (found,) = refused(tmp_path, (old, new))

    assert found.key == key
    assert message in found.message


def test_limits_say_what_the_type_can_hold(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, (COMMAND, COMMAND.replace("int32", "uint16")))

    # 0 to 65535 W, and the device counts charging as positive
    assert found.allowed == "values within -65.535 to 0"


def test_a_readback_of_fewer_bits_cannot_show_every_setpoint(tmp_path: Path) -> None:
    setpoint = 'at = "input:106"\ntype = "int32"                       # W, the setpoint in force\n'

    (found,) = refused(
        tmp_path,
        (setpoint, setpoint.replace("int32", "int16")),
        ("invalid = [0x80000000]\nvalid = [-20000, 20000]\n\n[points.frequency_hz]", "\n[points.frequency_hz]"),
    )

    assert found.key == "commands.power_kw.limits"
    assert found.allowed == "limits within -32.767 to 32.768"


def test_a_readback_of_its_own_name_states_the_unit_of_the_command(tmp_path: Path) -> None:
    own = ("[points.setpoint_kw]", "[points.order_w]")

    (found,) = refused(tmp_path, own, (READBACK, 'readback = "order_w"'))

    assert (found.key, found.allowed) == ("commands.power_kw.readback", "a name that ends in _kw")


def test_a_switch_is_not_read_back_from_a_measured_state(tmp_path: Path) -> None:
    change = ('readback = "run_request"', 'readback = "breaker_closed"')

    found = {each.key: each.message for each in refused(tmp_path, change, name="generic-genset")}

    assert "shows breaker_closed" in found["commands.run.readback"]


FREQUENCY = """type = "uint16"                      # mHz
scale = 0.001
invalid = [0xFFFF]
valid = [40, 65]
max_step_per_s = 10"""


@pytest.mark.parametrize(
    ("lines", "key", "message"),
    [
        ('type = "uint16"\nbit = 8\nwidth = 4\ninvalid = [16]', "invalid", "16 is no code of 4 bits"),
        ('type = "uint16"\nbit = 8\nwidth = 4\nvalid = [16, 20]', "valid", "no code of type uint16"),
        ('type = "uint16"\ninvalid = [-32769]', "invalid", "-32769 is no code"),
        ('type = "string"\nlength = 1\ninvalid = [0]', "invalid", "a text has no codes"),
    ],
)
def test_codes_of_parts_and_texts_are_checked(tmp_path: Path, lines: str, key: str, message: str) -> None:
    found = {each.key: each.message for each in refused(tmp_path, (FREQUENCY, lines))}

    assert message in found[f"points.frequency_hz.{key}"]
