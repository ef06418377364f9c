"""Chromium of the system, and the built page that it is to show."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.process import Missing

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# no sandbox: it does not start as root in a container; what is shown is ours
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run", "--disable-quic")


def find_chromium() -> str:
    """Its path; `CHROMIUM` wins."""
    if given := os.environ.get("CHROMIUM"):
        return given
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise Missing("no Chromium; run apt-get install -y --no-install-recommends chromium fonts-liberation")


def built_page() -> None:
    """Build the page if its sources are younger."""
    done = subprocess.run([sys.executable, str(ROOT / "ui" / "build.py"), "build"], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise AssertionError(f"the page does not build:\n{done.stdout}{done.stderr}")
    if not (ROOT / "metadata_service" / "_ui" / "index.html").is_file():
        raise Missing("the page is not built and there is no Node 20.19 or newer; run make ui")
