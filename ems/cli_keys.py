"""`ems keys`: whose signature counts at a site."""

from pathlib import Path
from typing import Annotated

import typer

from ems.cli_output import JsonFlag, show

keys_app = typer.Typer(help="Make keys for commands; say whose count at a site.", no_args_is_help=True)
SiteOption = Annotated[str, typer.Option("--site", metavar="CONFIG_DIR", help="The configuration of the site.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Who holds the key, as ops-desk or k.lee.")]
RoleOption = Annotated[str, typer.Option("--role", help="viewer, operator or engineer.")]


@keys_app.command()
def new(
    name: NameArgument,
    *,
    role: RoleOption,
    site: SiteOption = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The private key; left out: NAME.key here.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key: the private part in a file for its holder only, the public one beside it; --site lets it count."""
    from ems.app.keys import make

    result = make(name, role=role, file=out or Path(f"{name}.key"), site=site)
    show(result if as_json else "\n".join(f"{key}: {value}" for key, value in result.items()))


@keys_app.command()
def add(
    name: NameArgument,
    *,
    public: Annotated[Path, typer.Option("--public", metavar="FILE", help="The public part of the key.")],
    role: RoleOption,
    site: SiteOption,
    as_json: JsonFlag = False,
) -> None:
    """Let a key count that was made elsewhere."""
    from ems.app.keys import add as added

    result = added(name, role=role, public=public, site=site)
    show(result if as_json else f"{result['name']}: {result['key_id']} counts as {result['role']}")


@keys_app.command("list")
def list_keys(*, site: SiteOption, as_json: JsonFlag = False) -> None:
    """List the keys of a site."""
    from ems.app.keys import listed

    keys = listed(site)
    lines = [
        f"{key['key_id']}  {key['role']:<9} {key['name']:<24} "
        + ("counts" if key["revoked"] is None else f"revoked {key['revoked']}")
        for key in keys
    ]
    show({"keys": keys} if as_json else "\n".join(lines) or "no key counts at this site")


@keys_app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the key.")],
    *,
    site: SiteOption,
    as_json: JsonFlag = False,
) -> None:
    """End a key for good; a running daemon takes it up within seconds."""
    from ems.app.keys import revoke as revoked

    result = revoked(name, site=site)
    show(result if as_json else f"{result['name']}: {result['key_id']} is revoked")
