"""Dispatch: problem in, checked plan out.

`milp` (Pyomo and HiGHS) runs in the worker process only; `formulate`, `merit_order` and `check` are pure Python
and run anywhere.
"""
