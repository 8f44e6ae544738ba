"""An app with a user model of its own, as many sites have one."""
