"""The web process of a line: health, figures, uploads and control over HTTP."""
