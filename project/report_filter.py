"""What error pages and reports may show of the settings. Django hides by the names of keys alone."""

import re

from django.views.debug import SafeExceptionReporterFilter


class ReportFilter(SafeExceptionReporterFilter):
    """Hides addresses too: those of a database or Redis may hold its password."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URL|\\bHOSTS\\b|\\bSENTINELS\\b",
        re.IGNORECASE,
    )
