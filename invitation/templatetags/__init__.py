"""Template tags; load them with ``{% load invitation_tags %}``."""
