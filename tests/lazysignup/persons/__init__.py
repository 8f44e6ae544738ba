"""Accounts whose address is unique beside their login name."""
