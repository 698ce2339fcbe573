"""Prefect tasks: cache key, names and progress over digitflow's plain functions."""
