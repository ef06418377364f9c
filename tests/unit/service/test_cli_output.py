"""What commands print for people: other people's text on it is never a command to the terminal."""
from __future__ import annotations

import json

import pytest
from rich.text import Text

from metadata_service.cli.output import note, print_json, print_table, say
from metadata_service.cli.views import show

HOSTILE = "a\x1b[31mred\x1b]0;title\x07 \x9b2J b\u202eevil\r\x7f"


@pytest.mark.parametrize("out", [say, note, lambda text: show(Text(text, "bold")), lambda text: show(text), lambda text: print_table(["n"], [[text]], "")])
def test_what_would_move_or_colour_the_terminal_is_shown(capsys: pytest.CaptureFixture[str], out: object) -> None:
    assert callable(out)
    out(HOSTILE)
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert not [mark for mark in printed if (ord(mark) < 32 and mark not in "\n\t") or 0x7F <= ord(mark) < 0xA0 or mark == "\u202e"]
    assert "␛[31mred␛]0;title" in printed


def test_json_keeps_it_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": HOSTILE})
    assert json.loads(capsys.readouterr().out) == {"text": HOSTILE}


def test_lines_and_tabs_stay(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\tb\nc")
    assert capsys.readouterr().out == "a\tb\nc\n"
