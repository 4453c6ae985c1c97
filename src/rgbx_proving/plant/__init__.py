"""The plant twin: all that stands around a sorting line, and what goes wrong there."""
