"""How far to trust a bundle: figures with intervals, heat maps of what it looked at, and a report of both."""
