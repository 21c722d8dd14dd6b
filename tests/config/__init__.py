"""The configuration: what it accepts, and what it says about everything else."""
