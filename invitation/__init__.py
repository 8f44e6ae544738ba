"""Invitation-only registration for Django: invite by e-mail, within a quota, with keys that hold.

A member invites someone, the invited person follows a link that carries an invitation key, and
registration is open only to the holder of a valid key. The verbs are in ``invitation.flows``,
the settings in ``invitation.conf``; ``docs/architecture.rst`` shows where everything lives.
"""

__version__ = "2.0.0"
