"""Evidence bundles under a verifier that was written a second time, in Go, over golang.org/x/mod's notes and transparency-dev's Merkle proofs."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.browser.bundle_vectors import cases
from tests.browser.bundle_worlds import TRUST, plain

STRICTER = "a payload that is no json"  # NaN: Python and JavaScript read it as producers write it, Go's reader refuses the bundle


def test_go_judges_every_bundle_as_ours_does(outside: str) -> None:
    vectors = list(cases())
    asked = "".join(json.dumps({"trust": case.trust, "bundle": case.bundle}) + "\n" for case in vectors)
    done = subprocess.run([outside, "bundle", "-many"], input=asked, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(verdicts) == len(vectors) > 400
    wrong = [(case.name, case.ok, case.levels, verdict) for case, verdict in zip(vectors, verdicts, strict=True)
             if (verdict["ok"], tuple(verdict["levels"])) != ((case.ok, case.levels if case.ok else ())) and not case.name.startswith(STRICTER)]
    assert wrong == []
    assert not any(verdict["ok"] for case, verdict in zip(vectors, verdicts, strict=True) if case.name.startswith(STRICTER))


def test_go_verifies_a_bundle_as_one_file(outside: str, tmp_path: Path) -> None:
    log, cited = plain()
    (tmp_path / "evidence.json").write_text(json.dumps(log.sign().bundle(*cited, with_leaves=True)))
    (tmp_path / "trust.txt").write_text(TRUST)
    done = subprocess.run([outside, "bundle", "-file", str(tmp_path / "evidence.json"), "-trust", str(tmp_path / "trust.txt")], capture_output=True, text=True,
                          timeout=60, check=True)
    assert json.loads(done.stdout) == {"ok": True, "levels": ["included", "keys-complete"], "reasons": [], "size": len(log.stored)}
