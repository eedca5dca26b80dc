"""The applications that a replica plays. One line registers an application."""

from __future__ import annotations

from apps.playlist import APPLICATION as PLAYLIST
from apps.rooms import APPLICATION as ROOMS
from bayou.application import Application

APPLICATIONS: tuple[Application, ...] = (ROOMS, PLAYLIST)
