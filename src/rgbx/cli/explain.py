def explain() -> None:
    """Not written yet."""
