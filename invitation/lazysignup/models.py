"""Models of guests, and of the counters that limit them."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import IntegrityError, models, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invitation.lazysignup import emptying, signals
from invitation.lazysignup.conf import conf
from invitation.lazysignup.exceptions import NotLazyError, TooManyGuests

#: Attribute of an account in memory that says whether it is a guest.
KNOWN = "_is_lazy_user"
#: Guests that one step of the cleanup deletes.
BATCH_SIZE = 1_000
#: Time for which a counter counts.
WINDOW = timedelta(hours=1)


def generate_username(user_class: Any = None) -> str:
    """Return a name for a new guest that people can read, such as "Guest 48213".

    LAZYSIGNUP_NAME_GENERATOR or ``generate_username`` of the user model may choose another one.
    """
    model = get_user_model() if user_class is None else user_class
    chosen = conf.LAZYSIGNUP_NAME_GENERATOR or getattr(model, "generate_username", None)
    if chosen is not None:
        return str(chosen())
    field: Any = model._meta.get_field(model.USERNAME_FIELD)
    number = get_random_string(8, "123456789")
    if isinstance(field, models.EmailField):
        # It must be an address; ".invalid" is one that no mail can reach (RFC 2606).
        return f"guest-{number}@guest.invalid"
    name = gettext("Guest") + " " + number
    return name if len(name) <= (field.max_length or len(name)) else number[: field.max_length]


class LazyUserManager(models.Manager["LazyUser"]):
    """Manager that makes guests, makes accounts of them, and deletes them."""

    generate_username = staticmethod(generate_username)

    def create_lazy_user(self, request: Any = None) -> tuple[Any, str]:
        """Create a guest; return the account and its name.

        The account has no permissions and no usable password.
        """
        user, tries_left = None, 20
        while user is None:
            tries_left -= 1
            try:
                with transaction.atomic(using=self.db):
                    user = self._create(generate_username())
            except IntegrityError:
                if not tries_left:
                    raise
        send = partial(signals.guest_created.send_robust, sender=self, user=user, request=request)
        transaction.on_commit(send, using=self.db)
        return user, user.get_username()

    def create_guest_user(self, request: Any = None) -> Any:
        """Create a guest; return the account (the name in django-guest-user)."""
        return self.create_lazy_user(request)[0]

    def _create(self, name: str) -> Any:
        model = get_user_model()
        user: Any = self._with_address(model(**{model.USERNAME_FIELD: name}))
        user.set_unusable_password()
        user.save()
        self.create(user=user)
        setattr(user, KNOWN, True)
        return user

    def _with_address(self, user: Any) -> Any:
        """Return an account with an address if that has to be unique: an empty one is so once."""
        name = user.get_email_field_name()
        fields = {field.name: field for field in user._meta.concrete_fields}
        if name in fields and name != user.USERNAME_FIELD and fields[name].unique:
            setattr(user, name, None if fields[name].null else f"{uuid4().hex}@guest.invalid")
        return user

    def convert(self, form: Any) -> Any:
        """Save a valid form with a guest as its instance, and make a regular user of the guest.

        Returns the account, with the same id. Raises ``NotLazyError`` if it is no guest, or not any
        more.
        """
        with transaction.atomic(using=self.db):
            self.hold(form.instance)
            user = form.save()
            self.finish(user)
        return user

    def convert_account(self, user: Any) -> None:
        """Make a regular user of a guest, without a form. Raises ``NotLazyError``."""
        with transaction.atomic(using=self.db):
            self.finish(user)

    def hold(self, user: Any) -> LazyUser:
        """Lock a guest until the end of the transaction. Raises ``NotLazyError``."""
        row = self.select_for_update().filter(pk=self._key_of(user.pk)).first()
        if row is None:
            raise NotLazyError("This account is not that of a guest.")
        return row

    def finish(self, user: Any) -> None:
        """Make a regular user of a guest whose account is saved; call it in a transaction.

        Sessions of the guest end, because the password changes. Raises ``NotLazyError``.
        """
        row = self.hold(user)
        if not user.has_usable_password():
            user.set_unusable_password()
            user.save(update_fields=["password"])
        row.delete()
        setattr(user, KNOWN, False)
        send = partial(signals.converted.send_robust, sender=self, user=user)
        transaction.on_commit(send, using=self.db)

    def seen(self, user_id: Any, now: datetime) -> bool:
        """Record that a guest is active; return whether it still exists."""
        return self.filter(pk=self._key_of(user_id)).update(last_seen=now) > 0

    def _key_of(self, user_id: Any) -> Any:
        # MariaDB locks a row by the index that finds it. With one index for all, nobody deadlocks.
        return self.filter(user=user_id).values_list("pk", flat=True).first()

    def expired(self, now: datetime | None = None) -> models.QuerySet[LazyUser]:
        """Return the guests that have not been active for LAZYSIGNUP_DAYS.

        An account that somebody has given a password is not among them.
        """
        # The record of an activity may be older than the activity.
        before = (now or timezone.now()) - conf.max_age - conf.apart
        unusable = {"user__password__startswith": UNUSABLE_PASSWORD_PREFIX}
        return self.filter(last_seen__lte=before, **unusable)

    def delete_expired(
        self, now: datetime | None = None, batch_size: int = BATCH_SIZE, rows: Any = None
    ) -> int:
        """Delete the guests that have expired and what hangs on them; return how many.

        Works in batches. It may run beside itself, and beside guests who come back or sign up.
        ``rows`` are other guests to delete. What protects a row of a guest keeps the guest.
        """
        now = now or timezone.now()
        over = GuestCounter.objects.filter(begun__lte=now - WINDOW)
        over.filter(pk__in=list(over.values_list("pk", flat=True))).delete()
        return emptying.delete(self.expired(now) if rows is None else rows, batch_size)


class LazyUser(models.Model):
    """Guest: an account that nobody has signed up for yet."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("account")
    )
    created = models.DateTimeField(_("created"), default=timezone.now, db_index=True)
    last_seen = models.DateTimeField(_("last seen"), default=timezone.now, db_index=True)
    #: Key of the invitation that the guest came with, without its signature (see ``invited``).
    invitation = models.CharField(max_length=64, blank=True, default="", editable=False)

    objects = LazyUserManager()

    class Meta:
        """Names and order."""

        verbose_name = _("guest")
        verbose_name_plural = _("guests")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return str(self.user)

    @classmethod
    def get_user_class(cls) -> Any:
        """Return the model of the accounts."""
        return get_user_model()

    @property
    def expires(self) -> datetime:
        """When the guest expires, if it is not active before."""
        return self.last_seen + conf.max_age


#: Name in django-guest-user.
Guest = LazyUser


class GuestCounterManager(models.Manager["GuestCounter"]):
    """Manager that counts with one statement."""

    def take(self, scope: str, limit: int | None) -> None:
        """Count one more in this hour. Raises ``TooManyGuests`` beyond the limit."""
        now = timezone.now()
        if limit is not None and not self._take(scope, limit, now):
            begun = self.filter(scope=scope).values_list("begun", flat=True).first()
            left = (begun or now) + WINDOW - now
            raise TooManyGuests(max(1, round(left.total_seconds())))

    def _take(self, scope: str, limit: int, now: datetime) -> bool:
        over = Q(begun__lte=now - WINDOW)
        number = Case(When(over, then=Value(1)), default=F("number") + 1)
        begun = Case(When(over, then=Value(now)), default=F("begun"))
        for _tried in range(2 if limit else 0):
            rows = self.filter(over | Q(number__lt=limit), scope=scope)
            if rows.update(number=number, begun=begun):
                return True
            if self.filter(scope=scope).exists():
                return False
            self.bulk_create([self.model(scope=scope, begun=now)], ignore_conflicts=True)
        return False


class GuestCounter(models.Model):
    """Number of guests that one client, or all clients together, have made in a window."""

    scope = models.CharField(max_length=64, primary_key=True)
    begun = models.DateTimeField()
    number = models.PositiveIntegerField(default=0)

    objects = GuestCounterManager()

    def __str__(self) -> str:
        return f"{self.scope[:6]}…: {self.number}"
