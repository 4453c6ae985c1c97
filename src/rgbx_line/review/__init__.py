"""People look at devices and say what they are: which ones, what they said, and what follows from it."""
