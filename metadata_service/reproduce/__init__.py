"""Manifests of past states, and what the command line does with them: plans, rebuilds and reruns. The server only makes manifests."""
