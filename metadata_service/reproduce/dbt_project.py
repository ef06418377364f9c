"""A dbt project with nothing but the nodes to build: their raw code, their macros, their settings, and stubs for what they read.

References resolve to the relations they stood for, because schema, alias and database of every node are given by its unique id. Macros of
dbt and of its adapter come from the locked environment; `differences` compares them with the recorded ones after the run.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest_hooks.dbt.artifacts import Artifacts, load

__all__ = ["DbtProject", "differences", "group"]

OWN_PACKAGES = frozenset({"dbt", "dbt_duckdb", "dbt_postgres"})  # installed with dbt, so the lock file pins them
NAMING = ("generate_schema_name", "generate_alias_name", "generate_database_name")
_EXTENSION = {"python": "py", "csv": "csv"}
Step = Mapping[str, Any]


def group(steps: Sequence[Step]) -> list[list[Step]]:
    """Steps in an order in which each finds what it reads, dbt steps together that one dbt run can build: same lock file, engine and
    settings, nothing in two versions. Steps that need nothing of each other are ordered so that the groups are few."""
    groups: list[list[Step]] = []
    waiting, done = list(steps), set[str]()
    made = {str(output["version"]) for step in steps for output in step["outputs"]}
    while waiting:
        ready = [step for step in waiting if all(str(each["version"]) in done for each in step["inputs"] if str(each["version"]) in made)]
        ready = ready or waiting[:1]  # the order of the manifest, if its versions go round in a circle
        fitting = [step for step in ready if groups and step["kind"] == groups[-1][0]["kind"] == "dbt" and _fits(groups[-1], step)]
        step = next(iter(fitting), None) or next((step for step in ready if step["kind"] != "dbt"), ready[0])
        if fitting:
            groups[-1].append(step)
        else:
            groups.append([step])
        waiting.remove(step)
        done.update(str(output["version"]) for output in step["outputs"])
    return groups


def _fits(steps: Sequence[Step], step: Step) -> bool:
    first = steps[0]
    if any(first.get(name) != step.get(name) for name in ("environment", "engine")) or first["node"]["root"] != step["node"]["root"]:
        return False
    for other in steps:
        if other["node"]["uniqueId"] == step["node"]["uniqueId"]:
            return False
        for one, two in ((other["parameters"], step["parameters"]), (other["code"].get("modules") or {}, step["code"].get("modules") or {}),
                         (_ephemeral(other), _ephemeral(step))):
            if any(one[name] != two[name] for name in one.keys() & two.keys()):
                return False
        # what the earlier one built must be what this one read, and the other way round
        built = {tuple(output["dataset"]): output["version"] for output in other["outputs"]}
        read = {tuple(_dataset(each["version"])): each["version"] for each in step["inputs"]}
        if any(built[name] != read[name] for name in built.keys() & read.keys()):
            return False
    return True


def _dataset(version: str) -> Sequence[str]:
    from lineproof_schema.urn import parse_urn

    return parse_urn(version).components[:2]


def _ephemeral(step: Step) -> dict[str, str]:
    return {each["uniqueId"]: each["code"] for each in step["node"].get("upstream") or () if each.get("code")}


class DbtProject:
    """Writes the project of one group of steps. `read` gives the bytes of a verified artifact."""

    def __init__(self, folder: Path, steps: Sequence[Step], read: Callable[[str], bytes], database: Callable[[str], Path]) -> None:
        self.folder = folder
        self.steps = steps
        self.read = read
        self.database = database
        self.root = str(steps[0]["node"]["root"])
        self._macros: dict[str, str] = {}
        self._properties: dict[str, dict[str, list[Any]]] = {}
        self._names: dict[str, tuple[str, str, str]] = {}

    def write(self) -> None:
        """Write it."""
        sources: dict[tuple[str, str], dict[str, Any]] = {}
        built = {str(step["node"]["uniqueId"]) for step in self.steps}
        for step in self.steps:
            node = step["node"]
            self._node(node, self.read(step["code"]["rawCode"]), json.loads(self.read(step["code"]["config"]))["config"])
            self._take_macros(step["code"].get("modules") or {})
            for upstream in node.get("upstream") or ():
                if upstream["resourceType"] == "source":
                    key = (upstream["package"], upstream["sourceName"] + "\0" + upstream.get("schema", ""))
                    table = {"name": upstream["name"], "identifier": upstream["identifier"]}
                    known = sources.setdefault(key, {"name": upstream["sourceName"], "database": upstream.get("database"), "schema": upstream.get("schema"),
                                                     "tables": []})
                    if table not in known["tables"]:
                        known["tables"].append(table)
                elif upstream["uniqueId"] not in built:
                    if upstream.get("code"):
                        self._node(upstream, self.read(upstream["code"]), {"materialized": "ephemeral"})
                        self._take_macros(upstream.get("modules") or {})
                    else:
                        self._node({**upstream, "resourceType": "model", "language": "sql"}, b"select 1 as stub", {"materialized": "table"})
        for (package, _), source in sources.items():
            self._properties.setdefault(package, {}).setdefault("sources", []).append(source)
        self._write_packages()
        self._write_macros()
        self._write_profile()

    @property
    def selection(self) -> list[str]:
        """What dbt is told to build."""
        return [f"{step['node']['package']}.{step['node']['name']}" for step in self.steps]

    def _package(self, name: str) -> Path:
        return self.folder if name == self.root else self.folder / "dbt_packages" / name

    def _node(self, node: Mapping[str, Any], raw: bytes, config: Mapping[str, Any]) -> None:
        package, name = str(node["package"]), str(node["name"])
        unique_id = f"{'seed' if node['resourceType'] == 'seed' else 'model'}.{package}.{name}"  # here, where a stub of anything is a model
        if unique_id in self._names:
            return
        self._names[unique_id] = (str(node.get("schema") or "main"), str(node["identifier"]), str(node.get("database") or ""))
        seed = node["resourceType"] == "seed"
        language = "csv" if seed else str(node.get("language") or "sql")
        path = self._package(package) / ("seeds" if seed else "models") / f"{Path(name).name}.{_EXTENSION.get(language, 'sql')}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        settings = {key: value for key, value in config.items() if key not in ("schema", "alias", "database")}
        said: dict[str, Any] = {"name": name, "config": settings}
        if node.get("columns"):
            said["columns"] = node["columns"]
        self._properties.setdefault(package, {}).setdefault("seeds" if seed else "models", []).append(said)

    def _take_macros(self, modules: Mapping[str, str]) -> None:
        for unique_id, digest in modules.items():
            _, package, name = unique_id.split(".", 2)
            if package not in OWN_PACKAGES and not (package == self.root and name in NAMING):
                self._macros[unique_id] = digest

    def _write_packages(self) -> None:
        variables = {name: value for step in self.steps for name, value in step["parameters"].items()}
        for step in self.steps:
            for upstream in step["node"].get("upstream") or ():
                variables.update(upstream.get("parameters") or {})
        packages = {self.root, *self._properties, *(unique_id.split(".", 2)[1] for unique_id in self._macros)}
        for name in sorted(packages):
            folder = self._package(name)
            folder.mkdir(parents=True, exist_ok=True)
            own = {"profile": "lineproof", "packages-install-path": "dbt_packages", "vars": variables} if name == self.root else {}
            _write_json(folder / "dbt_project.yml", {"name": name, "version": "1.0", "model-paths": ["models"], "macro-paths": ["macros"],
                                                     "seed-paths": ["seeds"], **own})
            if name in self._properties:
                (folder / "models").mkdir(exist_ok=True)
                _write_json(folder / "models" / "lineproof.yml", {"version": 2, **self._properties[name]})

    def _write_macros(self) -> None:
        for unique_id, digest in self._macros.items():
            _, package, name = unique_id.split(".", 2)
            path = self._package(package) / "macros" / f"{Path(name).name}.sql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(digest))
        naming = []
        for at, macro in ((0, NAMING[0]), (1, NAMING[1]), (2, NAMING[2])):
            table = json.dumps({unique_id: names[at] for unique_id, names in self._names.items()})
            naming.append(f"{{% macro {macro}(given=none, node=none) -%}}{{{{ {table}[node.unique_id] if node is not none and node.unique_id in {table} "
                          f"else (given or {('target.schema', 'node.name', 'target.database')[at]}) }}}}{{%- endmacro %}}")
        path = self.folder / "macros" / "lineproof_names.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(naming) + "\n", encoding="utf-8")

    def _write_profile(self) -> None:
        databases = [name for name in dict.fromkeys(names[2] for names in self._names.values()) if name]
        main, others = databases[0], databases[1:]
        engine = self.steps[0].get("engine") or {}
        output = {"type": "duckdb", "path": str(self.database(main)), "schema": "main", "threads": 1, "settings": engine.get("settings") or {},
                  **({"attach": [{"path": str(self.database(name)), "alias": name} for name in others]} if others else {})}
        _write_json(self.folder / "profiles.yml", {"lineproof": {"target": "dev", "outputs": {"dev": output}}})


def differences(folder: Path, steps: Sequence[Step]) -> list[str]:
    """Where the code that dbt ran was not the recorded one: raw code, or any macro it used, dbt's own included."""
    ran: Artifacts = load(folder, folder / "target")
    found = []
    for step in steps:
        unique_id = str(step["node"]["uniqueId"])
        node = ran.node(unique_id)
        if node is None:
            found.append(f"{unique_id} was not built")
            continue
        if node["resource_type"] != "seed" and _sha256(str(node.get("raw_code") or "")) != step["code"]["rawCode"]:
            found.append(f"the code of {unique_id} is not the recorded one")
        used = {name: _sha256(str(macro["macro_sql"])) for name, macro in ran.macro_closure(node).items()}
        recorded = {name: digest for name, digest in (step["code"].get("modules") or {}).items() if name.split(".")[-1] not in NAMING}
        found += [f"macro {name} is not the recorded one" for name, digest in recorded.items() if used.get(name) != digest]
    return found


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")  # JSON is YAML


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
