"""Registration with approval: redux's admin_approval workflow behind the invitation gate."""
