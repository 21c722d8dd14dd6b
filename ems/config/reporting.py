"""report.toml as values of the model."""

from ems.config.files import ConfigFiles
from ems.model.reporting import (
    Baseline,
    Boundary,
    Embodied,
    EmissionFactor,
    FactorUse,
    GeneratorUnit,
    Installation,
    MeteringPoint,
    PurchaseContract,
    Reporting,
)


def build_reporting(files: ConfigFiles) -> Reporting:
    """Return what reports need beside the ledger."""
    table = files.report
    return Reporting(
        factors=tuple(
            EmissionFactor(
                **each.model_dump(exclude={"use", "boundary"}),
                use=FactorUse(each.use),
                boundary=Boundary(each.boundary),
            )
            for each in table.factor
        ),
        embodied=tuple(Embodied(**each.model_dump()) for each in table.embodied),
        contract=None if table.contract is None else PurchaseContract(**table.contract.model_dump()),
        baseline=None if table.baseline is None else Baseline(**table.baseline.model_dump()),
        meters=tuple(MeteringPoint(**each.model_dump()) for each in table.meter),
        generators=tuple(GeneratorUnit(**each.model_dump()) for each in table.generator),
        installation=Installation(**table.installation.model_dump()),
        pue_category=table.pue_category,
    )
