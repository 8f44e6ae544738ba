"""Races through the forms of django-registration."""
