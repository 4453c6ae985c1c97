def demo() -> None:
    """Not written yet."""
