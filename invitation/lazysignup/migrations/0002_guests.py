"""Activity, invitations and limits of guests."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lazysignup", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="GuestCounter",
            fields=[
                ("scope", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("begun", models.DateTimeField()),
                ("number", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="lazyuser",
            name="invitation",
            field=models.CharField(blank=True, default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="lazyuser",
            name="last_seen",
            field=models.DateTimeField(
                db_index=True, default=django.utils.timezone.now, verbose_name="last seen"
            ),
        ),
        migrations.AlterField(
            model_name="lazyuser",
            name="id",
            field=models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
    ]
