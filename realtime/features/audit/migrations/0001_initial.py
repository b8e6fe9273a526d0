"""The audit log, and what keeps the database from changing it."""

from typing import Any

import django.utils.timezone
from django.db import migrations, models

# The models refuse it, too; this is for whoever comes by SQL. Deleting stays possible, for audit_prune.
ON_SQLITE = """
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'audit entries are not changed'); END
"""
ON_POSTGRESQL = """
CREATE FUNCTION audit_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit entries are not changed'; END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE ON audit_entry
FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse()
"""


def forbid_updates(apps: Any, schema_editor: Any) -> None:
    match schema_editor.connection.vendor:
        case "sqlite":
            schema_editor.execute(ON_SQLITE)
        case "postgresql":
            schema_editor.execute(ON_POSTGRESQL)
        case _:
            pass


def allow_updates(apps: Any, schema_editor: Any) -> None:
    match schema_editor.connection.vendor:
        case "sqlite":
            schema_editor.execute("DROP TRIGGER audit_entry_append_only")
        case "postgresql":
            schema_editor.execute("DROP TRIGGER audit_entry_append_only ON audit_entry")
            schema_editor.execute("DROP FUNCTION audit_entry_refuse()")
        case _:
            pass


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_index=True, default=django.utils.timezone.now, editable=False, verbose_name="when"
                    ),
                ),
                (
                    "actor_kind",
                    models.CharField(
                        choices=[
                            ("user", "account"),
                            ("api_key", "API key"),
                            ("command", "command line"),
                            ("stranger", "stranger"),
                        ],
                        editable=False,
                        max_length=10,
                        verbose_name="kind of actor",
                    ),
                ),
                (
                    "actor_id",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=64, verbose_name="actor's id"
                    ),
                ),
                (
                    "actor_name",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=150, verbose_name="actor"
                    ),
                ),
                ("action", models.CharField(db_index=True, editable=False, max_length=60)),
                ("target", models.CharField(blank=True, default="", editable=False, max_length=255)),
                (
                    "ip",
                    models.GenericIPAddressField(
                        blank=True, editable=False, null=True, verbose_name="address"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[("done", "done"), ("denied", "denied"), ("failed", "failed")],
                        default="done",
                        editable=False,
                        max_length=6,
                    ),
                ),
                ("details", models.JSONField(blank=True, default=dict, editable=False)),
            ],
            options={
                "verbose_name_plural": "entries",
                "ordering": ("-id",),
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["actor_kind", "actor_id"], name="audit_entry_actor"),
                    models.Index(fields=["target"], name="audit_entry_target"),
                ],
            },
        ),
        migrations.RunPython(forbid_updates, allow_updates),
    ]
