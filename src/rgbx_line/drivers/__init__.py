"""Cameras and detectors that the line takes images with, each in a process of its own: what hangs there hangs alone."""
