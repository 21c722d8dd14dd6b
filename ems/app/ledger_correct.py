"""`ems ledger correct`: a late or corrected reading, checked against the ledger and left for the daemon."""

from pathlib import Path

from ems.accounting.corrections import CorrectedReading, correction_body
from ems.accounting.rows import RowKind
from ems.chain.canonical import parsed
from ems.errors import ChainError, ConfigError, ConfigProblem, StateError
from ems.runtime.corrections import hand_over
from ems.runtime.evidence_file import reading, rows


def handed_over(directory: Path, *, seq: int, meter: str, value: int, reason: str) -> dict[str, object]:
    """Check a correction and leave it where the daemon takes it with its next interval.

    Raises:
        ConfigError: An argument is not usable, or the directory cannot be written.
        StateError: The ledger has no such interval or meter, or counts this value already.
    """
    quantity, _, unit = meter.partition(":")
    if not unit:
        raise ConfigError(
            ConfigProblem(
                file="--meter", message=f"'{meter}' names no meter", allowed="QUANTITY:UNIT, such as it_wh:it"
            )
        )
    if not reason.strip():
        raise ConfigError(ConfigProblem(file="--reason", message="a correction needs a reason", allowed="a text"))
    wanted = CorrectedReading(seq=seq, quantity=quantity, unit=unit, value=value, reason=reason.strip())
    with reading(directory / "evidence.db") as connection:
        found = next(rows(connection, "ledger", after_seq=seq - 1, kinds=(RowKind.INTERVAL.value,)), None)
        if found is None or found.seq != seq:
            raise StateError(f"row {seq} of {directory / 'evidence.db'} is no interval; ems ledger export lists them")
        kept = rows(connection, "ledger", after_seq=seq, kinds=(RowKind.CORRECTION.value,))
        try:
            body = correction_body(parsed(found.line), found.hash, [parsed(row.line) for row in kept], wanted)
        except ChainError as error:
            raise StateError(f"row {seq} cannot be read ({error}); ems ledger verify says more") from error
    try:
        file = hand_over(directory, wanted)
    except OSError as error:
        raise ConfigError(ConfigProblem(file=str(directory), message=f"cannot be written: {error.strerror}")) from error
    text = f"{file}: handed over; the daemon adds it to the ledger with its next interval"
    return {"file": str(file), "of": body["of"], "meters": body["meters"], "change": body["change"], "text": text}
