"""Invitation-only registration for Django: invite by email, with a quota and signed keys.

A member invites a person. The invited person follows a link that carries an invitation key. Only
the holder of a valid key can register.

The actions are in ``invitation.flows``, the settings in ``invitation.conf``.
``docs/explanation/decisions.rst`` shows where everything is.
"""

__version__ = "2.0.0"
