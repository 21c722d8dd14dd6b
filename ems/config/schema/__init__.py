"""One module per file of a configuration directory; each defines the table that the file holds."""
