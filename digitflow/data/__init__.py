"""Where digits come from, what they must hold, and how they are divided."""
