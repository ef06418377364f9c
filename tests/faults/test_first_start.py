"""The first start of a service is cut short: the next one takes it up."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metadata_service.access.store import TokenStore
from metadata_service.rooms import ADMIN_TOKEN_FILE, open_rooms
from tests.service_world import service_settings


@pytest.mark.parametrize("committed", [False, True])
def test_the_first_admin_token_that_lies_in_its_file_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed: bool) -> None:
    add = TokenStore.add

    def crash(store: TokenStore, row: dict[str, Any]) -> None:
        if committed:
            add(store, row)
        raise KeyboardInterrupt

    monkeypatch.setattr(TokenStore, "add", crash)
    with pytest.raises(KeyboardInterrupt):
        open_rooms(service_settings(tmp_path))
    monkeypatch.undo()
    rooms = open_rooms(service_settings(tmp_path))
    try:
        secret = (rooms.log.state_dir / ADMIN_TOKEN_FILE).read_text().strip()
        assert rooms.admin_token == (None if committed else secret)
        assert rooms.tokens.viewer(secret).roles == {"admin"}
    finally:
        rooms.close()
