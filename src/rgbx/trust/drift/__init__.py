"""Drift: whether devices come to look stranger than they did, by an alarm whose false alarms are counted beforehand.

Each device gets a p-value: how many of the devices before it were stranger (:mod:`rgbx.trust.drift.reference`). Bets on
small p-values win only if devices get stranger, and an alarm sounds when they have won enough
(:mod:`rgbx.trust.drift.bets`). :mod:`rgbx.trust.drift.monitor` does this for each modality and for both together, and
says what the fault seems to be.
"""
