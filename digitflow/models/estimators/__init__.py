"""Estimators for digits, one module each, with defaults that suit MNIST."""
