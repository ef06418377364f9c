"""Level `keys-complete`: no revocation can hide."""
from __future__ import annotations

from typing import Any

from lineproof_audit.verify import verify_bundle
from tests.unit.audit.memory_log import PRODUCER, MemoryLog, key, trust


def revoked_log() -> tuple[MemoryLog, int, int]:
    """A key is revoked, then signs once more; gives the log, the revocation and the late entry."""
    log = MemoryLog()
    log.say("lineproof.quality.v1", {})
    revocation = log.revoke(PRODUCER.keyid, len(log.stored))
    return log, revocation, log.say("lineproof.quality.v1", {})


def without(bundle: dict[str, Any], index: int) -> dict[str, Any]:
    return {**bundle, "keyEntries": [entry for entry in bundle["keyEntries"] if entry["index"] != index]}


def test_all_leaves_and_key_entries_reach_the_level() -> None:
    log = MemoryLog()
    entry = log.say("lineproof.quality.v1", {})
    log.register(key("unrelated"))
    verdict = verify_bundle(log.sign().bundle(entry, with_leaves=True), trust(), "keys-complete")
    assert (verdict.ok, verdict.levels) == (True, ("included", "keys-complete"))
    assert "no revocation is hidden" in verdict.statement


def test_without_leaves_the_level_is_not_reached_and_requiring_it_fails() -> None:
    log = MemoryLog()
    entry = log.say("lineproof.quality.v1", {})
    bundle = log.sign().bundle(entry)
    assert verify_bundle(bundle, trust()).ok
    verdict = verify_bundle(bundle, trust(), "keys-complete")
    assert (verdict.ok, verdict.code, verdict.levels) == (False, "below-required", ("included",))
    assert "--with-leaves" in verdict.reasons["keys-complete"][0]


def test_a_hidden_revocation_passes_included_and_cannot_pass_keys_complete() -> None:
    """The reason for the level: whoever makes the bundle leaves the revocation out."""
    log, revocation, late = revoked_log()
    log.sign()
    assert verify_bundle(without(log.bundle(late), revocation), trust()).levels == ("included",)
    verdict = verify_bundle(without(log.bundle(late, with_leaves=True), revocation), trust())
    assert not verdict.ok
    assert verdict.reasons["keys-complete"] == (f"entry {revocation} is a lineproof.key.v1 and the bundle does not show it",)


def test_a_shown_revocation_fails_the_entry() -> None:
    log, _, late = revoked_log()
    verdict = verify_bundle(log.sign().bundle(late, with_leaves=True), trust())
    assert not verdict.ok
    assert "valid up to entry" in verdict.reasons["included"][0]


def test_leaves_that_are_fewer_other_or_in_another_order_do_not_reach_the_root() -> None:
    log, _, _ = revoked_log()
    bundle = log.sign().bundle(3, with_leaves=True)
    leaves = bundle["leaves"]
    for changed in (leaves[:-1], [*leaves, leaves[-1]], [leaves[1], leaves[0], *leaves[2:]], [*leaves[:3], leaves[2], *leaves[4:]], []):
        verdict = verify_bundle({**bundle, "leaves": changed}, trust())
        assert (verdict.ok, verdict.code, verdict.levels) == (False, "invalid-proof", ("included",))


def test_a_key_entry_whose_body_is_withheld_is_not_shown() -> None:
    log, revocation, _ = revoked_log()
    bundle = log.sign().bundle(3, with_leaves=True)
    bundle["keyEntries"] = [{**entry, "salt": None, "envelope": None} if entry["index"] == revocation else entry for entry in bundle["keyEntries"]]
    verdict = verify_bundle(bundle, trust())
    assert not verdict.ok
    assert f"entry {revocation} is a lineproof.key.v1" in verdict.reasons["keys-complete"][0]
