"""Registration in one step: the account is active and logged in at once."""
