"""Guests on a site with django-allauth and without invitations."""
