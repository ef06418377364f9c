"""What an evidence bundle rests on, in words."""
from __future__ import annotations

from typing import Any

from lineproof_audit.checkpoint import peek_checkpoint

__all__ = ["checkpoint_of"]

_VOUCHED = {None: "", True: ", which the witnesses cosigned",
            False: ", which its witnesses have not cosigned: who asks for their quorum does not believe it; ask again once they have"}


def checkpoint_of(bundle: dict[str, Any]) -> str:
    """The checkpoint that a bundle proves its entries against, and how it stands with the witnesses of whoever made it."""
    return f"at the checkpoint of {peek_checkpoint(bundle['checkpoint']).size} entries{_VOUCHED[bundle.get('cosigned')]}"
