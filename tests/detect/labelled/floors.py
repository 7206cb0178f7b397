"""The floors: what the measurement must come to. One table, and nothing else decides."""

from __future__ import annotations

#: Share of values under a name of their field that are found, as clear and as what they are, by class.
#: A and B are promised for each detector; C and D, whose names are the evidence, over all of the class.
RECALL_OF_DETECTOR = {"A": 0.97, "B": 0.97}
RECALL_OF_CLASS = {"A": 0.97, "B": 0.97, "C": 0.95, "D": 0.90}
#: Share of clear findings at medium or more that are right, over positives and negatives together.
PRECISION = 0.98
#: Protected values reported clear, and clear values kept back because of what their field is called: none.
PROTECTED_AS_CLEAR = 0
CLEAR_AS_PROTECTED = 0
#: Ids of the catalogue the build does not have: none.
NOT_BUILT = 0

#: False alarms at medium or more, as a share of values: see rates.py.
RATE_OF_MACHINE_VALUES = 1 / 10_000
RATE_OF_CARD_LIKE_DIGITS = 1 / 100
#: Fields of ids that begin like cards, in which any is reported: what detect/sketch promises.
RATE_OF_ID_FIELDS = 1 / 194
#: Cards found among five or more records of one field that is not called so.
RECALL_OF_CARD_FIELDS = 0.97

#: Where python-stdnum and a detector disagree, as a share of values, random and mutated ones: see oracle.py.
DISAGREEMENT = 0.0
