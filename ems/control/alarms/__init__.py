"""Which alarms there are, how each begins, is acknowledged, put aside and ends, and when people are called for it.

Pure: findings, actions and times in; the list and what changed out. What is found is decided where it is measured.
"""

from ems.control.alarms.book import AlarmBook, AlarmRules, Change, ChangeKind, Told, counted, followed
from ems.control.alarms.catalogue import CATALOGUE, definition_of
from ems.control.alarms.hands import handled

__all__ = [
    "CATALOGUE",
    "AlarmBook",
    "AlarmRules",
    "Change",
    "ChangeKind",
    "Told",
    "counted",
    "definition_of",
    "followed",
    "handled",
]
