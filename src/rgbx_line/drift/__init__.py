"""The drift alarm of a line: :mod:`rgbx.trust.drift` over the answers in its log."""
