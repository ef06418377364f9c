from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from lineproof_audit.envelope import parse_envelope
from tests.integration.hooks.receiver import Receiver, free_port, serving


def finish(process: subprocess.Popen[str], timeout: float = 60) -> tuple[str, str]:
    """Wait for the end; output and errors."""
    with process:
        return process.communicate(timeout=timeout)


def run_producer(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


EMITTING = """
import sys
from ingest_hooks import Emitter
emitter = Emitter(key=sys.argv[1], spool=sys.argv[2], url=sys.argv[3] or None)
number = 0
while True:
    receipt = emitter.dataset(namespace="warehouse", name=f"table_{number}")
    print(receipt.stream, receipt.sequence, number, flush=True)
    number += 1
"""


def kill_in_the_middle(key, spool, url, lines: int) -> list[tuple[str, int, int]]:
    """Events whose receipt the pipeline saw before it was killed."""
    process = run_producer(EMITTING, str(key), str(spool), url)
    seen = []
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):  # the last one may be cut
            stream, sequence, number = line.split()
            seen.append((stream, int(sequence), int(number)))
        if len(seen) == lines:
            process.send_signal(signal.SIGKILL)
    finish(process)
    return seen


@pytest.mark.parametrize("service", ["down", "up"])
def test_killed_process_loses_nothing_and_the_chain_goes_on(emitter, key, tmp_path, service):
    spool, port = tmp_path / "spool", free_port()
    receiver = Receiver()
    seen: list[tuple[str, int, int]] = []
    if service == "up":
        with serving(receiver, port):
            for round_ in range(3):
                seen += kill_in_the_middle(key, spool, receiver.url, 40 + 13 * round_)
    else:
        for round_ in range(3):
            seen += kill_in_the_middle(key, spool, f"http://127.0.0.1:{port}", 40 + 13 * round_)
    with serving(receiver, port):
        producer = emitter(url=f"http://127.0.0.1:{port}")
        producer.dataset(namespace="warehouse", name="last")
        assert producer.flush(30)
    got = {(event["stream"], int(event["sequence"])) for event in receiver.events}
    assert {(stream, sequence) for stream, sequence, _ in seen} <= got
    assert len(got) == len(receiver.events)  # no event twice
    assert len({stream for stream, _ in got}) == 1
    previous = None
    for number, raw in enumerate(receiver.envelopes, 1):
        body = json.loads(parse_envelope(raw).payload)
        assert body["sequence"] == str(number)
        assert body.get("previoushash") == previous
        previous = hashlib.sha256(parse_envelope(raw).payload).hexdigest()


def test_process_end_sends_what_is_spooled(key, tmp_path):
    with serving(Receiver()) as receiver:
        process = run_producer("""
            import sys
            from ingest_hooks import Emitter
            emitter = Emitter(key=sys.argv[1], spool=sys.argv[2], url=sys.argv[3])
            for number in range(20):
                emitter.dataset(namespace="warehouse", name=f"table_{number}")
        """, str(key), str(tmp_path / "spool"), receiver.url)
        _, errors = finish(process)
        assert process.returncode == 0, errors
        assert len(receiver.events) == 20


def test_process_end_is_not_held_up_by_a_service_that_is_down(key, tmp_path):
    process = run_producer("""
        import sys
        from ingest_hooks import Emitter
        Emitter(key=sys.argv[1], spool=sys.argv[2], url=sys.argv[3]).dataset(namespace="w", name="t")
    """, str(key), str(tmp_path / "spool"), f"http://127.0.0.1:{free_port()}")
    _, errors = finish(process)
    assert process.returncode == 0
    assert "cannot be reached" in errors
    assert "wait in" in errors
    assert "Traceback" not in errors


def test_forked_children_get_streams_of_their_own(key, tmp_path):
    with serving(Receiver()) as receiver:
        process = run_producer("""
            import os, sys
            from ingest_hooks import Emitter
            emitter = Emitter(key=sys.argv[1], spool=sys.argv[2], url=sys.argv[3])
            for number in range(5):
                emitter.dataset(namespace="parent", name=f"before_{number}")
            children = []
            for child in range(2):
                pid = os.fork()
                if pid == 0:
                    for number in range(5):
                        assert emitter.dataset(namespace=f"child_{child}", name=f"t_{number}").ok
                    assert emitter.stats().emitted == 5
                    emitter.flush(20)
                    os._exit(0 if emitter.stats().acknowledged == 5 else 1)
                children.append(pid)
            for number in range(5):
                emitter.dataset(namespace="parent", name=f"after_{number}")
            codes = [os.waitpid(pid, 0)[1] for pid in children]
            emitter.flush(20)
            sys.exit(1 if max(codes) else 0)
        """, str(key), str(tmp_path / "spool"), receiver.url)
        _, errors = finish(process)
        assert process.returncode == 0, errors
        assert len(receiver.events) == 20
        streams: dict[str, list[tuple[str, int]]] = {}
        for event in receiver.events:
            streams.setdefault(event["stream"], []).append((event["data"]["namespace"], int(event["sequence"])))
        assert len(streams) == 3
        for events in streams.values():
            assert len({namespace for namespace, _ in events}) == 1
            assert [sequence for _, sequence in events] == list(range(1, len(events) + 1))


def test_child_that_dies_leaves_its_events_to_the_parent(key, tmp_path, emitter):
    with serving(Receiver()) as receiver:
        process = run_producer("""
            import os, sys
            from ingest_hooks import Emitter
            emitter = Emitter(key=sys.argv[1], spool=sys.argv[2])
            emitter.dataset(namespace="w", name="parent")
            if (pid := os.fork()) == 0:
                emitter.dataset(namespace="w", name="child")
                os.kill(os.getpid(), 9)
            os.waitpid(pid, 0)
        """, str(key), str(tmp_path / "spool"))
        _, errors = finish(process)
        assert process.returncode == 0, errors
        producer = emitter(url=receiver.url)
        producer.dataset(namespace="w", name="next")
        assert producer.flush(10)
        for _ in range(200):
            if len(receiver.events) == 3:
                break
            time.sleep(0.05)
        assert sorted(event["data"]["name"] for event in receiver.events) == ["child", "next", "parent"]


def test_two_processes_on_one_spool_do_not_mix_their_streams(key, tmp_path):
    with serving(Receiver()) as receiver:
        script = """
            import sys
            from ingest_hooks import Emitter
            emitter = Emitter(key=sys.argv[1], spool=sys.argv[2], url=sys.argv[3])
            first = emitter.dataset(namespace=sys.argv[4], name="first")
            print("open", flush=True)
            for number in range(30):
                emitter.dataset(namespace=sys.argv[4], name=f"t{number}")
            import time; time.sleep(0.5)
            sys.exit(0 if emitter.flush(20) else 1)
        """
        processes = [run_producer(script, str(key), str(tmp_path / "spool"), receiver.url, f"n{number}") for number in range(3)]
        for process in processes:
            _, errors = finish(process)
            assert process.returncode == 0, errors
        by_stream: dict[str, list[int]] = {}
        spaces: dict[str, set[str]] = {}
        for event in receiver.events:
            by_stream.setdefault(event["stream"], []).append(int(event["sequence"]))
            spaces.setdefault(event["stream"], set()).add(event["data"]["namespace"])
        assert len(receiver.events) == 93
        for sequences in by_stream.values():
            assert sequences == list(range(1, len(sequences) + 1))


def test_disk_full_is_counted_logged_and_not_raised(key, tmp_path):
    """RLIMIT_FSIZE stands in for the full disk: writes fail inside the process as they would with ENOSPC."""
    process = run_producer("""
        import resource, sys, json
        from ingest_hooks import Emitter
        emitter = Emitter(key=sys.argv[1], spool=sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))
        states = [emitter.dataset(namespace="w", name=f"t{n}", description="d" * 2000).status for n in range(30)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        states.append(emitter.dataset(namespace="w", name="after").status)
        stats = emitter.stats()
        print(json.dumps({"states": states, "spooled": stats.spooled, "dropped": stats.dropped}), flush=True)
    """, str(key), str(tmp_path / "spool"))
    out, errors = finish(process)
    assert process.returncode == 0, errors
    told = json.loads(out)
    assert told["states"][0] == "spooled"
    assert "dropped" in told["states"]
    assert told["states"][-1] == "spooled"
    assert (told["spooled"], told["dropped"]) == (told["states"].count("spooled"), told["states"].count("dropped"))
    assert errors.count("events are dropped") == 1
    assert "Traceback" not in errors


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_disk_really_full_is_survived_and_what_was_spooled_is_sent(key, tmp_path, emitter):
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        with serving(Receiver()) as receiver:
            producer = emitter(spool=mount / "spool")
            receipts = [producer.dataset(namespace="w", name=f"t{number}", description="d" * 4000) for number in range(80)]
            kept = [receipt for receipt in receipts if receipt.ok]
            assert 0 < len(kept) < 80
            assert producer.stats().dropped == 80 - len(kept)
            producer.close(0.1)
            sender = emitter(spool=mount / "spool", url=receiver.url)
            sender.dataset(namespace="w", name="x" * 2000)  # no room for it yet
            assert sender.flush(10)
            assert sender.dataset(namespace="w", name="after").ok
            assert sender.flush(10)
            assert [event["data"]["name"] for event in receiver.events if event["data"]["name"][0] == "t"] == [
                f"t{number}" for number, receipt in enumerate(receipts) if receipt.ok]
            sender.close(1)
    finally:
        subprocess.run(["umount", str(mount)], check=True)
