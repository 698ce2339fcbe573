"""How good a model is: metrics, intervals, mistakes, and the ranking of candidates."""
