"""Reports from ledger records: period totals, figures with formula and inputs, the evidence pack. Pure."""
