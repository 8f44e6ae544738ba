"""Signals about invitations, for the rest of a site.

Every signal is sent by ``invitation.flows`` after the commit of the transaction. The sender is the
``InvitationKey`` class. An exception in a receiver undoes nothing: it is logged, and the other
receivers are still called.
"""

from __future__ import annotations

from django.dispatch import Signal

# Sent after a member has created an invitation. Not sent when a pending one is renewed.
#   invitation: InvitationKey
invitation_created = Signal()

# Sent after the mail server has received the email to the invited person. Sent again for a renewed
# invitation. Not sent for a reminder or for an email to the inviter.
#   invitation: InvitationKey, mail: InvitationEmail
invitation_sent = Signal()

# Sent after a new or an existing account has accepted an invitation. A new account may still be
# inactive; `acceptance.new_account` is true for it.
#   invitation: InvitationKey, acceptance: Acceptance, user: the account,
#   address_proven: bool, whether the key proves that the account's address belongs to its holder
invitation_accepted = Signal()

# Sent when a new account that came by invitation can be used. That is at once, after its
# activation, or after its approval, as the registration backend decides. Sent once for each new
# account. Not sent for an existing account.
#   invitation: InvitationKey, acceptance: Acceptance, user: the account
invitation_activated = Signal()

# Sent after the invited person has declined.
#   invitation: InvitationKey
invitation_declined = Signal()

# Sent after a pending invitation was revoked, or its inviter's account was deleted.
#   invitation: InvitationKey
invitation_revoked = Signal()

# Sent after a person whose link no longer works has asked for a new one. The inviter gets an email.
#   invitation: InvitationKey
invitation_renewal_requested = Signal()

# Sent once for each batch that `cleanupinvitation` has marked as expired. The rows may be deleted
# right after it, according to INVITATION_RETENTION_DAYS.
#   invitation_ids: list[int]
invitations_expired = Signal()

# Sent when an email of the outbox is settled: it was sent, failed for good, was suppressed or
# cancelled. Sent again if a sent email bounces. A site can count emails with it.
#   mail: InvitationEmail, state: str, failure: str, empty if it was sent
mail_settled = Signal()

# Sent once when the mail server can no longer be used, and once when it can be used again.
#   reason: str
delivery_paused = Signal()
delivery_resumed = Signal()

# Sent after an email has bounced, or its recipient has reported it as spam. The code that receives
# this news sends them, for example the receiver for django-anymail.
#   email: str, mail: InvitationEmail | None
invitation_bounced = Signal()
invitation_complained = Signal()

# Sent the first time that an address is suppressed: it gets no more invitations.
#   reason: str, one of SuppressedAddress.Reason
address_suppressed = Signal()
