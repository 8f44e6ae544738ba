from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invitation", "0006_proven_addresses"),
    ]

    operations = [
        migrations.AddField(
            model_name="acceptance",
            name="by_mail",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
