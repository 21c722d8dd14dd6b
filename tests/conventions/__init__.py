"""Rules that hold for every module, file and document of the repository."""
