"""A site that has redux installed, but not among its apps: see ``test_kinds_of_site.py``."""
