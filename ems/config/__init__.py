"""Configuration: TOML files that operators edit, checked and turned into `ems.model` values.

pydantic lives here and at the other edges only; nothing above this package sees a schema class.
"""
