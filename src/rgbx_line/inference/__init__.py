"""The inference process: it alone knows which parts are open, answers them at their deadlines, and writes the log."""
