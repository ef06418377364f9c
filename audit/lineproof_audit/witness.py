"""Witnesses: keys that cosign a checkpoint, and how many of them a verifier asks for.

Sources: C2SP tlog-cosignature (Ed25519, `cosignature/v1`, key type 0x04) and tlog-policy (groups and quorum). The line of a witness is
over the time and the whole text of the note: as of then, this was the largest consistent tree of that log the witness had seen.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lineproof_audit.errors import BadSignature, InvalidKey, InvalidProof
from lineproof_audit.keys import VerifyKey
from lineproof_audit.note import note_key_id, read_vkey, split_note

__all__ = ["COSIGNATURE_V1", "Group", "Witness", "check_quorum", "parse_witness_vkey", "parse_witnesses"]

COSIGNATURE_V1 = 0x04
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness by its name on signature lines and its key."""

    name: str
    key: VerifyKey

    def cosigned_at(self, note: str) -> int | None:
        """When (POSIX seconds) it cosigned the note; None if it did not.

        Raises:
            InvalidProof: the note is malformed, or a line of this witness does not verify.
        """
        text, lines = split_note(note)
        key_id, latest = note_key_id(self.name, COSIGNATURE_V1, self.key), None
        for line in lines:
            if (line.name, line.key_id) != (self.name, key_id):
                continue
            time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
            try:
                self.key.verify(line.signature[_TIME_BYTES:], f"cosignature/v1\ntime {time}\n{text}".encode())
            except BadSignature as error:
                raise InvalidProof(f"the cosignature of {self.name!r} does not verify") from error
            if time >= 2**63:
                raise InvalidProof(f"the cosignature of {self.name!r} is of no time there is")
            latest = max(time, latest or 0)
        return latest


@dataclass(frozen=True, slots=True)
class Group:
    """Has cosigned what at least `threshold` of its members have."""

    threshold: int
    members: tuple[Witness | Group, ...]


def check_quorum(note: str, quorum: Witness | Group) -> None:
    """Check that enough witnesses cosigned a note.

    Raises:
        InvalidProof: fewer, or a line of one of them does not verify.
    """
    if not _met(note, quorum):
        raise InvalidProof("fewer witnesses cosigned the checkpoint than the quorum of the trust file asks for")


def parse_witness_vkey(text: str, name: str) -> Witness:
    """Read the vkey of a witness; `name` is for messages.

    Raises:
        InvalidKey: malformed, or no Ed25519 cosignature key.
    """
    try:
        return Witness(*read_vkey(text, COSIGNATURE_V1))
    except InvalidKey as error:
        raise InvalidKey(f"witness {name}: {error.detail}") from error


def parse_witnesses(lines: Sequence[Sequence[bytes]], quorum: bytes) -> Witness | Group:
    """The quorum that the `witness` and `group` lines of a policy define. Each line stands as its words; names are opaque octets.

    Raises:
        InvalidKey: a line is malformed, names what no line before it defines, or defines or uses a name or key again.
    """
    known: dict[bytes, Witness | Group] = {}
    used: set[bytes] = set()
    for kind, name, *rest in lines:
        shown = name.decode("utf-8", "replace")
        if name in known or name == b"none":
            raise InvalidKey(f"witness or group {shown} is defined again")
        if kind == b"witness":
            try:
                witness = parse_witness_vkey(rest[0].decode("utf-8"), shown)
            except UnicodeDecodeError as error:
                raise InvalidKey(f"witness {shown}: {error}") from error
            if any(isinstance(other, Witness) and other.key == witness.key for other in known.values()):
                raise InvalidKey(f"witness {shown} has the key of another")
            known[name] = witness
            continue
        asked, members = rest[0], rest[1:]
        if any(member not in known or member in used for member in members) or len(set(members)) != len(members):
            raise InvalidKey(f"group {shown} names a witness that is not defined before it, or is a member already")
        threshold = {b"any": 1, b"all": len(members)}.get(asked) or (int(asked) if asked.isdigit() and asked[:1] != b"0" and len(asked) < 5 else 0)
        if not 1 <= threshold <= len(members):
            raise InvalidKey(f"group {shown} asks for all, any or 1 to {len(members)} of its members")
        used.update(members)
        known[name] = Group(threshold, tuple(known[member] for member in members))
    if quorum not in known:
        raise InvalidKey(f"the quorum names no witness or group defined before it: {quorum.decode('utf-8', 'replace')}")
    return known[quorum]


def _met(note: str, quorum: Witness | Group) -> bool:
    if isinstance(quorum, Witness):
        return quorum.cosigned_at(note) is not None
    return sum([_met(note, member) for member in quorum.members]) >= quorum.threshold  # a list: every line that is there has to verify
