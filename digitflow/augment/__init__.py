"""Altered copies of training images, one module a backend."""
