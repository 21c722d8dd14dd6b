"""Beliefs about the future: PV, load, prices, carbon, and how wrong they were so far.

Pure: values in, values out. Files are read by `ems.runtime.forecasts`. pvlib (and with it pandas) is imported
in `pv.py` only, which runs in the planner's worker process.
"""
