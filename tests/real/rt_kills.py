"""Real RT: what people do there is seen by the poll; and the daemon is killed again and again over the life of
incidents. Started by `run`; CORRELATED_KILLS says how often it is killed (20) and CORRELATED_SECONDS for how
long, CORRELATED_SEED makes the same dice.

A kill is -9, aimed at a moment: before a request reaches RT, with the request under way (RT gets it up to 2 s after
the death), while RT works on it, with its answer held, right after the answer, in a start, or just so. Each site of
the estate fails, grows or not, recovers, and does it again. No ticket may be missing, none may be there twice, every
recovery has to be written.
"""
import json
import os
import random
import re
import threading
import time
import urllib.parse
import urllib.request

import play
from lab import Failure, Lab, wait
from proxy import Proxy, step_of
from rtview import RtView

KILLS = int(os.environ.get("CORRELATED_KILLS", "20"))
# The kills end after so long, however many there were.
SECONDS = int(os.environ.get("CORRELATED_SECONDS", "3600"))
SEED = os.environ.get("CORRELATED_SEED", str(random.randrange(1 << 30)))
# Longer than a request is under way after the death of its sender.
SETTLE = 6
LATE = 2
# Sites that live at once, and how long a change may take to show in RT while the daemon is killed all the time.
AT_ONCE = 10
SLOW = 240

CONFIG = """
[listen]
intake = ["127.0.0.1:{intake}"]
metrics = ["127.0.0.1:{metrics}"]
admin = "{folder}/admin.sock"

[store]
path = "{store}"

[[source]]
name = "nagios"
kind = "nagios"

[[cmdb]]
name = "file"
kind = "file"
path = "{folder}/cmdb.json"

[[itsm]]
name = "rt"
kind = "rt"
mode = "live"
url = "http://127.0.0.1:{proxy}/REST/2.0"
queue = "Incidents"
account = "alertd"
auth = "token"
token_file = "{folder}/rt/token"
settle = "{settle}s"
poll = "2s"
max_new = 100000

[identity]
grace = "2s"

[correlate]
hold_p1 = "500ms"
hold_p2 = "500ms"
hold_p3 = "500ms"
hold_p4 = "500ms"
hold_quiet = "200ms"
hold_max = "1s"
resolve_after = "1s"
reopen_within = "30m"

[suppress]
flap_changes = 20
"""


class KillLab(Lab):
    """RT, the proxy and the daemon; what monitoring says is said by us."""

    CONFIG = CONFIG.replace("{settle}", str(SETTLE))

    def start(self):
        ports = self.ports
        environment = {**os.environ, "RT_DIR": str(self.folder / "rt"), "RT_PORT": str(ports["rt"])}
        rt = self.spawn("rt", [play.pathlib.Path(__file__).parent / "rt.sh", "run"], env=environment)
        (self.folder / "cmdb.json").write_text(json.dumps(cmdb(map(name_of, range(max(40, KILLS))))))
        wait("RT makes its database", (self.folder / "rt" / "seeded").exists, 120, rt)
        self.rt = RtView(ports["rt"], (self.folder / "rt" / "password").read_text().strip())
        self.proxy = Proxy(ports["proxy"], ports["rt"], self.folder / "logs" / "proxy.log")
        wait("RT answers", self.rt.answers, 180, rt)

    def say(self, fields):
        """What Nagios says of a host or a service, again and again until it is taken in."""
        body = urllib.parse.urlencode({"TIMET": int(time.time()), **fields}).encode()
        while True:
            try:
                with urllib.request.urlopen(
                        f"http://127.0.0.1:{self.ports['intake']}/v1/events/nagios", body, 5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.1)

    def text(self, name):
        """A log of the lab so far."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")


def cmdb(sites, criticality="silver"):
    """Sites that have nothing in common: a server on a switch, and a service that needs it."""
    cis, relations = [], []
    for site in sites:
        for name, kind in ((f"sw-{site}", "access_switch"), (f"srv-{site}", "server"),
                           (f"svc-{site}", "business_service")):
            cis.append({"id": name, "name": name, "class": kind, "monitored": True,
                        "attributes": {"criticality": criticality} if kind == "business_service" else {}})
        relations.append({"from": f"srv-{site}", "type": "connects-to", "to": f"sw-{site}"})
        relations.append({"from": f"svc-{site}", "type": "depends-on", "to": f"srv-{site}"})
    return {"cis": cis, "relations": relations}


def name_of(number):
    """Names of a site and of all that is there carry this."""
    return f"k{number:04}"


def host(name, up):
    """What Nagios says of a host."""
    return {"NOTIFICATIONTYPE": "RECOVERY" if up else "PROBLEM", "HOSTNAME": name, "HOSTSTATETYPE": "HARD",
            "HOSTSTATE": "UP" if up else "DOWN", "HOSTOUTPUT": "does not answer"}


# ---- what people do -------------------------------------------------------------------------------------

def scene_poll(lab, _):
    """a person takes a ticket, resolves it, opens it again: the daemon sees each by its poll, and none of its own"""
    server = f"srv-{name_of(0)}"
    lab.say(host(server, False))
    number = wait("a ticket", lambda: (lab.rt.ids() or [None])[0], 60)
    wait("the ticket is known", lambda: f"ticket {number} opened" in lab.text("correlated"), 30)
    time.sleep(5)  # two polls
    if re.search(r"ticket \S+ was \S+ (by a person|in the tool)", lab.text("correlated")):
        raise Failure("the daemon takes its own hand for a person's")

    def seen(what, word):
        wait(f"the daemon sees that a person {what}",
             lambda: re.search(rf"ticket {number} was {word} (by a person|in the tool)", lab.text("correlated")), 30)

    lab.rt.take(number)
    seen("took it", "assigned")
    incident, = lab.ask("v1/incidents")["incidents"]
    if "person" not in str(incident.get("acknowledged")):
        raise Failure(f"the incident does not say who has it: {incident}")
    lab.rt.change(number, Status="resolved")
    seen("resolved it", "resolved")
    # What a person does while we write is read with that write, and no line tells of it.
    wait("a note that it still fires", lambda: any("STILL FIRING" in note for note in lab.rt.ticket(number)["notes"]), 30)
    lab.rt.change(number, Status="open")
    seen("opened it again", "(?:re)?opened(?: again)?")
    polls = sum("/tickets?" in entry["path"] and "LastUpdated" in urllib.parse.unquote(entry["path"])
                for entry in lab.proxy.log)
    if polls < 3:
        raise Failure(f"{polls} polls went out")
    before = lab.rt.fingerprint(number)
    lab.say(host(server, True))
    wait("the recovery is written", lambda: any("RECOVERED" in note for note in lab.rt.ticket(number)["notes"]), 60)
    if lab.rt.ticket(number)["status"] != "open" or lab.rt.fingerprint(number) == before:
        raise Failure("a person's ticket was ended by the daemon")


# ---- kills ----------------------------------------------------------------------------------------------

class Killer:
    """Kills the daemon at the moment that the dice chose."""

    MODES = ("before", "under way", "at work", "answer held", "after", "start", "just so")
    STEPS = ("create", "create", "create", "note", "resolve", "resolve", "reopen", "update", "read", "find", "poll")

    def __init__(self, lab, dice):
        self.lab, self.dice = lab, dice
        self.done = {}
        self._armed = None
        self._lock = threading.Lock()
        self._dead = threading.Event()
        lab.proxy.on_request = self._on_request
        lab.proxy.on_answer = self._on_answer

    def kill(self):
        """One kill and the next start."""
        mode, step = self.dice.choice(self.MODES), self.dice.choice(self.STEPS)
        self._dead.clear()
        if mode == "start":
            self.lab.start_daemon(ready=False)
            time.sleep(self.dice.uniform(0, 0.4))
            return self._strike(mode, "")
        self.lab.start_daemon()
        if mode == "just so":
            time.sleep(self.dice.uniform(0, 2))
            return self._strike(mode, "")
        with self._lock:
            self._armed = (mode, step)
        if self._dead.wait(self.dice.uniform(0.3, 1.2)):
            return None
        # No such request comes: then the next one of whatever sort.
        with self._lock:
            self._armed = self._armed and (mode, "")
        if not self._dead.wait(1.5):
            with self._lock:
                missed, self._armed = self._armed, None
            if missed:
                return self._strike("just so", "")
            self._dead.wait(10)
        return None

    def _strike(self, mode, step):
        self.lab.kill_daemon()
        word = f"{mode} {step}".strip()
        self.done[word] = self.done.get(word, 0) + 1
        self._dead.set()

    def _mine(self, modes, request, body):
        with self._lock:
            if not self._armed or self._armed[0] not in modes:
                return None
            mode, step = self._armed
            found = step_of(request.command, request.path, body)
            if step not in ("", found):
                return None
            self._armed = None
            return mode, found

    def _on_request(self, request, body):
        """Answers whether the request goes on to RT."""
        mine = self._mine(("before", "under way", "at work"), request, body)
        if mine and mine[0] == "at work":
            threading.Timer(self.dice.uniform(0.002, 0.06), self._strike, mine).start()
        elif mine:
            self._strike(*mine)
            if mine[0] == "under way":
                time.sleep(self.dice.uniform(0, LATE))
        return not mine or mine[0] != "before"

    def _on_answer(self, request, body):
        mine = self._mine(("answer held", "after"), request, body)
        if mine and mine[0] == "after":
            threading.Timer(self.dice.uniform(0, 0.03), self._strike, mine).start()
        elif mine:
            self._strike(*mine)


class Site:
    """One site, as it fails and recovers twice. `next` is called with its tickets."""

    def __init__(self, lab, number, dice, goes_on):
        self.lab, self.name, self.dice, self.goes_on = lab, name_of(number), dice, goes_on
        self.stage, self.due, self.known = "new", 0, None
        self.recoveries = 0

    def _say(self, up):
        # One thing fails, always the same: nothing else may be the cause of a second ticket.
        self.lab.say(host(f"srv-{self.name}", up))

    def _turn(self, stage):
        self.stage, self.due = stage, time.monotonic() + SLOW

    def next(self, tickets):
        """Goes on, if RT shows what it should; answers whether the site's life is over."""
        if len(tickets) > 1:
            raise Failure(f"{self.name} has {len(tickets)} tickets: {tickets}")
        if self.stage != "new" and time.monotonic() > self.due:
            raise Failure(f"{self.name}: {self.stage} does not show within {SLOW} s: {tickets}")
        ticket = tickets[0] if tickets else None
        if self.stage == "new":
            self._say(up=False)
            self._turn("down")
        elif self.stage.startswith("down") and ticket and ticket["Status"] in ("new", "open"):
            if self.known not in (None, ticket["id"]):
                raise Failure(f"{self.name}: ticket {self.known} became {ticket['id']}")
            self.known = ticket["id"]
            if self.dice.random() < 0.5:
                # It grows: what depends on it fails too.
                self.lab.say(host(f"svc-{self.name}", False))
            self._turn(self.stage.replace("down", "hold"))
            self.until = time.monotonic() + (self.dice.choice((0, 0, 1, 1, 3, 3, 65)) if self.goes_on() else 0)
        elif self.stage.startswith("hold") and (time.monotonic() > self.until or not self.goes_on()):
            self.lab.say(host(f"svc-{self.name}", True))
            self._say(up=True)
            self._turn(self.stage.replace("hold", "up"))
        elif self.stage.startswith("up") and ticket and ticket["Status"] == "resolved":
            self.recoveries += 1
            if self.stage == "up again" or not self.goes_on():
                return True
            self._say(up=False)
            self._turn("down again")
        return False


def live(lab, sites, dice, lives, out):
    """Sites fail and recover, some at once, until it is over; then those under way come to their end."""
    numbers = iter(range(1, sites))
    under_way = []
    try:
        while lives() or under_way:
            while lives() and len(under_way) < AT_ONCE:
                site = Site(lab, next(numbers), dice, lives)
                under_way.append(site)
                out["sites"].append(site)
            rows = lab.rt.rows("Subject,Status")
            for site in list(under_way):
                if site.next([row for row in rows if site.name in row["Subject"]]):
                    under_way.remove(site)
            time.sleep(0.3)
    except Exception as error:  # told by the main thread
        out["error"] = error


def scene_kills(lab, _):
    """killed again and again: no ticket is lost, none is there twice, every recovery is written"""
    dice = random.Random(SEED)
    lab.stop_daemon()
    killer, over, out = Killer(lab, dice), threading.Event(), {"sites": [], "error": None}
    lives = threading.Thread(target=live, daemon=True, args=(
        lab, max(40, KILLS), random.Random(f"{SEED} lives"), lambda: not over.is_set(), out))
    lives.start()

    def whole():
        if out["error"]:
            raise Failure(f"{out['error']} (CORRELATED_SEED={SEED}, after {sum(killer.done.values())} kills)")

    begin = time.monotonic()
    for number in range(1, KILLS + 1):
        if time.monotonic() - begin > SECONDS:
            break
        killer.kill()
        whole()
        if number % 100 == 0:
            print(f"     {number} kills, {len(out['sites'])} incidents so far", flush=True)
    over.set()
    lab.start_daemon()
    deadline = time.monotonic() + 4 * SLOW
    while lives.is_alive() and time.monotonic() < deadline:
        time.sleep(0.5)
    whole()
    if lives.is_alive():
        raise Failure("the incidents under way do not end")
    judge(lab, killer, out["sites"])


def judge(lab, killer, sites):
    """All tickets, as they stand in the end."""
    rows = [lab.rt.ticket(int(row["id"])) for row in lab.rt.rows("Subject")]
    keys = [row["key"] for row in rows]
    twice = {key for key in keys if keys.count(key) > 1 or not key}
    if twice:
        raise Failure(f"keys that are there twice, or empty: {twice}")
    unheard = []
    double = 0
    for site in sites:
        own = [row for row in rows if site.name in row["subject"]]
        notes = [note for row in own for note in row["notes"] if "RECOVERED" in note]
        double += max(0, len(notes) - site.recoveries)
        if len(own) != 1 or own[0]["status"] != "resolved" or len(notes) < site.recoveries:
            unheard.append((site.name, [row["id"] for row in own], notes))
    if unheard:
        raise Failure(f"recoveries that were not written, or tickets that are missing: {unheard}")
    lab.stop_daemon()
    total = sum(killer.done.values())
    print(f"     {total} kills (CORRELATED_SEED={SEED}): {len(sites)} incidents, {len(sites)} tickets, 0 lost, 0 twice, "
          f"{sum(site.recoveries for site in sites)} recoveries written, {double} of them twice")
    print("     " + ", ".join(f"{count} {word}" for word, count in sorted(killer.done.items())))


if __name__ == "__main__":
    play.main(make=KillLab, scenes=(scene_poll, scene_kills), limit=300 + 8 * KILLS)
