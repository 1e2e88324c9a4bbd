"""Teachers that set subgoals: what to aim at on the way."""
