"""Accounts of energy, carbon and money: metered quantities in, traced records and figures out. Pure."""
