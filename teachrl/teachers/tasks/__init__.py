"""Teachers that set tasks: what to train on next."""
