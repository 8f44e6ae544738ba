"""Check the set-up of a site; see below."""

CHECKS: tuple = ()
