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

# Sent when the mail to the invited person has been handed to the mail server. Sent again for a
# renewed invitation, and neither for a reminder nor for a mail to the inviter.
#   invitation: InvitationKey, mail: InvitationEmail
invitation_sent = Signal()

# Sent when an account has been created with an invitation, which may still be inactive, or when one
# that was there before has accepted it: `acceptance.new_account` tells which.
#   invitation: InvitationKey, acceptance: Acceptance, user: the account,
#   address_proven: bool, whether the key proves that the account's address belongs to its holder
invitation_accepted = Signal()

# Sent when an account that came by invitation can be used: at once, after its activation, or
# after its approval, as the registration backend has it. Sent once for each new account, and not
# for one that was there before.
#   invitation: InvitationKey, acceptance: Acceptance, user: the account
invitation_activated = Signal()

# Sent when the invited person has said no.
#   invitation: InvitationKey
invitation_declined = Signal()

# Sent when an open invitation has been withdrawn, or its inviter's account deleted.
#   invitation: InvitationKey
invitation_revoked = Signal()

# Sent when somebody whose link is dead has asked for a new one, and the inviter gets a mail.
#   invitation: InvitationKey
invitation_renewal_requested = Signal()

# Sent once for each batch that `cleanupinvitation` has marked as expired. The rows may be
# deleted right after it, as INVITATION_RETENTION_DAYS says.
#   invitation_ids: list[int]
invitations_expired = Signal()

# Sent when a mail of the outbox has come to an end: it was sent, has failed for good, was
# suppressed or cancelled; and again when one that was sent has come back. Count with it.
#   mail: InvitationEmail, state: str, failure: str, empty if it was sent
mail_settled = Signal()

# Sent once when the way to the mail server turns out to be closed, and once when it is open again.
#   reason: str
delivery_paused = Signal()
delivery_resumed = Signal()

# Sent when a mail has come back, or its recipient has called it spam: by whoever learns of it, such
# as the receiver for django-anymail.
#   email: str, mail: InvitationEmail | None
invitation_bounced = Signal()
invitation_complained = Signal()

# Sent when an address wants no more invitations, for the first time.
#   reason: str, one of SuppressedAddress.Reason
address_suppressed = Signal()
