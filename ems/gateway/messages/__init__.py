"""Builders of the published messages: pure functions from the core's values to the contract's models."""
