"""Models written in numpy alone, as scikit-learn estimators."""
