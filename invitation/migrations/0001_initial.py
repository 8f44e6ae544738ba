# The columns are in the order in which PostgreSQL fills no gaps between them: first those of eight
# bytes, then those of four, two and one, then texts.

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import invitation.keys.links
import invitation.models.columns


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DeliveryPause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("until", models.DateTimeField(verbose_name="paused until")),
                ("since", models.DateTimeField(verbose_name="paused since")),
                ("failures", models.PositiveIntegerField(default=0, verbose_name="failures")),
                ("queue", models.CharField(default="mail", max_length=20, verbose_name="queue")),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "delivery pause",
                "verbose_name_plural": "delivery pauses",
                "constraints": [
                    models.UniqueConstraint(fields=("queue",), name="invitation_pause_of_queue")
                ],
            },
        ),
        migrations.CreateModel(
            name="InvitationKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "date_invited",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="created"),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires")),
                ("mail_requested_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "ended_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="ended"
                    ),
                ),
                (
                    "paused_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="paused"
                    ),
                ),
                (
                    "renewal_requested_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                ("reminded_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "forgotten_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="forgotten"
                    ),
                ),
                (
                    "from_user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="invitations_sent",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="inviter",
                    ),
                ),
                (
                    "max_uses",
                    models.PositiveIntegerField(
                        blank=True, default=1, null=True, verbose_name="uses allowed"
                    ),
                ),
                (
                    "uses",
                    models.PositiveIntegerField(default=0, editable=False, verbose_name="uses"),
                ),
                ("quota_held", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "site_id",
                    models.PositiveIntegerField(default=0, editable=False, verbose_name="site"),
                ),
                (
                    "shared",
                    models.BooleanField(
                        db_default=False, default=False, editable=False, verbose_name="shared link"
                    ),
                ),
                (
                    "from_site",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        verbose_name="from the site",
                    ),
                ),
                (
                    "locator",
                    models.CharField(
                        default=invitation.keys.links.new_locator,
                        editable=False,
                        max_length=32,
                        verbose_name="locator",
                    ),
                ),
                (
                    "email",
                    models.CharField(blank=True, max_length=254, verbose_name="email address"),
                ),
                ("email_key", models.CharField(blank=True, editable=False, max_length=254)),
                (
                    "recipient_name",
                    models.CharField(blank=True, max_length=60, verbose_name="name"),
                ),
                (
                    "note",
                    models.TextField(blank=True, max_length=500, verbose_name="personal note"),
                ),
                ("language", models.CharField(blank=True, max_length=35, verbose_name="language")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("accepted", "accepted"),
                            ("declined", "declined"),
                            ("revoked", "revoked"),
                            ("expired", "expired"),
                        ],
                        default="pending",
                        editable=False,
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "label",
                    models.CharField(
                        blank=True, db_default="", max_length=100, verbose_name="label"
                    ),
                ),
                (
                    "allowed_domains",
                    models.JSONField(
                        blank=True, db_default=[], default=list, verbose_name="allowed domains"
                    ),
                ),
                ("code_digest", invitation.models.columns.DigestField(max_length=32, null=True)),
                (
                    "word",
                    models.CharField(
                        blank=True, max_length=64, null=True, verbose_name="custom code"
                    ),
                ),
                (
                    "destination",
                    models.CharField(
                        blank=True, db_default="", max_length=200, verbose_name="first page"
                    ),
                ),
                ("data", models.JSONField(blank=True, default=dict, verbose_name="data")),
                ("pending_slot", invitation.models.columns.DigestField(max_length=15, null=True)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True, related_name="+", to="auth.group", verbose_name="groups"
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "invitation",
                "verbose_name_plural": "invitations",
                "ordering": ["-pk"],
                "permissions": [
                    ("create_shared_link", "Can create shared links"),
                    ("unlimited_shared_link", "Can create shared links for any number of people"),
                    ("link_in_note", "Can write links into personal notes"),
                ],
            },
        ),
        migrations.CreateModel(
            name="InvitationEmail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "not_before",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="not before"
                    ),
                ),
                (
                    "lease_until",
                    models.DateTimeField(blank=True, null=True, verbose_name="held until"),
                ),
                (
                    "tried_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="last tried"),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="created"),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent")),
                (
                    "invitation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mails",
                        to="invitation.invitationkey",
                        verbose_name="invitation",
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                (
                    "unconfirmed",
                    models.PositiveSmallIntegerField(
                        db_default=0, default=0, verbose_name="unconfirmed"
                    ),
                ),
                (
                    "of_recipient",
                    models.BooleanField(db_default=False, default=False, editable=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("invitation", "invitation"),
                            ("renewal", "request for a new invitation"),
                            ("reminder", "reminder"),
                            ("accepted", "news: accepted"),
                            ("declined", "news: declined"),
                            ("expired", "news: expired"),
                        ],
                        default="invitation",
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("sending", "sending"),
                            ("sent", "sent"),
                            ("failed", "failed"),
                            ("suppressed", "unsubscribed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "message_id",
                    models.CharField(
                        blank=True, max_length=255, null=True, verbose_name="Message-ID"
                    ),
                ),
                ("last_error", models.TextField(blank=True, verbose_name="last error")),
                (
                    "failure",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("refused", "The recipient's email server refused it."),
                            ("given_up", "It could not be delivered after several tries."),
                            ("bounced", "It bounced: nobody reads email at this address."),
                            ("complained", "The recipient reported it as spam."),
                            ("unsubscribed", "The recipient unsubscribed."),
                            ("blocked", "Nobody may invite this address."),
                            ("pointless", "The invitation ended before its email was sent."),
                            ("broken", "The email could not be created."),
                            (
                                "unconfirmed",
                                "Probably sent: the email server did not confirm it.",
                            ),
                        ],
                        db_default="",
                        max_length=12,
                        verbose_name="reason",
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "invitation email",
                "verbose_name_plural": "invitation emails",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Acceptance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "claimed_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="registered"
                    ),
                ),
                (
                    "activated_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="activated"),
                ),
                (
                    "invitation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="acceptances",
                        to="invitation.invitationkey",
                        verbose_name="invitation",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="invitations_accepted",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="account",
                    ),
                ),
                (
                    "new_account",
                    models.BooleanField(db_default=True, default=True, verbose_name="new account"),
                ),
                ("by_mail", models.BooleanField(db_default=False, default=False, editable=False)),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "acceptance",
                "verbose_name_plural": "acceptances",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="InvitationQuota",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "period_start",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="period began"
                    ),
                ),
                (
                    "inviter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitation_quota",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="member",
                    ),
                ),
                (
                    "granted",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Invitations on top of the site's own limit.",
                        verbose_name="granted",
                    ),
                ),
                ("spent", models.PositiveIntegerField(default=0, verbose_name="spent")),
                ("unlimited", models.BooleanField(default=False, verbose_name="unlimited")),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "invitation quota",
                "verbose_name_plural": "invitation quotas",
            },
        ),
        migrations.CreateModel(
            name="MailCounter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("updated_at", models.DateTimeField(db_index=True)),
                ("scope", invitation.models.columns.DigestField(max_length=32)),
                ("hours", models.JSONField(default=dict)),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "email counter",
                "verbose_name_plural": "email counters",
                "constraints": [
                    models.UniqueConstraint(fields=("scope",), name="invitation_mailcounter_scope")
                ],
            },
        ),
        migrations.CreateModel(
            name="ProvenAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "proven_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="proven"),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="account",
                    ),
                ),
                ("digest", invitation.models.columns.DigestField(max_length=32)),
                ("key_id", models.CharField(editable=False, max_length=16)),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "proven address",
                "verbose_name_plural": "proven addresses",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="QuotaEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="time"),
                ),
                (
                    "invitation",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="invitation.invitationkey",
                        verbose_name="invitation",
                    ),
                ),
                (
                    "inviter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitation_quota_entries",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="member",
                    ),
                ),
                ("change", models.IntegerField(verbose_name="change")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("opening", "carried over"),
                            ("invited", "invited someone"),
                            ("reopened", "renewed an expired invitation"),
                            ("expired", "expired unused"),
                            ("shared", "created or enlarged a shared link"),
                            ("returned", "closed or reduced a shared link"),
                            ("granted", "granted"),
                            ("reward", "reward for an accepted invitation"),
                            ("refilled", "new period"),
                            ("corrected", "corrected"),
                        ],
                        max_length=10,
                        verbose_name="reason",
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "ledger entry",
                "verbose_name_plural": "ledger entries",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="SuppressedAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="since"),
                ),
                ("digest", invitation.models.columns.DigestField(max_length=32)),
                ("key_id", models.CharField(editable=False, max_length=16)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("unsubscribed", "unsubscribed"),
                            ("complained", "reported an invitation as spam"),
                            ("bounced", "bounced"),
                            ("admin", "added by staff"),
                        ],
                        max_length=12,
                        verbose_name="reason",
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "unsubscribed address",
                "verbose_name_plural": "unsubscribed addresses",
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("digest",), name="invitation_suppressed_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="ThrottleCounter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("window_start", models.DateTimeField()),
                ("count", models.PositiveIntegerField(default=0)),
                ("scope", invitation.models.columns.DigestField(max_length=32)),
            ],
            options={
                "base_manager_name": "objects",
                "verbose_name": "throttle counter",
                "verbose_name_plural": "throttle counters",
                "indexes": [
                    models.Index(fields=["window_start"], name="invitation_throttle_window")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("scope",), name="invitation_throttle_scope")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="invitationkey",
            index=models.Index(
                fields=["email_key"], name="invitation_address", opclasses=["varchar_pattern_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="invitationkey",
            index=invitation.models.columns.SparseIndex(
                fields=["expires_at"],
                name="invitation_expiring",
                where=models.Q(("status", "pending")),
                whole=["status", "expires_at"],
            ),
        ),
        migrations.AddIndex(
            model_name="invitationkey",
            index=invitation.models.columns.SparseIndex(
                fields=["id"],
                name="invitation_holding",
                where=models.Q(("quota_held__gt", 0), ("status", "expired")),
                whole=["status", "quota_held"],
            ),
        ),
        migrations.AddIndex(
            model_name="invitationkey",
            index=invitation.models.columns.SparseIndex(
                fields=["ended_at", "id"],
                name="invitation_ended",
                where=models.Q(("status__in", ["declined", "revoked", "expired"])),
                whole=["status", "ended_at"],
            ),
        ),
        migrations.AddIndex(
            model_name="invitationkey",
            index=invitation.models.columns.SparseIndex(
                fields=["ended_at", "id"],
                name="invitation_forgettable",
                where=models.Q(("ended_at__isnull", False), ("forgotten_at", None)),
                whole=["forgotten_at", "ended_at"],
            ),
        ),
        migrations.AddIndex(
            model_name="invitationkey",
            index=invitation.models.columns.SparseIndex(
                fields=["id"],
                name="invitation_shared",
                where=models.Q(("shared", True)),
                whole=["shared"],
            ),
        ),
        migrations.AddConstraint(
            model_name="invitationkey",
            constraint=models.CheckConstraint(
                condition=models.Q(("uses__lte", models.F("max_uses"))),
                name="invitation_uses_within_max",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitationkey",
            constraint=models.CheckConstraint(
                condition=models.Q(("pending_slot", None), ("status", "pending"), _connector="OR"),
                name="invitation_slot_only_pending",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitationkey",
            constraint=models.CheckConstraint(
                condition=models.Q(("from_site", False), ("from_user", None), _connector="OR"),
                name="invitation_one_inviter",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitationkey",
            constraint=models.UniqueConstraint(
                fields=("locator",),
                name="invitation_locator_once",
                opclasses=["varchar_pattern_ops"],
            ),
        ),
        migrations.AddConstraint(
            model_name="invitationkey",
            constraint=invitation.models.columns.UniqueUnlessNull(
                fields=("pending_slot",), name="invitation_slot_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitationkey",
            constraint=invitation.models.columns.UniqueUnlessNull(
                fields=("code_digest",), name="invitation_code_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitationkey",
            constraint=invitation.models.columns.UniqueUnlessNull(
                fields=("site_id", "word"), name="invitation_word_once"
            ),
        ),
        migrations.AddIndex(
            model_name="invitationemail",
            index=invitation.models.columns.SparseIndex(
                fields=["state", "not_before", "id"],
                name="invitation_mail_due",
                where=models.Q(("state__in", ["queued", "sending"])),
                whole=["state", "not_before"],
            ),
        ),
        migrations.AddIndex(
            model_name="invitationemail",
            index=invitation.models.columns.SparseIndex(
                fields=["message_id"],
                name="invitation_mail_message_id",
                where=models.Q(("message_id__isnull", False)),
                whole=["message_id"],
            ),
        ),
        migrations.AddIndex(
            model_name="invitationemail",
            index=invitation.models.columns.SparseIndex(
                fields=["state", "id"],
                name="invitation_mail_unsent",
                where=models.Q(
                    ("state__in", ["failed", "suppressed", "cancelled"]),
                    models.Q(("failure", "unconfirmed"), ("state", "sent")),
                    _connector="OR",
                ),
                whole=["state"],
            ),
        ),
        migrations.AddConstraint(
            model_name="acceptance",
            constraint=models.UniqueConstraint(
                fields=("invitation", "user"), name="invitation_accepted_once_per_user"
            ),
        ),
        migrations.AddIndex(
            model_name="provenaddress",
            index=models.Index(fields=["digest"], name="invitation_proven_digest"),
        ),
        migrations.AddConstraint(
            model_name="provenaddress",
            constraint=models.UniqueConstraint(
                fields=("user", "digest"), name="invitation_proven_once"
            ),
        ),
    ]
