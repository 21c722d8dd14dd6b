from pathlib import Path

import pytest

from ems.config.loader import load_files
from tests.config.directories import copy_of, line_of, problem_at, problems_of, replace

# file, text, what replaces it, key of the problem, part of its message, part of what it allows
BUDGET = """[economics.carbon_budget]
kgco2e = 1.0
period = "{period}"
excess_price_per_t = 1.0
month_shares_frac = {shares}

[economics]"""
CONTRADICTIONS = (
    # battery
    (
        "limits.toml", "max_charge_kw = 4000.0", "max_charge_kw = 4000.5",
        "battery.bess.max_charge_kw", "4000.5 kW is above the nameplate", "at most 4000 kW",
    ),
    (
        "limits.toml", "max_discharge_kw = 4000.0", "max_discharge_kw = 9000.0",
        "battery.bess.max_discharge_kw", "9000 kW is above the nameplate", "at most 4000 kW",
    ),
    (
        "limits.toml", "soc_max_pct = 95.0", "soc_max_pct = 8.0",
        "battery.bess.soc_max_pct", "the SoC floor of 8 %", "above 8 %",
    ),
    (
        "limits.toml", "warn_degc = 35.0", "warn_degc = 50.0",
        "battery.bess.warn_degc", "derating must begin below", "below 50",
    ),
    (
        "limits.toml", "cell_min_v = 2.7", "cell_min_v = 3.6",
        "battery.bess.cell_min_v", "not below the highest", "below 3.6 V",
    ),
    (
        "assets.toml", "min_forming_blocks = 2", "min_forming_blocks = 11",
        "battery.bess.min_forming_blocks", "only 10 blocks", "0 to 10",
    ),
    (
        "assets.toml", "grid_forming = true", "grid_forming = false",
        "battery.bess.min_forming_blocks", "grid_forming = false", "0, or",
    ),
    (
        "limits.toml", "cell_max_v = 3.6",
        ("cell_max_v = 3.6\nderating = [{ cell_degc = 45.0, charge_frac = 0.5, discharge_frac = 0.5 },"
        " { cell_degc = 5.0, charge_frac = 0.5, discharge_frac = 1.0 }]"),
        "battery.bess.derating", "must ascend in temperature", "from cold to hot",
    ),
    (
        "limits.toml", "cell_max_v = 3.6",
        "cell_max_v = 3.6\ncharge_taper = [{ soc_pct = 90.0, power_frac = 1.0 }]",
        "battery.bess.charge_taper", "ascend in SoC", "two or more points",
    ),
    (
        "limits.toml", "cell_max_v = 3.6",
        ("cell_max_v = 3.6\ndischarge_taper = [{ soc_pct = 5.0, power_frac = 0.1 },"
        " { soc_pct = 10.0, power_frac = 0.2 }, { soc_pct = 15.0, power_frac = 1.0 }]"),
        "battery.bess.discharge_taper", "bends upwards", "slope falls",
    ),
    (
        "limits.toml", "cell_max_v = 3.6",
        "cell_max_v = 3.6\ncharge_taper = [{ soc_pct = 90.0, power_frac = 0.9 }, { soc_pct = 95.0, power_frac = 0.2 }]",
        "battery.bess.charge_taper", "no point of the taper has full power", "power_frac = 1",
    ),
    (
        "assets.toml", "no_load_kw",
        "depth_wear = [{ width_frac = 0.5, cost_per_kwh = 3.0 }, { width_frac = 0.5, cost_per_kwh = 1.0 }]\nno_load_kw",
        "battery.bess.depth_wear", "must not fall with depth", "the cheapest first",
    ),
    (
        "assets.toml", "no_load_kw",
        "depth_wear = [{ width_frac = 0.5, cost_per_kwh = 1.0 }, { width_frac = 0.6, cost_per_kwh = 2.0 }]\nno_load_kw",
        "battery.bess.depth_wear", "wider than the store", "add up to 1",
    ),
    (
        "assets.toml", "no_load_kw", "reactive_kvar = 4000.0\nno_load_kw",
        "battery.bess.reactive_kvar", "no active power left", "below 4000 kvar",
    ),
    (
        "limits.toml", "[reserve]", '[group.feeder]\nmembers = ["bess", "wind"]\nlimit_kw = 5000.0\n\n[reserve]',
        "group.feeder.members[1]", "'wind' is no asset", "bess, gen, grid, pv",
    ),
    (
        "limits.toml", "[reserve]", '[group.feeder]\nmembers = ["bess", "bess"]\nlimit_kw = 5000.0\n\n[reserve]',
        "group.feeder.members[1]", "'bess' is a member twice", "each member once",
    ),
    (
        "limits.toml", "[reserve]",
        '[group.a]\nmembers = ["bess","pv"]\nlimit_kw=9.0\n[group.b]\nmembers = ["gen","pv"]\nlimit_kw=9.0\n[reserve]',
        "group.b.members", "pv in common with group 'a', and others not", "as in a radial network",
    ),
    # gensets
    (
        "limits.toml", "min_stable_kw = 600.0", "min_stable_kw = 1400.1",
        "genset.gen.min_stable_kw", "above the lower edge of the economic band", "at most 1400 kW",
    ),
    (
        "assets.toml", "band_low_frac = 0.7", "band_low_frac = 0.9",
        "genset.gen.band_low_frac", "band is empty", "below band_high_frac (0.9)",
    ),
    (
        "assets.toml", "band_low_frac = 0.7", "band_low_frac = 0.7\nbase_load_frac = 0.8",
        "genset.gen.base_load_frac", "no base load of its own", "takes_power = false, or no base_load_frac",
    ),
    (
        "assets.toml", "band_low_frac = 0.7", "band_low_frac = 0.7\ntakes_power = false\nbase_load_frac = 0.5",
        "genset.gen.base_load_frac", "below the economic band", "band_low_frac (0.7) to 1",
    ),
    (
        "assets.toml", "start_timeout_s = 120.0", "start_timeout_s = 29.0",
        "genset.gen.start_timeout_s", "takes longer than the time-out", "at least 30 seconds",
    ),
    (
        "assets.toml", "fuel_l_per_h = 273.3", "fuel_l_per_h = 390.0",
        "genset.gen.fuel", "marginal consumption", "points in order of power",
    ),
    (
        "assets.toml", "power_kw = 1000.0", "power_kw = 400.0",
        "genset.gen.fuel", "must ascend in power", "points in order of power",
    ),
    (
        "limits.toml", "min_stable_kw = 600.0", "min_stable_kw = 400.0",
        "genset.gen.fuel", "does not cover", "from 400 kW or less to 2000 kW or more",
    ),
    # tank, PV, load, reserve
    (
        "assets.toml", "order_below_l = 140000.0", "order_below_l = 165001.0",
        "fuel_tank.order_below_l", "does not fit into the tank", "at most 165000 litres",
    ),
    (
        "limits.toml", "reserve_l = 80000.0", "reserve_l = 140000.0",
        "fuel_tank.reserve_l", "only when the reserve is already touched", "below 140000 litres",
    ),
    (
        "assets.toml", "ac_kw = 1600.0", "ac_kw = 16.0",
        "pv.pv.ac_kw", "do not fit 2000 kWp", "666.667 to 3000 kW",
    ),
    (
        "assets.toml", "idle_frac = 0.25", "idle_frac = 0.9",
        "it.idle_frac", "more than the mean", "at most mean_frac (0.85)",
    ),
    (
        "limits.toml", '"genset", "block"', '"grid", "block"',
        "reserve.survive[1]", "'grid' is listed twice", "once",
    ),
    (
        "limits.toml", "[reserve]", "[contingency.section]\ngensets = { nobody = 1 }\n\n[reserve]",
        "contingency.section.gensets.nobody", "assets.toml has no nobody", "gen",
    ),
    (
        "limits.toml", "[reserve]", "[contingency.transformer]\nblocks = { bess = 11 }\n\n[reserve]",
        "contingency.transformer.blocks.bess", "11 are lost of 10", "1 to 10",
    ),
    (
        "limits.toml", "[reserve]", "[contingency.feeder]\nload_kw = 0.0\n\n[reserve]",
        "contingency.feeder", "nothing is lost", "at least one of",
    ),
    # carbon
    (
        "tariffs.toml", "[economics]", BUDGET.format(period="month", shares="[1.0]"),
        "economics.carbon_budget.month_shares_frac", "a budget per month has no months to share it", "no such key",
    ),
    (
        "tariffs.toml", "[economics]", BUDGET.format(period="year", shares="[0.5, 0.4]"),
        "economics.carbon_budget.month_shares_frac", "2 shares that add up to 0.9000", "twelve shares",
    ),
    # tariff
    (
        "tariffs.toml", "months = [6, 7, 8]", "months = [6, 7]",
        "tariff.season", "no season has month 8", "every month in exactly one season",
    ),
    (
        "tariffs.toml", "months = [6, 7, 8]", "months = [5, 6, 7, 8, 9]",
        "tariff.season", "more than one season has month 5, 9", "every month in exactly one season",
    ),
    (
        "tariffs.toml", 'rest_period = "off_peak"', 'rest_period = "night"',
        "tariff.season[0].rest_period", "no price for period 'night'", "mid, off_peak, peak",
    ),
    (
        "tariffs.toml", 'end_h = 12.0, period = "peak"', 'end_h = 12.0, period = "noon"',
        "tariff.season[0].windows[1].period", "no price for period 'noon'", "mid, off_peak, peak",
    ),
    (
        "tariffs.toml", 'weekend_period = "off_peak"', 'weekend_period = "sunday"',
        "tariff.weekend_period", "season 1 has no price for 'sunday'", "mid, off_peak, peak",
    ),
    (
        "tariffs.toml", "start_h = 9.0, end_h = 10.0", "start_h = 9.0, end_h = 8.0",
        "tariff.season[0].windows[0].end_h", "ends before it starts", "above 9",
    ),
    (
        "tariffs.toml", "start_h = 9.0, end_h = 10.0", "start_h = 9.0, end_h = 10.5",
        "tariff.season[0].windows", "overlap from 10 h to 10.5 h", "one after another",
    ),
    (
        "tariffs.toml", "start_h = 9.0, end_h = 10.0", "start_h = 9.1, end_h = 10.0",
        "tariff.season[0].windows[0].start_h", "9.1 h is not on a quarter hour", "multiples of 0.25",
    ),
    (
        "tariffs.toml", "interval_min = 15", "interval_min = 25",
        "tariff.demand.interval_min", "must divide the hour", "divide 60",
    ),
    (
        "tariffs.toml", "reserve_price_per_kwh = 26000.0", "reserve_price_per_kwh = 1300000.0",
        "penalties.unserved_price_per_kwh", "must be above reserve_price_per_kwh", "above 1.3e+06",
    ),
    (
        "tariffs.toml", "unserved_price_per_kwh = 1300000.0", "unserved_price_per_kwh = 700000.0",
        "penalties.unserved_price_per_kwh", "load would be shed to fill storage", "above 748800",
    ),
    (
        "tariffs.toml", '[tariff]\ntimezone = "Asia/Seoul"', '[tariff]\ntimezone = "Asia/Seul"',
        "tariff.timezone", "'Asia/Seul' is no known time zone", "Asia/Seoul",
    ),
    (
        "site.toml", '"Asia/Seoul"', '"Asia"',
        "site.timezone", "'Asia' is no known time zone", "Asia/Seoul",
    ),
    # outages
    (
        "forecasts.toml", "longest_h = 4.5", "longest_h = 2.0",
        "outages.longest_h", "shorter than the mean", "at least 2.3",
    ),
    (
        "forecasts.toml", "longest_h = 4.5",
        "longest_h = 4.5\nannounced = [{ start = 2026-03-01T09:00:00Z, end = 2026-03-01T10:00:00+01:00 }]",
        "outages.announced[0].end", "ends before it starts", "after 2026-03-01T09:00:00+00:00",
    ),
    # rules of gensets
    (
        "assets.toml", "start_failure_frac = 0.005", "start_failure_frac = 0.005\nreactive_kvar = 500.0",
        "genset.gen.reactive_kvar", "without the apparent power", "a key apparent_kva",
    ),
    (
        "assets.toml", "start_failure_frac = 0.005",
        "start_failure_frac = 0.005\napparent_kva = 1000.0\nreactive_kvar = 900.0",
        "genset.gen.reactive_kvar", "less than the lowest lasting output", "leaves 600 kW",
    ),
    (
        "assets.toml", "start_failure_frac = 0.005", 'start_failure_frac = 0.005\nrotation = "service"',
        "genset.gen.rotation", "not said when one is due", "a key service_interval_h",
    ),
    (
        "assets.toml", "start_failure_frac = 0.005",
        "start_failure_frac = 0.005\nquiet = [{ start_h = 22.0, end_h = 6.0, n_units = 13 }]",
        "genset.gen.quiet[0].n_units", "than there are", "at most 12",
    ),
    (
        "assets.toml", "start_failure_frac = 0.005",
        ("start_failure_frac = 0.005\npollutant.nox.points = [{ power_kw = 900.0, g_per_h = 1.0 },"
        " { power_kw = 600.0, g_per_h = 1.0 }]"),
        "genset.gen.pollutant.nox.points", "not in order of power", "rising power_kw",
    ),
    (
        "assets.toml", "start_failure_frac = 0.005",
        ("start_failure_frac = 0.005\npollutant.nox.price_per_kg = 1000000.0\npollutant.nox.points ="
        " [{ power_kw = 600.0, g_per_h = 1.0 }, { power_kw = 1000.0, g_per_h = 9000.0 },"
        " { power_kw = 2000.0, g_per_h = 9001.0 }]"),
        "genset.gen.pollutant.nox.points", "would cost less", "0 to report only",
    ),
    (
        "forecasts.toml", "[outages]",
        ('[[maintenance]]\nunit = "gen13"\nstart = 2026-03-01T09:00:00Z\nend = 2026-03-02T09:00:00Z\n[outages]'),
        "maintenance[0].unit", "there is no genset 'gen13'", "gen12",
    ),
    (
        "forecasts.toml", "[outages]",
        ('[[maintenance]]\nunit = "gen01"\nstart = 2026-03-01T09:00:00Z\nend = 2026-03-01T09:00:00Z\n[outages]'),
        "maintenance[0].end", "ends before it starts", "after 2026-03-01T09:00:00+00:00",
    ),
    (
        "forecasts.toml", "[outages]",
        "[[delivery]]\nat = 2026-03-01T09:00:00Z\nvolume_l = 5000000.0\n[outages]",
        "delivery[0].volume_l", "larger than the tank", "at most",
    ),
    # links and devices
    (
        "devices.toml", "port = 16201", "port = 16101",
        "link[1].port", "share the address 127.0.0.1:16101", "one link per address",
    ),
    (
        "devices.toml", "port = 16201", 'port = 16201\ndevice = "/dev/ttyS1"',
        "link[1].device", "it belongs to framing rtu, link 'pv{n:02}' has tcp", "host, port",
    ),
    (
        "devices.toml", "port = 16201", 'port = 16201\nframing = "rtu"\ndevice = "/dev/ttyS{n}"',
        "link[1].port", "it belongs to framing tcp and rtu-over-tcp and tls, link 'pv{n:02}' has rtu",
        "device, baud, parity, stop_bits",
    ),
    (
        "devices.toml", "port = 16201", 'framing = "tls"\nca_file = "data/none.pem"',
        "link[1].port", "link 'pv{n:02}' with framing tls needs it", "host, port, ca_file",
    ),
    (
        "devices.toml", "port = 16201", 'port = 16201\nframing = "tls"\nca_file = "data/none.pem"',
        "link[1].ca_file", "data/none.pem does not exist", "a file in PEM form",
    ),
    (
        "devices.toml", "port = 16201", 'port = 16201\nframing = "tls"\nca_file = "site.toml"\ncert_file = "site.toml"',
        "link[1].key_file", "has only one of cert_file and key_file", "both, or none",
    ),
    (
        "devices.toml", 'host = "127.0.0.1"\nport = 16201', 'framing = "rtu"\ndevice = "/dev/ttyS1"',
        "link[1].device", "links 'pv01' and 'pv02' share the address /dev/ttyS1", "one link per address",
    ),
    (
        "devices.toml", "port = 16301", "port = 65530",
        "link[2].port", "would have port 65536", "at most 65535",
    ),
    (
        "devices.toml", 'id = "pv{n:02}"', 'id = "bess{n:02}"',
        "link[1].id", "two links are called 'bess01'", None,
    ),
    (
        "devices.toml", 'id = "pv{n:02}"', 'id = "pv"',
        "link[1].id", "15 of one name", "pv{n:02}",
    ),
    (
        "devices.toml", "port = 16401", "port = 16401\nreconnect_min_s = 5.0",
        "link[3].reconnect_min_s", "above reconnect_max_s", "at most 4",
    ),
    (
        "devices.toml", 'link = "plant"\nunit = 6', 'link = "plant"\nunit = 1',
        "device[5].unit", "devices 'pcc-meter' and 'it-meter' share unit 1 of link 'plant'", "one device per link",
    ),
    (
        "devices.toml", "unit = 11", "unit = 255",
        "device[1].unit", "device 'bess-c02-bms' would have unit 256", "at most 255",
    ),
    (
        "devices.toml", 'link = "pv{l:02}"', 'link = "pw{l:02}"',
        "device[2].link", "link 'pw01', which does not exist", "bess01",
    ),
    (
        "devices.toml", 'asset = "pcc"', 'asset = "it"',
        "device[5].asset", "devices 'pcc-meter' and 'it-meter' both serve asset 'it'", "one device per asset",
    ),
    (
        "devices.toml", 'asset = "pcc"', 'asset = "grid"',
        "device[4].asset", "belongs to 'grid', which is no asset", "(63 in all)",
    ),
    (
        "devices.toml", 'asset = "pcc"', 'asset = "grid"',
        "device", "no device for 1 assets: pcc", "one device per",
    ),
    (
        "devices.toml", "watchdog_s = 10.0", "watchdog_s = 2.9",
        "device[0].watchdog_s", "trips before two writes may be lost", "at least 3",
    ),
    (
        "control.toml", "period_s = 1.0", "period_s = 4.0",
        "device[0].watchdog_s", "a watchdog of 10 s trips", "at least 12",
    ),
    (
        "devices.toml", "watchdog_s = 10.0\n", "",
        "device[0].watchdog_s", "is commanded, so its fall-back time must be stated", "at least 3 seconds",
    ),
    # brokers
    (
        "devices.toml", '[[link]]\nid = "plant"', '[[broker]]\nid = "pv01"\nhost = "b"\n\n[[link]]\nid = "plant"',
        "broker[0].id", "a link and a broker are called 'pv01'", "different names",
    ),
    (
        "devices.toml", '[[link]]\nid = "plant"',
        '[[broker]]\nid = "a"\nhost = "b"\n[[broker]]\nid = "c"\nhost = "b"\n[[link]]\nid = "plant"',
        "broker[1].port", "brokers 'a' and 'c' share the address b:1883", "one broker per address",
    ),
    (
        "devices.toml", '[[link]]\nid = "plant"',
        '[[broker]]\nid = "a"\ncount = 2\nhost = "b"\n[[link]]\nid = "plant"',
        "broker[0].id", "2 of one name", "a{n:02}",
    ),
    (
        "devices.toml", '[[link]]\nid = "plant"',
        '[[broker]]\nid = "a"\nhost = "b"\npassword_file = "none.txt"\n[[link]]\nid = "plant"',
        "broker[0].password_file", "none.txt does not exist", "inside the configuration directory",
    ),
    (
        "devices.toml", '[[link]]\nid = "plant"',
        '[[broker]]\nid = "a"\nhost = "b"\npassword_file = "site.toml"\n[[link]]\nid = "plant"',
        "broker[0].username", "a password and no user", "the user's name",
    ),
    (
        "devices.toml", '[[link]]\nid = "plant"',
        '[[broker]]\nid = "a"\nhost = "b"\ncert_file = "site.toml"\n[[link]]\nid = "plant"',
        "broker[0].key_file", "only one of cert_file and key_file", "both, or none",
    ),
    (
        "devices.toml", 'driver = "meter.pcc"', 'driver = "mqtt.pcc_meter"\nname = "pcc"',
        "device[4].link", "behind broker 'plant', which does not exist", "the id of a [[broker]]",
    ),
    (
        "devices.toml", 'driver = "meter.pcc"', 'driver = "mqtt.pcc_meter"',
        "device[4].name", "what device 'pcc-meter' is called in its topics", "own part of the topics",
    ),
    (
        "devices.toml", 'driver = "meter.pcc"', 'driver = "meter.pcc"\ntopics = {}',
        "device[4].topics", "driver meter.pcc knows no topics", "for the drivers mqtt.*",
    ),
    (
        "devices.toml", 'driver = "meter.pcc"', 'driver = "mqtt.pcc_meter"\ntopics = {}',
        "device[4].topics", "there is the map 'generic-pcc', too", "either a map or [device.topics]",
    ),
    (
        "devices.toml", 'driver = "meter.pcc"\nmap = "generic-pcc"', 'driver = "mqtt.pcc_meter"\nregisters = {}',
        "device[4].registers", "driver mqtt.pcc_meter knows no registers", "or [device.topics]",
    ),
    (
        "devices.toml", 'driver = "meter.pcc"', 'driver = "meter.pcc"\nname = "pcc"',
        "device[4].name", "driver meter.pcc knows no topics", "name for the drivers mqtt.*",
    ),
    (
        "devices.toml", 'driver = "meter.pcc"', 'driver = "sunspec.meter"',
        "device[4].map", "driver sunspec.meter finds the registers by itself", "no map",
    ),
    (
        "devices.toml", 'map = "generic-pcc"', 'map = "generic-pcc"\nsunspec = { power_sign = "into_bus" }',
        "device[4].sunspec", "driver meter.pcc works by a register map", "sunspec.meter",
    ),
    # planning and records
    (
        "control.toml", "period_s = 300.0", "period_s = 300.0\nhorizon_h = 12.0",
        "planning.horizon_h", "ends before the coarse steps begin", "above fine_until_h (12 hours)",
    ),
    (
        "control.toml", "period_s = 300.0", "period_s = 300.0\nfine_min = 25",
        "planning.fine_min", "must divide", "fine_min = 15",
    ),
    (
        "control.toml", "period_s = 300.0", "period_s = 300.0\ntime_limit_s = 300.0",
        "planning.time_limit_s", "longer than the time until the next plan", "below period_s (300 seconds)",
    ),
    (
        "control.toml", "period_s = 1.0", "period_s = 1.0\nsetpoint_valid_s = 2.5",
        "control.setpoint_valid_s", "expire before two renewals", "at least 3 seconds",
    ),
    (
        "persistence.toml", "interval_min = 15", "interval_min = 7",
        "ledger.interval_min", "must divide the hour", "divide 60",
    ),
    (
        "forecasts.toml", "history_h = 672.0", "history_h = 12.0",
        "load.history_h", "shorter than the pattern", "at least season_h (24 hours)",
    ),
    # files and certificates
    (
        "forecasts.toml", "data/carbon_korea_2023_1h.csv.gz", "data/nowhere.csv",
        "carbon.file", "there is no file 'data/nowhere.csv'", "a file that exists",
    ),
    (
        "mqtt.toml", 'prefix = "ems"', 'prefix = "ems"\ncert_file = "site.toml"',
        "mqtt.cert_file", "has no use without key_file", "together with key_file",
    ),
    (
        "mqtt.toml", 'prefix = "ems"', 'prefix = "ems"\npassword_file = "secret"',
        "mqtt.password_file", "there is no file 'secret'", "a file that exists",
    ),
    # twin
    (
        "twin.toml", "soc_start_pct = 55.0", "soc_start_pct = 96.0",
        "twin.soc_start_pct", "outside the SoC window of pool 'bess'", "5 to 95 %",
    ),
    (
        "twin.toml", "tank_start_l = 180000.0", "tank_start_l = 200001.0",
        "twin.tank_start_l", "more than the tank holds", "at most 200000 litres",
    ),
    (
        "twin.toml", "shortest_h = 0.5", "shortest_h = 3.0",
        "outages.mean_h", "outside shortest_h and longest_h", "3 to 4.5 hours",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "key", "message", "allowed"), CONTRADICTIONS)
def test_a_contradiction_is_refused_at_the_key_that_has_to_change(
    campus: Path, *, file: str, old: str, new: str, key: str, message: str, allowed: str | None
) -> None:
    replace(campus / file, old, new)

    problem = problem_at(campus, key)

    assert message in problem.message
    assert problem.line is not None
    assert allowed is None or allowed in (problem.allowed or "")


def test_an_economic_band_that_begins_at_the_lowest_output_is_accepted(campus: Path) -> None:
    replace(campus / "limits.toml", "min_stable_kw = 600.0", "min_stable_kw = 1400.0")

    assert load_files(campus).limits.genset["gen"].min_stable_kw == 1400.0


def test_limits_are_stated_for_every_asset_and_for_no_other(campus: Path) -> None:
    replace(campus / "limits.toml", "[genset.gen]", "[genset.diesel]")

    problems = problems_of(campus)

    assert [(problem.key, problem.message) for problem in problems] == [
        ("genset.gen", "assets.toml has genset.gen but its limits are missing"),
        ("genset.diesel", "limits for a genset that assets.toml does not have"),
    ]
    assert problems[0].allowed == ("a table [genset.gen] with min_stable_kw, min_up_h, min_down_h, max_starts_per_h")
    assert problems[1].allowed == "gen"
    assert problems[1].line == line_of(campus / "limits.toml", "[genset.diesel]")


def test_pools_and_classes_never_share_the_name_of_an_asset(campus: Path) -> None:
    replace(campus / "assets.toml", "[genset.gen]", "[genset.bess]")
    replace(campus / "limits.toml", "[genset.gen]", "[genset.bess]")

    assert problem_at(campus, "genset").message == "two assets would be called 'bess01'"


def test_a_tank_has_both_nameplate_and_limits(campus: Path) -> None:
    replace(campus / "limits.toml", "[fuel_tank]\nreserve_l = 80000.0\n", "")

    assert "a tank needs both" in problem_at(campus, "fuel_tank").message


def test_a_grid_needs_tariff_carbon_and_outages(campus: Path) -> None:
    text = (campus / "forecasts.toml").read_text(encoding="utf-8")
    (campus / "forecasts.toml").write_text(text.partition("[carbon]")[0], encoding="utf-8")

    problems = problems_of(campus)

    assert [(problem.key, problem.allowed) for problem in problems] == [
        ("carbon", "a table [carbon]"),
        ("outages", "a table [outages]"),
    ]


def test_without_a_grid_nothing_speaks_of_one(campus: Path) -> None:
    text = (campus / "limits.toml").read_text(encoding="utf-8")
    before, _, after = text.partition("[grid]")
    (campus / "limits.toml").write_text(before + "[fuel_tank]" + after.partition("[fuel_tank]")[2], encoding="utf-8")

    problems = problems_of(campus)

    found = {(Path(problem.file).name, problem.key) for problem in problems}
    assert found == {
        ("tariffs.toml", "tariff"),
        ("forecasts.toml", "carbon"),
        ("forecasts.toml", "outages"),
        ("twin.toml", "outages"),
        ("limits.toml", "reserve.survive[0]"),
        ("devices.toml", "device[4].asset"),
    }


def test_an_island_needs_a_pool_that_forms_the_grid(tmp_path: Path) -> None:
    desert = copy_of("desert-offgrid", tmp_path / "desert")
    replace(desert / "assets.toml", "min_forming_blocks = 2", "min_forming_blocks = 0")

    problem = problem_at(desert, "battery")

    assert problem.message == "a site without a grid needs a pool that forms one"


def test_a_numbered_table_is_reported_once_for_each_key(campus: Path) -> None:
    replace(campus / "devices.toml", 'asset = "bess-c{n:02}"', 'asset = "cell{n:02}"')

    problems = problems_of(campus)

    assert [problem.key for problem in problems] == ["device[1].asset", "device"]
    assert "20 assets" in problems[1].message


def test_a_misspelt_asset_suggests_the_right_one(campus: Path) -> None:
    replace(campus / "devices.toml", 'asset = "pcc"', 'asset = "pc"')

    assert problem_at(campus, "device[4].asset").nearest == "pcc"


def test_numbers_that_no_site_has_are_refused_before_they_are_counted_out(campus: Path) -> None:
    replace(campus / "assets.toml", "n_blocks = 10", "n_blocks = 1000")
    replace(campus / "assets.toml", "containers_per_block = 2", "containers_per_block = 1000")

    (problem,) = problems_of(campus)

    assert (problem.key, problem.message) == ("battery", "1001000 of them are more than a site can have")


def test_nobody_is_asked_as_unit_0_on_a_serial_line(campus: Path) -> None:
    replace(campus / "devices.toml", "port = 16201", 'port = 16201\nframing = "rtu-over-tcp"')
    replace(campus / "devices.toml", 'link = "pv{l:02}"', 'link = "pv{l:02}"\nunit = 0')

    problem = problem_at(campus, "device[2].unit")

    assert problem.message == "unit 0 of serial line 'pv01' is everybody, and nobody answers for it"
    assert problem.allowed == "1 to 247"
