"""The catalogue of estimators, fitting one in a process of its own, and safe model files."""
