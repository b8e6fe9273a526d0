import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("prefix", models.CharField(editable=False, max_length=24, unique=True, verbose_name="id")),
                (
                    "name",
                    models.CharField(help_text="Whose key it is: the service that uses it.", max_length=100),
                ),
                ("digest", models.CharField(editable=False, max_length=64)),
                ("previous_digest", models.CharField(blank=True, editable=False, max_length=64)),
                ("previous_ends_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("scopes", models.JSONField(default=list)),
                ("namespaces", models.JSONField(default=list)),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, help_text="Empty: it does not expire.", null=True),
                ),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"verbose_name": "API key", "ordering": ("-created_at", "-id")},
        ),
    ]
