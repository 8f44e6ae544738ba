"""Hold the template tags; load them with ``{% load invitation_tags %}``."""
