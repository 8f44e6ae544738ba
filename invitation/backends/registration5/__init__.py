"""Registration with django-registration 5 behind the invitation gate.

A site includes ``activation.urls`` or ``one_step.urls`` of this package before, or in place of, the
include of ``django_registration`` with the same name.
"""
