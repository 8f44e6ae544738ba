"""Registration in one step: redux's simple workflow behind the invitation gate."""
