"""Pipelines to run."""
