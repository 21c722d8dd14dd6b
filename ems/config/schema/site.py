"""site.toml: what the site is called, where it lies, and how it logs."""

from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import Name, Table, Text, TimeZoneName


class SiteTable(Table):
    """Name and place of the site."""

    id: Name = Field(description="Name in MQTT topics, files and reports.")
    name: Text = Field(description="Name for people.")
    timezone: TimeZoneName = Field(description="IANA time zone; used for display and `--start`, never for control.")
    latitude_deg: Annotated[float, Field(ge=-90.0, le=90.0)] = Field(description="North positive.")
    longitude_deg: Annotated[float, Field(ge=-180.0, le=180.0)] = Field(description="East positive.")
    altitude_m: Annotated[float, Field(ge=-500.0, le=6000.0)] = Field(description="Above sea level.")


class LoggingTable(Table):
    """Logs go to standard error; systemd's journal keeps them."""

    format: Literal["json", "console"] = Field("json", description="`json` in production, `console` for people.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is written.")


class SiteFile(Table):
    """site.toml."""

    extends: Name | None = Field(
        None,
        description="Name of a shipped site whose files this directory overrides table by table.",
    )
    site: SiteTable
    logging: LoggingTable = Field(default_factory=LoggingTable)
