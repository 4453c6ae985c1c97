def scan() -> None:
    """Not written yet."""
