"""Schemathesis reads GET /openapi.json, and sends valid and invalid requests to each operation.

The status, type and content of every answer must match the description in GET /openapi.json. test_openapi.py sends
requests about users, rooms and reservations that exist.
"""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from apps.api.endpoint import Endpoint
from tests.replica.test_openapi import app, endpoints, parts

pytestmark = pytest.mark.slow

__all__ = ["app", "endpoints", "parts"]  # fixtures

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
EXAMPLES = 4  # for each operation and each mode


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_answer_is_described(app: Flask, endpoints: list[Endpoint], mode: GenerationMode) -> None:
    endless = {endpoint.path for endpoint in endpoints if endpoint.is_endless}
    operations: Any = openapi.from_wsgi("/openapi.json", app).get_all_operations()
    for found in operations:
        operation = found.ok()
        if operation.path in endless:
            continue
        if mode is GenerationMode.NEGATIVE and not _may_be_invalid(operation):
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case[Any]) -> None:
            case.call_and_validate(headers={"Bayou-User": "vish"}, checks=CHECKS)

        ask()


def _may_be_invalid(operation: Any) -> bool:
    """Return whether the test also sends invalid requests for an operation.

    The test sends invalid requests if the operation has a query, a body or a required header. For other operations,
    only the path or an optional header can be invalid. Schemathesis would need hundreds of attempts to find such a
    request.
    """
    return bool(operation.query or operation.body or any(header.is_required for header in operation.headers))
