"""Registration in two steps: the account is active after the link in an email is followed."""
