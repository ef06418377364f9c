"""Random event streams that are counted, and an oracle that says what they mean in the plainest way we know.

The generator counts what it produced; a stream without reverts, side-by-side versions, late spools, split START/COMPLETE, renames,
drops, rejected aliases, out-of-scope facets or erasures proves nothing and is an error. The oracle keeps sets of name pairs and
shares no code with the projector.
"""
from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lineproof_audit.envelope import PAYLOAD_OPENLINEAGE, parse_envelope
from lineproof_audit.store import StoredEntry
from tests.unit.projector.recorded import RecordedLog, at, columns, ds, new_log

WANTED = ("revert", "side-by-side", "late", "split", "rename", "drop", "alias-rejected", "out-of-scope", "erasure", "erasure-with-replacement",
          "retraction", "rerun", "failed", "twin", "unknown-code", "column-lineage")
Pair = tuple[str, str]


@dataclass
class Said:
    """One entry in the oracle's words."""

    kind: str
    index: int
    facts: dict[str, Any] = field(default_factory=dict)


class Stream:
    """A log of about `length` entries after the log's own, and what each of them says."""

    def __init__(self, seed: int, length: int = 110) -> None:
        self.choose = random.Random(seed)
        self.log: RecordedLog = new_log()
        self.said: list[Said] = []
        self.counts: Counter[str] = Counter()
        self.minute = 0.0
        self._runs = 0
        self._open: list[dict[str, Any]] = []
        self._last: dict[str, list[str | None]] = {}  # job -> code of its normal runs, in claimed order
        self._registered: set[str] = set()
        self._alias: dict[str, int] = {}
        self.originals: dict[int, StoredEntry] = {}  # erased entries as they were before
        self.erased_by: dict[int, int] = {}  # erasure entry -> the entry it erased
        while self.log.size() < length:
            self._one()
        for missing in (name for name in WANTED if not name.startswith("erasure")):  # a short stream is made whole rather than drawn again
            for _ in range(400):
                if self.counts[missing]:
                    break
                self._one()
        self._erase(replacement=False)
        self._erase(replacement=True)

    def missing(self) -> list[str]:
        return [name for name in WANTED if not self.counts[name]]

    def _one(self) -> None:
        self.minute += 1
        draw = self.choose.random()
        if draw < 0.03:
            self._alternate()
        elif draw < 0.62:
            self._run()
        elif draw < 0.68:
            self._drop()
        elif draw < 0.73:
            self._rename()
        elif draw < 0.77:
            self._retract()
        elif draw < 0.80:
            self._finish()
        else:
            self._alias_or_version()

    # -- runs

    def _alternate(self) -> None:
        """Two versions of a job side by side."""
        job = self.choose.choice(["j1", "j2", "j3"])
        for code in ("a", "b", "a", "b"):
            self.minute += 1
            self._run(job, code)

    def _run(self, job: str | None = None, code: str | None = None) -> None:
        choose = self.choose
        if job is None:
            job, code = choose.choice(["j1", "j2", "j3"]), choose.choice([None, "a", "b", "b", "c"])
        reads = sorted(choose.sample(["s1", "s2", "t1", "t2", "theirs:x"], choose.randrange(1, 3)))
        writes = sorted(choose.sample({"j1": ["t1", "t2"], "j2": ["t2", "t3"], "j3": ["t3", "t4", "theirs:y"]}[job], choose.randrange(1, 3)))
        self._runs += 1
        run: dict[str, Any] = {"id": f"run{self._runs}", "job": job, "code": code, "reads": reads, "writes": writes, "start": self.minute, "purpose": "normal",
                               "signer": choose.choice(["producer", "producer", "narrow", "notary"]), "precise": choose.random() < 0.3}
        if choose.random() < 0.12:
            run["start"] = max(0.0, self.minute - choose.randrange(5, 40))
            self.counts["late"] += 1
        if choose.random() < 0.1:
            run["purpose"] = choose.choice(["rerun", "backfill", "rebuild"])
            self.counts["rerun"] += 1
        if code is None:
            self.counts["unknown-code"] += 1
        if run["precise"]:
            self.counts["column-lineage"] += 1
        if run["signer"] == "narrow" and any(name.startswith("theirs:") for name in (*reads, *writes)):
            self.counts["out-of-scope"] += 1
        history = self._last.setdefault(job, [])
        if code is not None and run["purpose"] == "normal":
            if code in history[:-1] and history[-1] != code:
                self.counts["revert"] += 1
            history.append(code)
            if len(history) >= 4 and history[-4:-2] == history[-2:] and history[-1] != history[-2]:
                self.counts["side-by-side"] += 1
        if choose.random() < 0.4:
            self.counts["split"] += 1
            half = choose.random() < 0.5
            self._event(run, "START", reads, [] if half else writes)
            self._open.append({**run, "half": half})
            if choose.random() < 0.5:
                self._finish()
        else:
            self._event(run, "COMPLETE", reads, writes)

    def _finish(self) -> None:
        if self._open:
            run = self._open.pop(self.choose.randrange(len(self._open)))
            state = self.choose.choice(["COMPLETE", "COMPLETE", "COMPLETE", "FAIL"])
            if state == "FAIL":
                self.counts["failed"] += 1
            self._event(run, state, [] if run["half"] else run["reads"], run["writes"])

    def _event(self, run: dict[str, Any], state: str, reads: list[str], writes: list[str]) -> None:
        precise = run["precise"] and state != "START"
        outputs = [self._part(name, {"schema": columns("k"), **({"columnLineage": _columns(run["reads"])} if precise else {})}) for name in writes]
        inputs = [self._part(name, {"documentation": {"description": run["id"]}} if name.startswith("theirs:") else {}) for name in reads]
        # a run told in one event starts when it says; the later event of a split one comes when it comes
        minutes = max(self.minute, run["start"]) if "half" in run else run["start"]
        index = self.log.run(run["job"], run["id"], inputs=inputs, outputs=outputs, state=state, minutes=minutes, code=run["code"], signer=run["signer"],
                             purpose=None if run["purpose"] == "normal" else run["purpose"])
        facts = {"run": run["id"], "job": run["job"], "state": state, "time": minutes, "code": run["code"], "purpose": run["purpose"], "in": reads,
                 "out": writes, "narrow": run["signer"] == "narrow", "precise": run["reads"] if precise else None}
        self.said.append(Said("run", index, facts))
        if run["signer"] == "producer" and self.choose.random() < 0.1:
            self.counts["twin"] += 1
            twin = self.log.stored[index]
            assert twin.envelope is not None
            again = self.log.run(run["job"], run["id"], inputs=inputs, outputs=outputs, state=state, minutes=minutes, code=run["code"], signer="notary",
                                 purpose=None if run["purpose"] == "normal" else run["purpose"])
            self.said.append(Said("run", again, {**facts, "narrow": False}))

    @staticmethod
    def _part(name: str, facets: dict[str, Any]) -> dict[str, Any]:
        namespace, _, short = name.rpartition(":")
        return ds(short, namespace or "db", **facets)

    # -- datasets

    def _drop(self) -> None:
        name = self.choose.choice(["t1", "t2", "t3", "s2"])
        self.counts["drop"] += 1
        facet = {"lifecycleStateChange": "DROP"}
        index = self.log.lineage({"eventTime": at(self.minute), "producer": "x:y", "dataset": ds(name, lifecycleStateChange=facet)})
        self.said.append(Said("drop", index, {"name": name, "time": self.minute}))

    def _rename(self) -> None:
        old, new = self.choose.sample(["t1", "t2", "t3", "t4"], 2)
        self.counts["rename"] += 1
        facet = {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": old}}
        index = self.log.lineage({"eventTime": at(self.minute), "producer": "x:y", "dataset": ds(new, lifecycleStateChange=facet)})
        self.said.append(Said("rename", index, {"old": old, "new": new, "time": self.minute}))

    def _retract(self) -> None:
        runs = [said.index for said in self.said if said.kind == "run"]
        if runs:
            self.counts["retraction"] += 1
            entry = self.choose.choice(runs[-12:])
            index = self.log.cloud("lineproof.tombstone.v1", {"entry": entry, "reason": "mistake"})
            self.said.append(Said("retract", index, {"entry": entry}))

    def _erase(self, *, replacement: bool) -> None:
        candidates = [said for said in self.said if said.kind == "run" and not said.facts["narrow"] and said.index not in self.originals]
        said = self.choose.choice(candidates)
        self.originals[said.index] = self.log.stored[said.index]
        other = None
        if replacement:
            envelope = self.log.stored[said.index].envelope
            assert envelope is not None
            other = self.log.append("openlineage.run", PAYLOAD_OPENLINEAGE, parse_envelope(envelope).payload, "notary")
            self.said.append(Said("stands-in", other))
        self.counts["erasure-with-replacement" if replacement else "erasure"] += 1
        index = self.log.erase(said.index, other)
        self.erased_by[index] = said.index
        self.said.append(Said("erase", index, {"entry": said.index, "replacement": other}))

    # -- features

    def _alias_or_version(self) -> None:
        choose = self.choose
        if not self._registered or choose.random() < 0.3:
            version, sql = choose.choice(["1", "2", "3"]), choose.choice(["select 1", "select 2"])
            index = self.log.cloud("lineproof.feature-version.v1", {
                "namespace": "ml", "name": "f", "version": version, "column": {"namespace": "db", "name": "t1", "column": "k"},
                "definition": {"entities": ["e"], "dtype": "int", "sql": sql, "sources": [{"namespace": "db", "name": "s1"}]}})
            self.said.append(Said("version", index, {"version": version, "sql": sql}))
            self._registered.add(version)
            return
        alias, to = choose.choice(["prod", "next"]), choose.choice([*sorted(self._registered), None, "9"])
        expected = self._alias.get(alias) if choose.random() < 0.7 else choose.choice([None, 0, 1])
        index = self.log.cloud("lineproof.alias.v1", {"kind": "feature", "namespace": "ml", "name": "f", "alias": alias, "to": to, "expected": expected})
        self.said.append(Said("alias", index, {"alias": alias, "to": to, "expected": expected}))
        good = expected == self._alias.get(alias) and to != "9" and not (to is None and alias not in self._alias)
        if not good:
            self.counts["alias-rejected"] += 1
        elif to is None:
            self._alias.pop(alias)
        else:
            self._alias[alias] = index


def _columns(reads: list[str]) -> dict[str, Any]:
    inputs = []
    for name in reads:
        namespace, _, short = name.rpartition(":")
        inputs.append({"namespace": namespace or "db", "name": short, "field": "k", "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}]})
    return {"fields": {"k": {"inputFields": inputs}}}


@dataclass
class _Known:
    rank: int
    opened: int


class Oracle:
    """What dataset lineage and which outcomes a stream has after each entry, from the contract's sentences."""

    def __init__(self, said: list[Said]) -> None:
        erased = {item.facts["entry"]: item.facts["replacement"] for item in said if item.kind == "erase"}
        self.sets: dict[tuple[str, str | None, str], dict[str, _Known]] = {}  # (job, code, output) -> input -> how it is known
        self.current: dict[tuple[str, str], tuple[str, float]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.ends: dict[str, list[tuple[float, str | None]]] = {}  # name -> when it ended, and the name it then got
        self.contents: dict[tuple[str, str], list[str]] = {}
        self.versions: dict[str, str] = {}
        self.aliases: dict[str, int] = {}
        self.assets: dict[int, set[Pair]] = {}  # size -> pairs
        self.outcomes: dict[int, str] = {}
        for item in said:
            if (item.index in erased and erased[item.index] is None) or item.kind == "stands-in":
                self.outcomes[item.index] = "ignored"
            else:
                getattr(self, "_" + item.kind.replace("-", "_"))(item)
            self.assets[item.index + 1] = {(key[2], upstream) for key, inputs in self.sets.items() for upstream in inputs}

    def _run(self, item: Said) -> None:
        said = item.facts
        run = self.runs.setdefault(said["run"], {"in": set(), "out": [], "start": None, "started": False, "status": None, "precise": {}})
        scoped = [name for name in said["out"] if not (said["narrow"] and name.startswith("theirs:"))]
        foreign = len(scoped) < len(said["out"]) or (said["narrow"] and any(name.startswith("theirs:") for name in said["in"]))
        self.outcomes[item.index] = "partial" if foreign else "applied"
        if said["state"] == "START":
            run["start"] = min(said["time"], run["start"]) if run["started"] else said["time"]
            run["started"] = True
        elif not run["started"]:
            run["start"] = said["time"] if run["start"] is None else min(run["start"], said["time"])
        if run["status"] in (None, "START") or said["state"] != "START":
            run["status"] = said["state"]
        run["said"] = max(said["time"], run.get("said", said["time"]))
        run["in"].update(said["in"])
        for name in scoped:
            if name not in run["out"]:
                run["out"].append(name)
            if said["precise"] is not None:
                run["precise"][name] = said["precise"]
        done = run["status"] == "COMPLETE"
        for name in run["out"]:
            self._show(item, run, name, said, done)

    def _show(self, item: Said, run: dict[str, Any], name: str, said: dict[str, Any], done: bool) -> None:
        code, job, precise = said["code"], said["job"], run["precise"].get(name)
        now = self._now(name, run["said"])
        if now is None:
            return
        written, name = name, now
        current = self.current.get((job, name))
        if said["purpose"] != "normal" or (current is not None and current[0] != code and run["start"] < current[1]):
            return
        if code is None and not done and current is not None:
            return
        rank, shown = (2, set(precise)) if precise is not None else (1, set(run["in"]))
        shown = {now for upstream in shown if (now := self._now(upstream, run["said"])) is not None and (now != name or upstream == written)}
        held = self.sets.setdefault((job, code, name), {})
        best = max((known.rank for known in held.values()), default=0)
        for upstream in shown:
            known = held.get(upstream)
            if (known is None and (rank >= best or done)) or (known is not None and known.rank < rank):
                held[upstream] = _Known(rank, item.index)
        for upstream in [upstream for upstream, known in held.items() if upstream not in shown and known.rank < rank]:
            del held[upstream]
        if done and code is not None:
            for other in self.sets:
                if other[0] == job and other[2] == name and other[1] != code:
                    self.sets[other].clear()
            if current is None or current[0] != code:
                self.current[(job, name)] = (code, run["start"])

    def _now(self, name: str, said: float) -> str | None:
        """The name by now of what this was said of; None if it was dropped since."""
        for time, to in self.ends.get(name, ()):  # they are told in order
            if said < time:
                return self._now(to, time) if to is not None else None
        return name

    def _drop(self, item: Said) -> None:
        self.outcomes[item.index] = "applied"
        self.ends.setdefault(item.facts["name"], []).append((item.facts["time"], None))
        self._gone(item.facts["name"])

    def _gone(self, name: str) -> None:
        for key, held in self.sets.items():
            if key[2] == name:
                held.clear()
            held.pop(name, None)

    def _rename(self, item: Said) -> None:
        old, new = item.facts["old"], item.facts["new"]
        self.ends.setdefault(old, []).append((item.facts["time"], new))
        self.outcomes[item.index] = "applied"
        moved = [(key, dict(held)) for key, held in self.sets.items() if key[2] == old or old in held]
        self._gone(old)
        for (job, code, name), held in moved:
            before, after = self.current.get((job, old)), self.current.get((job, new))
            if name == old and code is not None and before and after and after[0] != code and before[1] < after[1]:
                continue  # newer code writes it by its new name
            output = new if name == old else name
            target = self.sets.setdefault((job, code, output), {})
            for upstream, known in held.items():
                if name == old or upstream == old:
                    place = new if upstream == old else upstream
                    if place == output and upstream != name:
                        continue  # the one was made of the other, whose name it now has
                    if place not in target or target[place].rank < known.rank:
                        target[place] = _Known(known.rank, item.index)
            if name == old and held and (job, old) in self.current and self.current[(job, old)][0] == code and (job, new) not in self.current:
                self.current[(job, new)] = self.current[(job, old)]

    def _retract(self, item: Said) -> None:
        self.outcomes[item.index] = "applied"
        for held in self.sets.values():
            for upstream in [upstream for upstream, known in held.items() if known.opened == item.facts["entry"]]:
                del held[upstream]

    def _erase(self, item: Said) -> None:
        self.outcomes[item.index] = "applied"

    def _version(self, item: Said) -> None:
        version, sql = item.facts["version"], item.facts["sql"]
        self.outcomes[item.index] = "applied" if self.versions.setdefault(version, sql) == sql else "rejected"

    def _alias(self, item: Said) -> None:
        alias, to, expected = item.facts["alias"], item.facts["to"], item.facts["expected"]
        good = self.aliases.get(alias) == expected and (to in self.versions if to is not None else alias in self.aliases)
        self.outcomes[item.index] = "applied" if good else "rejected"
        if good:
            if to is None:
                del self.aliases[alias]
            else:
                self.aliases[alias] = item.index
