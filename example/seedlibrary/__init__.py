"""Run a seed library that neighbours share."""
