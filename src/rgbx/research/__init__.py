"""Options that lost where they were measured (docs: results), kept for whoever wants to measure them on other data.

Each is an entry of a registry (:mod:`rgbx.registry`), as a plug-in of another package would be; nothing else in rgbx
imports them.
"""
