"""Checks of the lab itself, without the daemon: do the servers say what the scenes rely on?

A listener of ours stands in the place of the daemon and keeps what it is sent.
"""
import json
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import estate
from lab import Failure, get, wait

SITE = estate.SITES[0]


def active_alerts(lab):
    """Names of the alerts that Alertmanager knows as firing."""
    body = get(f"http://127.0.0.1:{lab.ports['alertmanager']}/api/v2/alerts?active=true")
    return [alert["labels"]["alertname"] for alert in json.loads(body or "[]")]


def listen(lab):
    """Starts the listener on the daemon's port; answers the lists of what came from Nagios and Alertmanager."""
    nagios, prometheus = [], []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.path == "/v1/events/nagios":
                nagios.append(dict(urllib.parse.parse_qsl(body)))
            elif self.path == "/v1/events/prometheus":
                prometheus.extend(json.loads(body)["alerts"])
            answer = b"{}"
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", lab.ports["intake"]), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return nagios, prometheus


def check_alertmanager(lab, memory):
    """Alertmanager posts the applications of a site, firing and resolved"""
    memory["nagios"], memory["prometheus"] = listen(lab)
    wanted = set(estate.applications(SITE))
    lab.exporter.down.update(wanted)

    def posted(status):
        return {a["labels"].get("app") for a in memory["prometheus"] if a["status"] == status} >= wanted

    wait("alerts firing", lambda: posted("firing"), 30)
    lab.exporter.down.clear()
    wait("alerts resolved", lambda: posted("resolved"), 30)


def check_nagios(lab, memory):
    """Nagios pushes hosts DOWN, children before their switch, and UP again"""
    pushed = memory["nagios"]

    def states(name):
        return [event["HOSTSTATE"] for event in pushed if event["HOSTNAME"] == name and "SERVICEDESC" not in event]

    servers = estate.servers(SITE)
    for server in servers:
        lab.check_result(server, 2, "PING CRITICAL - 100% packet loss")
    wait("servers DOWN", lambda: all("DOWN" in states(server) for server in servers), 20)
    lab.check_result(estate.switch(SITE), 2, "PING CRITICAL - 100% packet loss")
    wait("switch DOWN", lambda: "DOWN" in states(estate.switch(SITE)), 20)
    for name in (*servers, estate.switch(SITE)):
        lab.check_result(name, 0, "PING OK")
    wait("all UP", lambda: all(states(name)[-1:] == ["UP"] for name in (*servers, estate.switch(SITE))), 20)


def check_rt(lab, memory):
    """a create goes through the proxy into RT, is held both ways, and a person can take the ticket"""
    def create(key, timeout):
        request = urllib.request.Request(
            f"http://127.0.0.1:{lab.ports['proxy']}/REST/2.0/ticket", method="POST",
            data=json.dumps({"Queue": "Incidents", "Subject": "lab", "Content": "first\nsecond – æøå",
                             "ContentType": "text/plain", "CustomFields": {"Correlation Key": key}}).encode(),
            headers={"Authorization": f"token {(lab.folder / 'rt' / 'token').read_text()}",
                     "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status
        except TimeoutError:
            return None

    def expect(what, seen, wanted):
        if seen != wanted:
            raise Failure(f"{what}: {seen!r}, not {wanted!r}")

    expect("a create", create("cor-lab-1.1", 20), 201)
    ticket = lab.rt.ticket(lab.rt.ids()[0])
    expect("its key and text", (ticket["key"], ticket["text"]), ("cor-lab-1.1", "first\nsecond – æøå"))
    lab.proxy.hold("answer", 30)
    expect("a create whose answer is held", create("cor-lab-2.1", 2), None)
    expect("tickets", len(lab.rt.ids()), 2)
    lab.proxy.release()
    lab.proxy.hold("request", 30)
    expect("a create that is held", create("cor-lab-3.1", 2), None)
    expect("tickets while it is held", len(lab.rt.ids()), 2)
    lab.proxy.release()
    wait("the held create reaches RT although its sender has gone", lambda: len(lab.rt.ids()) == 3, 20)
    before = lab.rt.fingerprint(ticket["id"])
    lab.rt.take(ticket["id"])
    expect("owner", lab.rt.ticket(ticket["id"])["owner"], "jane")
    if lab.rt.fingerprint(ticket["id"]) == before:
        raise Failure("a touch does not show in the fingerprint")


SCENES = (check_alertmanager, check_nagios, check_rt)
