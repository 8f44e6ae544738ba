from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invitation", "0004_delivery"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitationemail",
            name="unconfirmed",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, verbose_name="unconfirmed"
            ),
        ),
        migrations.AddField(
            model_name="invitationemail",
            name="tried_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="last tried"),
        ),
        migrations.AlterField(
            model_name="invitationemail",
            name="failure",
            field=models.CharField(
                blank=True,
                choices=[
                    ("refused", "The recipient's mail server refuses it."),
                    ("given_up", "It could not be delivered, however often it was tried."),
                    ("bounced", "It came back: nobody reads mail at this address."),
                    ("complained", "The recipient has marked it as spam."),
                    ("opted_out", "The recipient wants no invitations."),
                    ("blocked", "Nobody may invite this address."),
                    ("pointless", "The invitation had ended before its mail could leave."),
                    ("broken", "The mail could not be written."),
                    ("unconfirmed", "It was probably sent: the mail server did not confirm it."),
                ],
                db_default="",
                max_length=12,
                verbose_name="reason",
            ),
        ),
    ]
