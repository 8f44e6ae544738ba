"""Queue emails, send them, and decide who gets which."""

from invitation.flows.mail.account_mails import (
    ACTIVATION,
    ACTIVATION_OF_INVITED,
    PASSWORD_RESET,
    await_turn,
    count_account_mail,
    is_unwanted,
    with_address,
)
from invitation.flows.mail.health import OutboxHealth, outbox_health
from invitation.flows.mail.limits import Room, room_for
from invitation.flows.mail.notices import NEWS, awaiting_news, hears_of, news_of_expiry
from invitation.flows.mail.pausing import delivery_pause
from invitation.flows.mail.queueing import (
    ask_for_mail,
    queue,
    queue_many,
    send_together,
    too_soon,
    waiting_mails,
)
from invitation.flows.mail.reminders import remind
from invitation.flows.mail.retries import announce_cancelled, cancel, is_delayed, reopen, retry
from invitation.flows.mail.sending import deliver, deliver_due, deliver_rows
from invitation.flows.mail.timing import remember, seem_to_send, wait
from invitation.flows.mail.unsubscribing import (
    is_suppressed,
    lift,
    report_bounce,
    report_complaint,
    suppress,
    unsubscribe,
)

__all__ = [
    "ACTIVATION",
    "ACTIVATION_OF_INVITED",
    "NEWS",
    "PASSWORD_RESET",
    "OutboxHealth",
    "Room",
    "announce_cancelled",
    "ask_for_mail",
    "await_turn",
    "awaiting_news",
    "cancel",
    "count_account_mail",
    "deliver",
    "deliver_due",
    "deliver_rows",
    "delivery_pause",
    "hears_of",
    "is_delayed",
    "is_suppressed",
    "is_unwanted",
    "lift",
    "news_of_expiry",
    "outbox_health",
    "queue",
    "queue_many",
    "remember",
    "remind",
    "reopen",
    "report_bounce",
    "report_complaint",
    "retry",
    "room_for",
    "seem_to_send",
    "send_together",
    "suppress",
    "too_soon",
    "unsubscribe",
    "wait",
    "waiting_mails",
    "with_address",
]
