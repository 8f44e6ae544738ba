"""Registration in two steps: redux's default workflow behind the invitation gate."""
