"""Races through the forms of django-allauth."""
