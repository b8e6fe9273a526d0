from django.conf import settings
from django.db import migrations, models

from project.accounts import roles


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("chat", "0001_initial"),
        ("api", "0001_initial"),
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Site",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
            ],
            options={
                "permissions": (
                    ("moderate", "Can moderate conversations"),
                    ("broadcast", "Can broadcast to everybody"),
                    ("operate_devices", "Can operate devices"),
                ),
                "managed": False,
                "default_permissions": (),
            },
        ),
        # Who goes back keeps the groups: people may be in them.
        migrations.RunPython(roles.create, migrations.RunPython.noop),
    ]
