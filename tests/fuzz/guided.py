"""One target under atheris, in a process of its own: `python -m tests.fuzz.guided TARGET INPUTS SEED FOLDER`.

The engine keeps inputs that reach something new in our packages and goes on from there. Prints one JSON object; failing inputs are written
into FOLDER.
"""
from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import atheris

OURS = ["lineproof_schema", "lineproof_audit", "metadata_service", "graphql"]
with atheris.instrument_imports(include=OURS):
    from tests.fuzz.mutate import mutate
    from tests.fuzz.parsers import PARSERS, Target
    from tests.fuzz.watched import Watch, blocks, limited, resident

__all__ = ["main"]

WARM = 0.2  # of the inputs: until then caches fill and modules load; what is kept after it grows with the inputs
ENGINE, ANEW = 0.4, 0.3  # of the mutations are the engine's own; of the others begin with a valid input


def main(name: str, inputs: int, seed: int, folder: Path) -> None:
    """Run the target, print what came of it, and end the process: the engine does not give it back."""
    seeds, opened, longest = PARSERS.get(name) or _service(name)
    valid = [each[:longest] for each in seeds()]
    rss = resident()
    with ExitStack() as stack:
        watch = Watch(stack.enter_context(opened()))
        stack.enter_context(limited())
        corpus = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lineproof-corpus-")))
        for number, each in enumerate(valid):
            (corpus / f"{number:04d}").write_bytes(each)
        warm, held, began = max(int(inputs * WARM), 1), 0, time.perf_counter()

        def one(data: bytes) -> None:
            nonlocal held
            watch.feed(data)
            if watch.inputs == warm:
                held = blocks()
            if watch.inputs == inputs:
                seconds, kept = time.perf_counter() - began, blocks() - held
                shown = {"inputs": inputs, "seconds": seconds, "codes": dict(watch.codes.most_common()), "slowest": watch.slowest,
                         "blocks": kept, "rssBefore": rss, "rssAfter": resident(), "failures": watch.keep(folder)}
                stack.close()
                print(json.dumps(shown), flush=True)
                os._exit(0)

        def mutated(data: bytes, most: int, number: int) -> bytes:
            rng = random.Random(number)
            if rng.random() < ENGINE:
                return bytes(atheris.Mutate(data, most))
            return mutate(rng.choice(valid) if rng.random() < ANEW else data, rng, valid)[:most]

        atheris.Setup([sys.argv[0], f"-seed={seed}", f"-max_len={longest}", "-timeout=0", "-rss_limit_mb=0", "-verbosity=0", str(corpus)], one,
                      custom_mutator=mutated)
        atheris.Fuzz()


def _service(name: str) -> Target:
    with atheris.instrument_imports(include=OURS):
        from tests.fuzz.services import TARGETS
    return TARGETS[name]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
