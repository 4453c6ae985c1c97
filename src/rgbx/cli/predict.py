def predict() -> None:
    """Not written yet."""
