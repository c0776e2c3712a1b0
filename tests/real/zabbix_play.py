"""Plays problems on a real Zabbix server and looks at the daemon for what became of them. Started by `run`.

    zabbix_play.py            all scenes
    zabbix_play.py --lab      only Zabbix, with a listener of ours in the place of the daemon
"""
import datetime
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import play
import zabbix_media
from lab import Failure, wait
from play import stays
from zabbix import HOST, INSTANCE, STORM, STORM_SIZE, TOKEN, ZabbixLab

# All takes about a minute; a machine with a load may take three times that.
LIMIT = 240
# From a value to the daemon and back: escalator and alerter each look every few seconds.
SLOW = 40

CLOSE, ACKNOWLEDGE, COMMENT = 1, 2, 4
PARTS = [f"part[{number}]" for number in range(STORM_SIZE)]


def expect(what, seen, wanted):
    """A comparison that says what it saw."""
    if seen != wanted:
        raise Failure(f"{what}: {seen!r}, not {wanted!r}")


def one_firing(lab, host):
    """Waits for the one alert of a host that fires, with its incident."""
    def find():
        found = lab.alerts(host, "firing")
        if len(found) > 1:
            raise Failure(f"{len(found)} alerts of {host} fire: {[alert['text'] for alert in found]}")
        return found[0] if found and found[0]["incident"] else None
    return wait(f"one alert of {host} fires, in an incident", find, SLOW)


def resolved(lab, number):
    """Waits for the end of an incident; no alert of it may fire then."""
    wait(f"incident {number} is resolved", lambda: lab.all_incidents()[number]["state"] == "resolved", SLOW)
    left = [alert["text"] for alert in lab.ask("v1/alerts")["alerts"]
            if alert["incident"] == number and alert["state"] == "firing"]
    expect(f"alerts of {number} that fire", left, [])


def tagged(lab, event):
    """Waits for the tags that the answer leaves on a problem; (incident, address)."""
    def find():
        tags = lab.event(event)["tags"]
        found = [[value for name, value in tags if name == wanted] for wanted in ("__correlated", "__correlated_url")]
        if any(len(values) > 1 for values in found):
            raise Failure(f"tags stand beside each other: {tags}")
        return [values[0] for values in found] if all(found) else None
    return wait(f"problem {event} has our tags", find, SLOW)


def scene_1(lab, memory):
    """a problem: one incident with one firing alert, and the problem in Zabbix names the incident"""
    lab.send(1, "probe")
    memory["event"] = lab.problem("probe")
    alert = one_firing(lab, HOST)
    memory["incident"] = alert["incident"]
    expect("its incidents", list(lab.all_incidents()), [alert["incident"]])
    expect("events of the alert", alert["events"], 1)
    incident, url = tagged(lab, memory["event"])
    expect("tag __correlated", incident, alert["incident"])
    entries = json.dumps(lab.event(memory["event"])["urls"])
    if f"Incident {incident}" not in entries or url not in json.loads(entries)[0]["url"]:
        raise Failure(f"the event menu does not lead to {incident}: {entries}")


def scene_2(lab, memory):
    """a person acknowledges with a comment: the alert is acknowledged, still one incident"""
    lab.update(memory["event"], ACKNOWLEDGE | COMMENT, "on it – \"Jørgen\"\nsecond line")
    wait("the alert is acknowledged", lambda: [a for a in lab.alerts(HOST, "firing") if a["acknowledged"]], SLOW)
    expect("incidents", list(lab.all_incidents()), [memory["incident"]])
    expect("tag __correlated", tagged(lab, memory["event"])[0], memory["incident"])


def scene_3(lab, memory):
    """recovery: the incident is resolved"""
    lab.send(0, "probe")
    resolved(lab, memory["incident"])
    expect("incidents", list(lab.all_incidents()), [memory["incident"]])


def scene_4(lab, memory):
    """a person closes the problem: resolved, and the late update of the two messages reopens nothing"""
    lab.send(1, "person")
    event = lab.problem("person")
    number = one_firing(lab, HOST)["incident"]
    tagged(lab, event)
    known = set(lab.all_incidents())
    lab.update(event, CLOSE | COMMENT, "closed by hand")
    resolved(lab, number)
    wait("Zabbix has sent problem, update and recovery",
         lambda: len(lab.sent(event)) == 3 and lab.delivered(), SLOW)
    stays("resolved, nothing new", lambda: lab.all_incidents()[number]["state"] == "resolved"
          and set(lab.all_incidents()) == known and not lab.alerts(HOST, "firing"), 6)


def scene_5(lab, memory):
    """a storm of problems and their recoveries: as many alerts, all over, none reopened"""
    lab.send(1, *PARTS)
    wait("all alerts fire", lambda: len(lab.alerts(STORM, "firing")) >= STORM_SIZE, 2 * SLOW)
    stays("their number", lambda: len(lab.alerts(STORM, "firing")) == STORM_SIZE, 2)
    numbers = {alert["incident"] for alert in lab.alerts(STORM)}
    lab.send(0, *PARTS)
    wait("no alert fires", lambda: not lab.alerts(STORM, "firing"), 2 * SLOW)
    wait("Zabbix has sent everything", lab.delivered, SLOW)
    for number in sorted(numbers):
        resolved(lab, number)
    known = set(lab.all_incidents())
    stays("all is over", lambda: set(lab.all_incidents()) == known and not lab.ask("v1/incidents")["incidents"]
          and not lab.alerts(STORM, "firing"), 5)


def scene_6(lab, memory):
    """the Test button: the daemon says yes, and nothing comes of it"""
    known = (set(lab.all_incidents()), len(lab.ask("v1/alerts")["alerts"]))
    lab.press_test()
    stays("nothing new", lambda: (set(lab.all_incidents()), len(lab.ask("v1/alerts")["alerts"])) == known, 2)


def scene_7(lab, memory):
    """what was received is what the outcomes add up to; a stop ends with code 0"""
    wait("the counters of zabbix add up", lambda: lab.adds_up("zabbix"), 20)
    lab.stop_daemon()


SCENES = (scene_1, scene_2, scene_3, scene_4, scene_5, scene_6, scene_7)


class Sink:
    """Listens in the place of the daemon, keeps what comes and answers like it."""

    def __init__(self, port):
        self.requests = []
        self.replies = []  # (status, body) for the next requests; then those of the daemon
        sink, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
                with lock:
                    sink.requests.append((self.path, dict(self.headers), text))
                    status, answer = sink.replies.pop(0) if sink.replies else (200, sink.accepted(text))
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer.encode())))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        threading.Thread(target=Server(("127.0.0.1", port), Handler).serve_forever, daemon=True).start()

    @staticmethod
    def incident(event):
        """Number and address that an event gets."""
        return f"I{int(event):06}", f"http://correlated.lab.invalid/v1/alerts/{event}"

    def accepted(self, text):
        """What the daemon would answer."""
        event = json.loads(text)["event_id"]
        if not event.isdigit():
            return '{"accepted":0}'
        number, url = self.incident(event)
        return json.dumps({"accepted": 1, "repeated": 0, "rejected": [], "incident": number, "url": url})

    def bodies(self, event=None):
        """What came, as objects; of one event only if it is named."""
        found = [json.loads(text) for _, _, text in list(self.requests)]
        return [body for body in found if event in (None, body["event_id"])]

    def next(self, event, number):
        """Waits for the message NUMBER of an event, from 1."""
        wait(f"message {number} of event {event}", lambda: len(self.bodies(event)) >= number, SLOW)
        return self.bodies(event)[number - 1]


def check_problem(lab, memory):
    """a problem arrives with all our fields and the token; number and menu entry are written back"""
    sink = memory["sink"] = Sink(lab.ports["intake"])
    lab.send(1, "probe")
    event = memory["event"] = lab.problem("probe")
    body = sink.next(event, 1)
    path, headers, _ = sink.requests[0]
    expect("path", path, "/v1/events/zabbix")
    expect("token", headers.get("Authorization"), f"Bearer {TOKEN}")
    expect("content type", headers.get("Content-Type"), "application/json")
    expect("fields", set(body) ^ zabbix_media.fields(), set())
    for name, wanted in (("schema", "zabbix-webhook/1"), ("instance", INSTANCE), ("event_value", "1"),
                         ("update_status", "0"), ("recovery_id", "{EVENT.RECOVERY.ID}"), ("host_host", HOST),
                         ("trigger_id", lab.triggers["probe"]), ("event_nseverity", "4"),
                         ("tags", [{"tag": "service", "value": "shop"}])):
        expect(name, body[name], wanted)
    began = datetime.datetime.strptime(f"{body['event_date']} {body['event_time']} +0000", "%Y.%m.%d %H:%M:%S %z")
    if abs(time.time() - began.timestamp()) > 120:
        raise Failure(f"{body['event_date']} {body['event_time']} is not UTC, the zone of the user")
    expect("tags", tuple(tagged(lab, event)), sink.incident(event))
    entry = dict(zip(("name", "url"), (f"Incident {sink.incident(event)[0]}", sink.incident(event)[1])))
    expect("event menu", lab.event(event)["urls"], [entry])


def check_updates(lab, memory):
    """acknowledgement and recovery arrive with the problem's event id, and our tag with them"""
    sink, event = memory["sink"], memory["event"]
    lab.update(event, ACKNOWLEDGE | COMMENT, "on it – \"Jørgen\"\nsecond line")
    body = sink.next(event, 2)
    for name, wanted in (("event_value", "1"), ("update_status", "1"), ("event_ack_status", "Yes"),
                         ("update_action", "acknowledged and commented"),
                         ("update_message", "on it – \"Jørgen\"\nsecond line")):
        expect(name, body[name], wanted)
    if {"tag": "__correlated", "value": sink.incident(event)[0]} not in body["tags"]:
        raise Failure(f"our tag does not come back: {body['tags']}")
    expect("tags after two answers", tuple(tagged(lab, event)), sink.incident(event))
    lab.send(0, "probe")
    body = sink.next(event, 3)
    expect("recovery", (body["event_value"], body["update_status"]), ("0", "0"))
    expect("recovery id", body["recovery_id"], lab.event(event)["r_eventid"])


def check_close(lab, memory):
    """closing by hand sends an update and a recovery, both with value 0"""
    sink = memory["sink"]
    lab.send(1, "person")
    event = lab.problem("person")
    sink.next(event, 1)
    lab.update(event, CLOSE | COMMENT, "closed by hand")
    sink.next(event, 3)
    kinds = sorted((body["event_value"], body["update_status"]) for body in sink.bodies(event)[1:])
    expect("messages", kinds, [("0", "0"), ("0", "1")])


def check_retry(lab, memory):
    """a refused message comes again, letter for letter; answers without JSON are taken; no error shows the token"""
    sink = memory["sink"]
    sink.replies += [(503, f"try later: Authorization: Bearer {TOKEN}"), (503, ""), (200, "<p>thank you</p>")]
    lab.send(1, "probe")
    event = lab.problem("probe")
    sink.next(event, 2)
    errors = wait("Zabbix keeps the error", lambda: [row["error"] for row in lab.sent(event) if row["error"]], SLOW)
    sink.next(event, 3)
    expect("bodies", len({text for _, _, text in sink.requests if json.loads(text)["event_id"] == event}), 1)
    wait("the message counts as sent", lab.delivered, SLOW)
    log = (lab.folder / "logs" / "zabbix_server.log").read_text(errors="replace")
    if "HTTP status 503: try later: Authorization: Bearer ***" not in log:
        raise Failure("the server's log does not show the first refusal")
    if TOKEN in log or TOKEN in str(errors):
        raise Failure(f"the token can be read in the server's log or in an error: {errors}")
    sink.replies += [(200, "")]
    lab.send(0, "probe")
    sink.next(event, 4)
    wait("an empty answer counts as sent", lambda: len(lab.sent(event)) == 2 and lab.delivered(), SLOW)


def check_storm(lab, memory):
    """a storm arrives complete: each problem and each recovery once"""
    sink = memory["sink"]
    begin = len(sink.requests)

    def came(value):
        return [body["event_id"] for body in sink.bodies()[begin:] if body["event_value"] == value]

    for value, event_value in ((1, "1"), (0, "0")):
        lab.send(value, *PARTS)
        wait(f"{STORM_SIZE} messages with value {event_value}", lambda: len(came(event_value)) >= STORM_SIZE, 2 * SLOW)
        wait("Zabbix has sent everything", lab.delivered, SLOW)
    expect("messages", (len(came("1")), len(came("0"))), (STORM_SIZE, STORM_SIZE))
    expect("events", (len(set(came("1"))), set(came("0"))), (STORM_SIZE, set(came("1"))))


def check_test_button(lab, memory):
    """the Test button posts every macro as it is written"""
    sink = memory["sink"]
    lab.press_test()
    body = sink.bodies()[-1]
    names = zabbix_media.fields() - {"schema", "tags"}
    expect("macros", {name: body[name] for name in names}, {name: zabbix_media.PARAMETERS[name] for name in names})
    expect("tags", (body["tags"], body["tags_error"]), ([], "{EVENT.TAGSJSON}"))


CHECKS = (check_problem, check_updates, check_close, check_retry, check_storm, check_test_button)

if __name__ == "__main__":
    play.main(ZabbixLab, SCENES, CHECKS, LIMIT)
