"""Who may say that a body was erased: only an admin key that was valid there, whatever the leaf claims and wherever in the bundle the entry stands."""
from __future__ import annotations

from lineproof_audit.verify import verify_bundle
from tests.browser.erasure_vectors import erasure_bundles
from tests.unit.audit.memory_log import trust

GOOD = {"by the root admin", "by a second admin", "by an admin key that is disputed since", "addressed to this log", "with everything it may say"}


def test_an_erasure_counts_if_an_admin_key_that_was_valid_there_signed_it_and_else_never() -> None:
    wrong = []
    for name, bundle in erasure_bundles():
        verdict = verify_bundle(bundle, trust())
        good = name.removeprefix("erasure ").split(",")[0] in GOOD
        if verdict.ok != good or any("its body was erased" in note for note in verdict.notes) != good:
            wrong.append((name, verdict.ok, verdict.reasons, verdict.notes))
    assert wrong == []


def test_a_forged_erasure_among_the_key_entries_is_told_as_a_missing_body() -> None:
    forged = dict(erasure_bundles())["erasure signed by another key than its leaf names, among the key entries"]
    verdict = verify_bundle(forged, trust())
    assert verdict.reasons["included"] == (f"entry {forged['entries'][0]['index']}: its body is missing and no erasure entry shown says so",)
