"""Teachers of the rewards channel: what pays."""
