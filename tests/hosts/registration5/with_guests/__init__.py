"""Guests on a site with django-registration 5; ``test_guests.py`` gives it a process of its own."""
