"""What the demo shows: headings, plain words, and each command a user would type with what it printed."""
from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

__all__ = ["CommandFailed", "Result", "Screen", "clean_environment"]


class CommandFailed(Exception):
    """A command of the demo did not end as it must."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command printed and how it ended."""

    code: int
    output: str


class Screen:
    """Prints the demo. `commands` keeps what was shown, for the tests."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.started = time.monotonic()
        self.commands: list[tuple[str, Result]] = []

    def heading(self, text: str) -> None:
        """A part of the story, with the time since the start."""
        self.console.print()
        self.console.rule(f"[bold]{text}[/]  [dim]{time.monotonic() - self.started:.0f} s[/]", align="left", style="cyan")

    def say(self, text: str) -> None:
        """A sentence or two."""
        self.console.print(text, soft_wrap=True)

    def step(self, text: str) -> None:
        """Progress."""
        self.console.print(f"[green]✓[/] {text}  [dim]{time.monotonic() - self.started:.0f} s[/]", soft_wrap=True)

    def run(self, *command: str, env: Mapping[str, str], cwd: Path, shown: Sequence[str] | None = None, expect: int | None = 0, quiet: bool = False,
            limit: int | None = None) -> Result:
        """Run `command`, show it as `shown` (default: as it is) with its output, and insist on exit code `expect` (None: any).

        Args:
            limit: show at most this many lines of output.
            quiet: show nothing unless it fails.
        """
        text = shlex.join(shown or command)
        if not quiet:
            self.console.print(Text(f"\n$ {text}", style="bold yellow"), soft_wrap=True)
        program = str(Path(sys.executable).with_name(command[0])) if command[0] in ("lineproof", "python", "dbt") else command[0]
        environment = {**env, "COLUMNS": str(min(self.console.width, 160))}
        if self.console.is_terminal:
            environment["FORCE_COLOR"] = "1"
        done = subprocess.run([program, *command[1:]], env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=600)
        result = Result(done.returncode, done.stdout)
        self.commands.append((text, result))
        if expect is not None and done.returncode != expect:
            self.console.print(Text(done.stdout))
            raise CommandFailed(f"{text} ended with exit code {done.returncode}, expected {expect}")
        if not quiet and done.stdout.strip():
            lines = done.stdout.rstrip().split("\n")
            shown_lines = lines if limit is None or len(lines) <= limit else [*lines[:limit], f"… {len(lines) - limit} more lines"]
            self.console.print(Text.from_ansi("\n".join(line.rstrip() for line in shown_lines)))
        return result


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of the demo's commands: this one without Lineproof's settings, plus `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LINEPROOF_", "DBT_"))}
    return {**kept, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", **extra}
