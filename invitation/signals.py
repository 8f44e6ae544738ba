"""Tell the rest of a site what happened to an invitation.

Every signal is sent by ``invitation.flows`` after the transaction is committed, with the
``InvitationKey`` class as sender. A receiver that raises cannot undo what happened: the error
is logged and the other receivers are still called.
"""

from __future__ import annotations

from django.dispatch import Signal

# Sent when a member has made an invitation. Not sent when an open one is renewed.
#   invitation: InvitationKey
invitation_created = Signal()

# Sent when a mail has been handed to the mail server. Sent again for a renewed invitation.
#   invitation: InvitationKey, mail: InvitationEmail
invitation_sent = Signal()

# Sent when an account has been created with an invitation. The account may still be inactive.
#   invitation: InvitationKey, acceptance: Acceptance, user: the new account,
#   address_proven: bool, whether the key proves that the account's address belongs to its holder
invitation_accepted = Signal()

# Sent when an account that came by invitation can be used: at once, after its activation, or
# after its approval, as the registration backend has it. Sent once for each acceptance.
#   invitation: InvitationKey, acceptance: Acceptance, user: the account
invitation_activated = Signal()

# Sent when the invited person has said no.
#   invitation: InvitationKey
invitation_declined = Signal()

# Sent when an open invitation has been withdrawn, or its inviter's account deleted.
#   invitation: InvitationKey
invitation_revoked = Signal()

# Sent once for each batch that `cleanupinvitation` has marked as expired. The rows may be
# deleted right after it, as INVITATION_RETENTION_DAYS says.
#   invitation_ids: list[int]
invitations_expired = Signal()
