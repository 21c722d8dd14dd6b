"""`ems report` and `ems evidence`: ledger and report.toml in, pages and files out."""
