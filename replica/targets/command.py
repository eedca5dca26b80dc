"""Sends notifications to a command. The command gets each message as JSON on its standard input. No shell is
involved."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Self

from replica.targets.message import TIMEOUT_S, Message, SendError

SHOWN_MAX = 200  # characters of what the command says on its standard error


@dataclass(frozen=True, slots=True)
class CommandTarget:
    """A program and its arguments. The program must exit with status 0 within TIMEOUT_S."""

    arguments: tuple[str, ...]

    @classmethod
    def read(cls, given: Any) -> Self:
        """Return the target for `given`, a list of a program and its arguments. Raises ValueError if `given` is not
        such a list, or if the program cannot be run."""
        if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
            raise ValueError("`command` must be a list of a program and its arguments, such as [/usr/local/bin/tell]")
        if shutil.which(given[0]) is None:
            raise ValueError(f"there is no program {given[0]!r} that can be run; give the whole path of the program")
        return cls(tuple(given))

    @property
    def name(self) -> str:
        return f"command {self.arguments[0]}"

    def send(self, message: Message) -> None:
        try:
            ended = subprocess.run(
                self.arguments,
                input=message.encode().encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SendError(f"it did not end within {TIMEOUT_S:.0f} s, and was killed") from None
        except OSError as error:
            raise SendError(error.strerror or str(error)) from None
        if ended.returncode:
            said = " ".join(ended.stderr.decode(errors="replace").split())[-SHOWN_MAX:]
            raise SendError(f"it ended with status {ended.returncode}" + (f": {said}" if said else ""))
