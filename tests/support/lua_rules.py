"""The Lua of a small application. A test gives the statements that a write runs."""

from __future__ import annotations

FORM = """
local app = {{}}
function app.check() return true end
function app.update(pages, write)
  {update}
  return "updated"
end
function app.merge() return "rejected" end
function app.lists() return {{}} end
function app.notes(write)
  {notes}
  return {{}}
end
return app
"""


def rules(update: str, notes: str = "") -> str:
    """Return the Lua of an application. Each write runs the statements `update`, and each commit also runs the
    statements `notes`."""
    return FORM.format(update=update, notes=notes)
