"""A proxy between the daemon and RT that can hold one ticket create back, and lets requests meet faults.

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
# An answer that never comes: the connection ends without a word.
NOTHING = (None, [], b"")


def step_of(method, path, body):
    """What a request to RT is, in one word."""
    path, _, query = path.partition("?")
    path = path.rstrip("/")
    if method == "GET" and path.endswith("/tickets"):
        return "poll" if "orderby=LastUpdated" in query else "find"
    if method == "GET":
        return "read" if "/ticket/" in path else "probe"
    if path.endswith("/ticket"):
        return "create"
    if not path.endswith("/comment"):
        return "update"
    # Note and status are one request.
    if b'"Status"' not in body:
        return "note"
    return "resolve" if b'"resolved"' in body else "reopen"


class Fault:
    """What a request meets on its way: it is changed, answered in RT's place, or RT's answer is changed."""

    def __init__(self, change=None, before=None, after=None):
        self.change = change or (lambda path, body: (path, body))
        self.before = before or (lambda forward: None)
        self.after = after or (lambda answer: answer)


def lost():
    """RT has done it, the answer is lost."""
    return Fault(after=lambda answer: NOTHING)


def away():
    """It never gets to RT."""
    return Fault(before=lambda forward: NOTHING)


def late(seconds):
    """It gets to RT when its sender has given up."""
    def before(forward):
        timer = threading.Timer(seconds, forward)
        timer.daemon = True
        timer.start()
        return NOTHING
    return Fault(before=before)


def says(status, body, **headers):
    """Somebody answers in RT's place."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Fault(before=lambda forward: (status, [("Content-Type", "text/html"), *named], body.encode()))


def says_after(status, body):
    """RT has done it, but somebody else answers."""
    return Fault(after=lambda answer: (status, [("Content-Type", "text/html")], body.encode()))


def half():
    """RT has done it, its answer breaks off."""
    return Fault(after=lambda answer: (*answer, "half"))


def slow(seconds):
    """RT has done it, its answer takes long."""
    def after(answer):
        time.sleep(seconds)
        return answer
    return Fault(after=after)


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
        self._rules, self._armed = [], []
        self._unread = False
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

    def meets(self, when, fault, times=1, seconds=3600):
        """The next so many requests meet a fault, for so long: those of a step, or "change", "read back", "any"."""
        with self._lock:
            rule = {"when": when, "fault": fault, "times": times, "until": time.monotonic() + seconds, "met": 0}
            self._rules.append(rule)
            self._armed.append(rule)

    def heal(self):
        """No request meets anything from now on."""
        with self._lock:
            self._rules.clear()

    def unmet(self):
        """Faults that no request has met: what was to be shown was not."""
        with self._lock:
            return [rule["when"] for rule in self._armed if not rule["met"]]

    def seen(self, *steps):
        """Requests of these steps so far."""
        with self._lock:
            return sum(1 for entry in self.log if entry["step"] in steps)

    def _meeting(self, step):
        kinds = {step, "any"}
        if step in ("note", "resolve", "reopen", "update"):
            kinds.add("change")
        with self._lock:
            if step == "read" and self._unread:
                kinds.add("read back")
                self._unread = False
            self._unread = self._unread or step == "create"
            for rule in self._rules:
                if rule["when"] in kinds and rule["met"] < rule["times"] and time.monotonic() < rule["until"]:
                    rule["met"] += 1
                    return rule["fault"]
        return Fault()

    def close(self):
        """Lets everything go and stops listening."""
        self._release.set()
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, request, body):
        create = request.command == "POST" and request.path.split("?")[0].rstrip("/").endswith("/ticket")
        step = step_of(request.command, request.path, body)
        entry = {"at": time.time(), "method": request.command, "path": request.path, "create": create,
                 "step": step, "status": None, "held": None}
        with self._lock:
            self.log.append(entry)
            hold, self._hold = (self._hold, None) if create else (None, self._hold)
        if hold and hold[0] == "request":
            self._keep(entry, hold)
        if not self.on_request(request, body):
            return 502, [], b"dropped"
        fault = self._meeting(step)
        request.path, body = fault.change(request.path, body)

        def forward():
            answer = self._forward(request, body)
            entry["status"] = answer[0]
            return answer

        answer = fault.before(forward) or fault.after(forward())
        self.on_answer(request, body)
        if hold and hold[0] == "answer":
            self._keep(entry, hold)
        with open(self._log_path, "a", encoding="utf-8") as log:
            log.write(json.dumps({**entry, "told": answer[0], "body": body.decode(errors="replace")[:4000]}) + "\n")
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
            status, headers, answer, *half = handle(self, body)
            if status is None:
                self.close_connection = True
                return
            try:
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in NOT_FORWARDED:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer[:len(answer) // 2] if half else answer)
                self.close_connection = self.close_connection or bool(half)
            except OSError:
                self.close_connection = True  # the sender is gone: that is what a hold is for

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _any

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
