"""Teachers that set starts: where to begin."""
