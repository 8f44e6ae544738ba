"""Registration behind the invitation gate: one folder per workflow, chosen with ``include()``."""
