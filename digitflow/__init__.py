"""Retraining for handwritten digits: plain Python, no orchestrator inside."""

__version__ = "0.1.0"
