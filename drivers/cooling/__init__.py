"""The cooling plant and its units."""
