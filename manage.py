#!/usr/bin/env python
"""Django's command line. Settings are project.settings.dev unless DJANGO_SETTINGS_MODULE names others."""

import os
import sys

from django.core.management import execute_from_command_line

from project.settings.environment import BadEnvironment


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.dev")
    try:
        execute_from_command_line(sys.argv)
    except BadEnvironment as error:
        # The operator's to mend, in one line; a traceback would hide it.
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
