"""Witnesses: keys that cosign a checkpoint, and how many of them a verifier asks for.

Sources: C2SP tlog-cosignature (Ed25519, `cosignature/v1`, key type 0x04) and tlog-policy (groups and quorum). The line of a witness is
over the time and the whole text of the note: as of then, this was the largest consistent tree of that log the witness had seen.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lineproof_audit.base64text import encode_base64
from lineproof_audit.errors import BadSignature, InvalidKey, InvalidProof
from lineproof_audit.keys import VerifyKey
from lineproof_audit.note import format_signature, note_key_id, read_vkey, split_note

__all__ = ["COSIGNATURE_V1", "Group", "Witness", "add_cosignatures", "check_quorum", "cosigned_by_quorum_at", "enough", "format_witnesses", "members_of",
           "parse_witness_vkey", "parse_witnesses", "vouched_for", "without_cosignatures"]

COSIGNATURE_V1 = 0x04
_TIME_BYTES = 8
_URL = re.compile(r"https?://[^\s@?#]+")  # no credentials: the file is handed out


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness by its name on signature lines and its key. `url`: the prefix of its `add-checkpoint`, for whoever publishes the log."""

    name: str
    key: VerifyKey
    url: str | None = None

    @property
    def key_id(self) -> bytes:
        """What its signature lines carry beside its name."""
        return note_key_id(self.name, COSIGNATURE_V1, self.key)

    @property
    def vkey(self) -> str:
        """`<name>+<key id hex>+<base64(0x04 || public key)>`: what one pins."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([COSIGNATURE_V1]) + self.key.raw)}"

    def cosigned_at(self, note: str) -> int | None:
        """When (POSIX seconds) it cosigned the note; None if it did not.

        Raises:
            InvalidProof: the note is malformed, or a line of this witness does not verify.
        """
        text, lines = split_note(note)
        key_id, latest = self.key_id, None
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
    if cosigned_by_quorum_at(note, quorum) is None:
        raise InvalidProof("fewer witnesses cosigned the checkpoint than the quorum of the trust file asks for")


def cosigned_by_quorum_at(note: str, quorum: Witness | Group) -> int | None:
    """Since when (POSIX seconds) the quorum vouches for the note: the time of the last line it takes, the newest lines counted first; None
    if it does not.

    Raises:
        InvalidProof: the note is malformed, or a line of one of the quorum's witnesses does not verify.
    """
    if isinstance(quorum, Witness):
        return quorum.cosigned_at(note)
    found = [cosigned_by_quorum_at(note, member) for member in quorum.members]  # of all: every line that is there has to verify
    times = sorted((time for time in found if time is not None), reverse=True)
    return times[quorum.threshold - 1] if len(times) >= quorum.threshold else None


def vouched_for(note: str, quorum: Witness | Group) -> bool:
    """Whether the quorum vouches for a note; for one that is malformed or badly cosigned it does not."""
    try:
        return cosigned_by_quorum_at(note, quorum) is not None
    except InvalidProof:
        return False


def enough(quorum: Witness | Group, has: Callable[[Witness], bool]) -> bool:
    """Whether those witnesses for which `has` holds make the quorum."""
    if isinstance(quorum, Witness):
        return has(quorum)
    return sum(enough(member, has) for member in quorum.members) >= quorum.threshold


def members_of(quorum: Witness | Group) -> list[Witness]:
    """The witnesses of a quorum, in order."""
    return [quorum] if isinstance(quorum, Witness) else [witness for member in quorum.members for witness in members_of(member)]


def add_cosignatures(note: str, signatures: Mapping[Witness, bytes]) -> str:
    """The note with these cosignatures (time and signature) added; a line that a witness had on it before gives way.

    Raises:
        InvalidProof: the note is malformed.
    """
    text, lines = split_note(note)
    new = {(witness.name, witness.key_id): signature for witness, signature in signatures.items()}
    kept = [(line.name, line.key_id, line.signature) for line in lines if (line.name, line.key_id) not in new]
    every = [*kept, *((name, key_id, signature) for (name, key_id), signature in new.items())]
    return text + "\n" + "".join(format_signature(*line) for line in every)


def without_cosignatures(note: str, witnesses: Sequence[Witness]) -> str:
    """The note without the lines of these witnesses.

    Raises:
        InvalidProof: the note is malformed.
    """
    text, lines = split_note(note)
    theirs = {(witness.name, witness.key_id) for witness in witnesses}
    return text + "\n" + "".join(format_signature(line.name, line.key_id, line.signature) for line in lines if (line.name, line.key_id) not in theirs)


def parse_witness_vkey(text: str, name: str, url: str | None = None) -> Witness:
    """Read the vkey of a witness; `name` is for messages.

    Raises:
        InvalidKey: malformed, or no Ed25519 cosignature key.
    """
    try:
        return Witness(*read_vkey(text, COSIGNATURE_V1), url)
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
                vkey, *url = [word.decode("utf-8") for word in rest]
            except UnicodeDecodeError as error:
                raise InvalidKey(f"witness {shown}: {error}") from error
            if url and not _URL.fullmatch(url[0]):
                raise InvalidKey(f"witness {shown} is not asked at an http or https URL: {url[0]}")
            witness = parse_witness_vkey(vkey, shown, url[0] if url else None)
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


def format_witnesses(quorum: Witness | Group) -> list[str]:
    """The `witness`, `group` and `quorum` lines of a policy that asks for this quorum. Witnesses are called by the names of their keys, groups are numbered."""
    lines: list[str] = []
    taken = {"none"}

    def called(name: str) -> str:
        at, free = 2, name
        while free in taken:
            free, at = f"{name}-{at}", at + 1
        taken.add(free)
        return free

    def define(member: Witness | Group) -> str:
        if isinstance(member, Witness):
            name = called(member.name)
            lines.append(f"witness {name} {member.vkey}" + (f" {member.url}" if member.url else ""))
            return name
        names = [define(each) for each in member.members]
        name = called("group")
        lines.append(f"group {name} {member.threshold} {' '.join(names)}")
        return name

    whole = define(quorum)
    return [*lines, f"quorum {whole}"]
