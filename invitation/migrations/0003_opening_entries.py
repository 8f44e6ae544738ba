from typing import Any

from django.db import migrations
from django.db.models import F

BATCH_SIZE = 500


def write_opening_entries(apps: Any, schema_editor: Any) -> None:
    """Write an opening ledger entry for each member whose counters show a balance."""
    quotas = apps.get_model("invitation", "InvitationQuota").objects.using(
        schema_editor.connection.alias
    )
    entries = apps.get_model("invitation", "QuotaEntry").objects.using(
        schema_editor.connection.alias
    )
    model = entries.model
    batch = []
    counted = quotas.exclude(granted=F("spent")).values_list("inviter_id", "granted", "spent")
    for inviter, granted, spent in counted.iterator(BATCH_SIZE):
        batch.append(model(inviter_id=inviter, change=granted - spent, reason="opening"))
        if len(batch) == BATCH_SIZE:
            entries.bulk_create(batch)
            batch = []
    entries.bulk_create(batch)


class Migration(migrations.Migration):
    dependencies = [("invitation", "0002_shared_links_and_ledger")]

    operations = [migrations.RunPython(write_opening_entries, migrations.RunPython.noop)]
