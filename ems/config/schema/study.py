"""STUDY.toml: what a study asks. Unlike the files of a site it stands alone and names the site that it is of."""

from datetime import date
from typing import Annotated

from pydantic import Field

from ems.config.schema.fields import WORDS, Price, Table, Text

# above it a year's fuel of a site would cost more than the site; refuses a price per gram
Co2Price = Annotated[
    Price,
    Field(ge=0.0, json_schema_extra={WORDS: "a number from 0 to 10,000,000, currency per t"}),
]


class DayTable(Table):
    """One day whose cost and emissions are set against each other: of a site, or of a problem file."""

    title: Text | None = Field(None, description="Heading in the picture; without it the site and the date.")
    site: Text | None = Field(None, description="A shipped site, or a directory beside the study file.")
    start: Annotated[date, Field(ge=date(1970, 1, 1), le=date(2200, 12, 31))] | None = Field(
        None, description="Local date of the site; goes with `site`."
    )
    problem: Text | None = Field(
        None, description="A planning problem beside the study file, instead of `site` and `start`."
    )
    co2_prices_per_t: Annotated[list[Co2Price], Field(min_length=2, max_length=50)] = Field(
        description="CO2 prices of the sweep, in the site's currency."
    )
    gap_frac: Annotated[float, Field(ge=0.0, le=0.05)] = Field(
        0.0005, description="Relative gap of each plan; points nearer to each other than this are not told apart."
    )


class ParetoFile(Table):
    """The study file of `ems study pareto`."""

    day: Annotated[list[DayTable], Field(min_length=1, max_length=6)] = Field(
        description="One table, and one panel of the picture, for each day."
    )
