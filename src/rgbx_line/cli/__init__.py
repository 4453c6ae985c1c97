"""`rgbx line`: set a line up, run it, look after it."""
