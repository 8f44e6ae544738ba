"""Gate a registration host: one folder per workflow, chosen by an ``include()``."""
