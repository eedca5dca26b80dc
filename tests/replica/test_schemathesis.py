"""Schemathesis against GET /openapi.json: requests that fit the description, and such that do not, of each operation.

No answer is one that is not described, in its status, its type or its content. Requests that meet users, rooms and
reservations which are there are in test_openapi.py.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
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
EXAMPLES = 4  # of each operation, and of each of the two kinds


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_answer_is_one_that_is_described(app: Flask, endpoints: list[Endpoint], mode: GenerationMode) -> None:
    endless = {endpoint.path for endpoint in endpoints if endpoint.is_endless}
    operations: Any = openapi.from_wsgi("/openapi.json", app).get_all_operations()
    for found in operations:
        operation = found.ok()
        if operation.path in endless:
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

        with contextlib.suppress(Unsatisfiable):  # what takes nothing can be sent nothing wrong
            ask()
