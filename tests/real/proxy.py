"""A proxy between the daemon and RT that can hold one ticket create back.

What a crash needs to hit is the moment between "the tool has made the ticket" and "we have read its answer"
(hold "answer"), and the longer one in which the create is still under way somewhere (hold "request"). A held
request goes on to RT even if its sender is long dead, as in a real network.
"""
import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOT_FORWARDED = {"connection", "host", "keep-alive", "transfer-encoding", "content-length"}


class Proxy:
    """Forwards 127.0.0.1:port to 127.0.0.1:upstream. `log` has one dict per request, oldest first."""

    def __init__(self, port, upstream, log_path):
        self.log = []
        self._upstream = upstream
        self._log_path = log_path
        self._lock = threading.Lock()
        self._hold = None
        self._held = threading.Event()
        self._release = threading.Event()
        # What else shall happen: called with a request before it goes on (answers whether it does), and with its
        # answer there.
        self.on_request = lambda request, body: True
        self.on_answer = lambda request, body: None
        self._server = _server(port, self._handle)

    def hold(self, what, seconds):
        """Holds the "request" or the "answer" of the next ticket create for `seconds`, or until `release`."""
        assert what in ("request", "answer")
        with self._lock:
            self._held.clear()
            self._release.clear()
            self._hold = (what, seconds)

    def holding(self):
        """Whether the hold has met its create."""
        return self._held.is_set()

    def release(self):
        """Lets the held create go on now."""
        self._release.set()

    def creates(self):
        """Ticket creates that have reached RT so far."""
        with self._lock:
            return sum(1 for entry in self.log if entry["create"] and entry["status"])

    def close(self):
        """Lets everything go and stops listening."""
        self._release.set()
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, request, body):
        create = request.command == "POST" and request.path.split("?")[0].rstrip("/").endswith("/ticket")
        entry = {"at": time.time(), "method": request.command, "path": request.path, "create": create,
                 "status": None, "held": None}
        with self._lock:
            self.log.append(entry)
            hold, self._hold = (self._hold, None) if create else (None, self._hold)
        if hold and hold[0] == "request":
            self._keep(entry, hold)
        if not self.on_request(request, body):
            return 502, [], b"dropped"
        answer = self._forward(request, body)
        entry["status"] = answer[0]
        self.on_answer(request, body)
        if hold and hold[0] == "answer":
            self._keep(entry, hold)
        with open(self._log_path, "a", encoding="utf-8") as log:
            log.write(json.dumps({**entry, "body": body.decode(errors="replace")[:4000]}) + "\n")
        return answer

    def _keep(self, entry, hold):
        entry["held"] = hold[0]
        self._held.set()
        self._release.wait(hold[1])

    def _forward(self, request, body):
        headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_FORWARDED}
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=60)
        try:
            connection.request(request.command, request.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except OSError as error:
            return 502, [("Content-Type", "text/plain")], f"proxy: {error}".encode()
        finally:
            connection.close()


def _server(port, handle):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self):
            try:
                super().handle()
            except ConnectionError:
                pass  # a sender that was killed

        def _any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, answer = handle(self, body)
            try:
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in NOT_FORWARDED:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except OSError:
                self.close_connection = True  # the sender is gone: that is what a hold is for

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _any

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
