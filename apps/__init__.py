"""The applications that a replica plays. To register another application, add its name to NAMES."""

from __future__ import annotations

from importlib import import_module

from apps.api.application import Application

NAMES = (  # of the packages beside this file
    "rooms",
    "playlist",
    "people",
    "records",
)
APPLICATIONS: tuple[Application, ...] = tuple(import_module(f"apps.{name}").APPLICATION for name in NAMES)
