from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invitation", "0007_acceptance_by_mail"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitationemail",
            name="of_recipient",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
