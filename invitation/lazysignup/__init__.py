"""Guests: people use the site first and sign up later, with or without an invitation.

An app of its own, which needs nothing else of ``invitation``. It has the names of django-lazysignup
and, as aliases, those of django-guest-user.
"""
