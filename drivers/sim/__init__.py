"""The twin: the physical site as equations, in process or behind real protocols."""
