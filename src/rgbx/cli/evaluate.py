def evaluate() -> None:
    """Not written yet."""
