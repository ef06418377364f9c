"""One API process, reduced to the log: takes events on a loopback socket, answers when they are durable, integrates if elected.

Run as `python -m tests.faults.api_process URL DATA STATE TENANT`; prints its port. A line in is `[id, says]`, a line out is
`[index, leaf hex, duplicate]` or `null` for an error that is to be retried.
"""
from __future__ import annotations

import json
import socketserver
import sys
import threading

from lineproof_audit.errors import AuditError
from lineproof_audit.log import Log
from tests.log_entries import new_entry

PIPELINE = 16


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        log: Log = self.server.log  # type: ignore[attr-defined]
        tenant: str = self.server.tenant  # type: ignore[attr-defined]
        while line := self.rfile.readline():
            futures = [log.appender.submit(new_entry(event_id, says, tenant=tenant)) for event_id, says in json.loads(line)]
            answers: list[object] = []
            for future in futures:
                try:
                    ack = future.result(30)
                    answers.append([ack.index, ack.leaf.hex(), ack.duplicate])
                except AuditError:
                    answers.append(None)
            self.wfile.write(json.dumps(answers).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is none of ours."""


def main() -> None:
    url, data, state, tenant = sys.argv[1:]
    log = Log.open(url, data=data, state_dir=state)
    threading.Thread(target=log.integrator.run, args=(threading.Event(), 0.2), daemon=True).start()
    with Server(("127.0.0.1", 0), Handler) as server:
        server.log, server.tenant = log, tenant  # type: ignore[attr-defined]
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
