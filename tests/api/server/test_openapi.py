"""Whatever the description of the REST API allows, and what it does not: no answer may break its promise."""

from typing import Any

import pytest
import schemathesis
from django.core.asgi import get_asgi_application
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.server.rest import rest
from tests.api.server.calls import FULL_KEY

schema = schemathesis.openapi.from_dict(dict(rest.get_openapi_schema(path_prefix="/api/v1/")))
schema.app = get_asgi_application()


@pytest.mark.django_db
@pytest.mark.usefixtures("engine")
@schema.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_rest_api_keeps_to_its_description(case: Case[Any]) -> None:
    # What options contradict one another depends on the namespace, and what is a pattern on its
    # braces: no description can tell.
    knows_less = case.operation.label.endswith(("/subscriptions", "/topics"))
    case.call_and_validate(
        headers={"X-API-Key": FULL_KEY},
        excluded_checks=[positive_data_acceptance] if knows_less else [],
    )
