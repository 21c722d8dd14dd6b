"""The history of a site: every point of every cycle, on disk, and what is asked of it afterwards."""
