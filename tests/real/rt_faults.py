"""Real RT: every fault that a proxy, a person or RT itself can produce meets the life of an incident once. Started by
`run`; CORRELATED_FAULTS="answer lost" plays that one alone, CORRELATED_FAULTS=all plays them with the times of the
table (a create 45 s late) instead of shorter ones, and until its description is written anew.

An incident opens, grows, recovers, fires again and recovers; its requests to RT meet the fault when it opens, when it
grows and when it ends. Each fault has a daemon, a store and a proxy of its own, all at once on one RT. In the end
there is one ticket, or where a person has ended it the next one; every recovery is written; nothing waits to be
delivered; tickets of others are as they were. And what became of it is what the fake RT of tests/conformance says
(tests/conformance/table.md), so that fake may be believed.
"""
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import play
from lab import Failure, Lab, wait
from proxy import Fault, Proxy, away, half, late, lost, says, says_after, slow
from rt_kills import KillLab, cmdb, host
from rtview import RtView

ONLY = os.environ.get("CORRELATED_FAULTS", "")
ALL = ONLY.startswith("all")
# How long a create may be under way; the daemon waits for one exchange at most so long.
SETTLE, TIMEOUT = (60, 10) if ALL else (10, 8)
# A request that is executed late, but within what is promised, and one that is later.
LATE, TOO_LATE = (45, 150) if ALL else (7, 25)
# What a step of the story may take: two settles, and pauses of the breaker.
SLOW = 4 * SETTLE + 90
# Lives at once: RT takes a tenth of a second of a processor for a ticket.
AT_ONCE = 20 if ALL else 10
# How long RT is stopped.
STOPPED = 150 if ALL else 12

PAGE = "<html><title>Log in</title></html>"
TABLE = pathlib.Path(__file__).resolve().parent.parent / "conformance" / "table.md"
# What the daemon says to people, as the table of the fakes has it.
TELLS = ("refused", "is stopped", "duplicate", "carry our key", "not protected", "did not take", "took the note",
         "a new one follows", "person")


# ---- what goes wrong ------------------------------------------------------------------------------------

def everywhere(*faults, creates=1, changes=1):
    """The same when it opens, when it grows and when it ends."""
    def arm(what, times):
        return lambda life: [life.proxy.meets(what, fault(), times) for fault in faults]
    return {"open": arm("create", creates), "grow": arm("change", changes), "end": arm("change", changes)}


def meets(stage, what, fault, times=1, seconds=3600):
    """A fault in one stage."""
    return {stage: lambda life: life.proxy.meets(what, fault(), times, seconds)}


def changed_body(change):
    """A fault that changes what RT is sent."""
    def body_of(path, body):
        sent = json.loads(body)
        change(sent)
        return path, json.dumps(sent).encode()
    return lambda: Fault(change=body_of)


def without_clauses(path, body):
    """RT is asked for all tickets instead of ours."""
    head, _, query = path.partition("?")
    asked = dict(urllib.parse.parse_qsl(query))
    asked["query"] = "Queue = 'Incidents'"
    return f"{head}?{urllib.parse.urlencode(asked)}", body


def finds_nothing(answer):
    """An index that lags."""
    return (answer[0], answer[1], json.dumps({"count": 0, "items": [], "page": 1, "pages": 0}).encode())


def killed(life):
    """The daemon is killed when RT has made the ticket and nobody knows."""
    life.proxy.meets("create", lost())

    def kill():
        wait("the create", lambda: life.proxy.seen("create"), SLOW)
        life.kill_daemon()
        life.start_daemon()
    life.meanwhile = kill


def too_late(life):
    """The create gets there when another one has been made; the second ticket is then found and closed."""
    life.proxy.meets("create", late(TOO_LATE))

    def both():
        life.until("a second ticket", lambda: len(life.known) > 1)
        life.until("it is closed", lambda: len(life.open()) == 1)
    life.meanwhile = both


def unheard_copy(life):
    """A person copies the ticket before the daemon has found it."""
    life.proxy.meets("create", lost())

    def copy():
        wait("the create", lambda: life.shown, SLOW)
        life.rt.copy(life.newest())
    life.meanwhile = copy


def dropped_key(sent):
    sent["CustomFields"].pop("Correlation Key", None)


def rewritten(sent):
    for name in ("Subject", "Content"):
        if name in sent:
            sent[name] = " ".join(sent[name].split())[:120]


DEFAULT = {"fake": None, "retry": False, "queue": "Incidents", "untouched": True, "poll": "10s",
           "lasts": False}


def fault(name, *acts, **options):
    """A row: stages with what happens there, and what is special about it."""
    row = {**DEFAULT, "name": name, "acts": {}, **options}
    for act in acts:
        row["acts"].update(act)
    if row["fake"] is None:
        row["fake"] = [name]
    return row


FAULTS = (
    fault("nothing"),
    fault("answer lost", everywhere(lost, changes=2), fake=[
        "answer of the create lost", "answers of two changes lost", "answer of the resolve lost"]),
    fault("answer of the read-back lost", meets("open", "read back", lost)),
    fault("killed while the create is under way", {"open": killed}),
    fault("it never gets there", everywhere(away, changes=2), fake=[]),
    fault(f"create executed {LATE} s late", meets("open", "create", lambda: late(LATE)), fake=[
        "create executed 45 s late"]),
    fault(f"create executed {TOO_LATE} s late", {"open": too_late}, fake=[
        "create executed 20 min late"]),
    fault(f"search lags {LATE} s, answer lost", {"open": lambda life: (
        life.proxy.meets("create", lost()), life.proxy.meets("find", Fault(after=finds_nothing), 99, LATE))},
        fake=["search lags 40 s, answer lost"]),
    fault("429 with Retry-After", everywhere(lambda: says(429, "slow down", Retry_After="3"))),
    fault("429 without Retry-After", everywhere(lambda: says(429, "slow down"), creates=2, changes=2)),
    fault("401 once", everywhere(lambda: says(401, "{}")), fake=["401 in the middle"]),
    fault("401 after the create", meets("open", "read back", lambda: says(401, "{}"))),
    fault("401 for 8 s", meets("open", "any", lambda: says(401, "{}"), 999, 8), fake=["401 for 20 min"], retry=True),
    fault("403 on the create", meets("open", "create", lambda: says(403, "{}")),
          fake=["403 on the create for 20 min"], retry=True),
    fault("500, not executed", everywhere(lambda: says(500, '{"error":"busy"}'), creates=2, changes=2)),
    fault("500, and executed", everywhere(lambda: says_after(500, '{"error":"busy"}'))),
    fault("502, and executed", everywhere(lambda: says_after(502, "<html>Bad Gateway</html>"))),
    fault("504, and executed", everywhere(lambda: says_after(504, "<html>Gateway Time-out</html>"), changes=2), fake=[
        "504 after changes, and executed", "504 after the end, and executed"]),
    fault("slow: 1 s each", meets("open", "any", lambda: slow(1), 40), fake=["slow: 20 s each"], lasts=True),
    fault("slow: longer than we wait", everywhere(lambda: slow(TIMEOUT + 2))),
    fault("answer breaks off", everywhere(half), {"open": lambda life: (
        life.proxy.meets("create", half()), life.proxy.meets("find", half()))}),
    fault("a page instead of JSON, for 8 s", meets("open", "any", lambda: says(200, PAGE), 999, 8),
          fake=["a page instead of JSON, for 10 min"]),
    fault("a page with 404, for 8 s", meets("grow", "any", lambda: says(404, "<html>Not here</html>"), 999, 8),
          fake=["a page with 404, for 10 min"]),
    fault("a page instead of JSON, executed", everywhere(lambda: says_after(200, PAGE))),
    fault("sent to a page to log in", everywhere(lambda: says(302, "", Location="https://login.example/"))),
    fault("a field is refused", meets("open", "create", lambda: says(400, '{"message":"Input must match [Digits]"}')),
          fake=["a field is refused for 20 min"], retry=True),
    fault("the key is dropped silently", meets("open", "create", changed_body(dropped_key))),
    fault("the queue has none of the fields", queue="Bare", fake=["the key is dropped silently"]),
    fault("every text is rewritten", {"open": lambda life: (
        life.proxy.meets("create", changed_body(rewritten)(), 99),
        life.proxy.meets("change", changed_body(rewritten)(), 99))}, lasts=True),
    fault("a search ignores its clauses for 8 s", {"open": lambda life: (
        life.proxy.meets("find", Fault(change=without_clauses), 99, 8), life.proxy.meets("create", lost()))},
        fake=["a search ignores its clauses for 20 min"], retry=True),
    fault("a person takes it", {"opened": lambda life: life.rt.take(life.newest())}, untouched=False, poll="2s"),
    fault("a person resolves it", {"opened": lambda life: life.rt.change(life.newest(), Status="resolved")},
          untouched=False, poll="2s"),
    fault("a person closes it", {"opened": lambda life: life.rt.change(life.newest(), Status="rejected")}, poll="2s"),
    # It stays there with a state of its own, which counts as closed.
    fault("a person deletes it", {"opened": lambda life: life.rt.delete(life.newest())}, poll="2s",
          fake=["a person closes it"]),
    fault("a person merges it into another", {"opened": lambda life: life.rt.change(
        life.newest(), "root", MergeInto=life.rt.create("the database is slow"))}, untouched=False, poll="2s"),
    fault("a person copies it, key and all", {"opened": lambda life: life.rt.copy(life.newest())}),
    fault("a copy, and the create's answer lost", {"open": unheard_copy}),
    fault("auto-close after the resolve", {"over": lambda life: life.rt.change(
        life.newest(), "root", Status="rejected")}),
    # By our own account, for a person's hand alone would keep us from resolving it.
    fault("an open dependency lets us resolve nothing", {"opened": lambda life: life.rt.change(
        life.newest(), "alertd", AddDependsOn=life.rt.create("a change that is under way"))}, untouched=False,
        fake=["the workflow lets us resolve nothing"]),
)


# ---- the lab --------------------------------------------------------------------------------------------

GIVEN = set()


def ports(count):
    """Ports below those that the system gives to connections: the proxies have many of them. Each is given once."""
    found = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in GIVEN:
            GIVEN.add(port)
            found.append(port)
    return found


class View(RtView):
    """RT as the scenes see it and change it, in all of its queues."""

    def everything(self):
        """All tickets that a search shows."""
        return self.rows("Subject,Status,Creator", "id > 0")

    def create(self, subject, **fields):
        """A ticket of somebody else."""
        made = self._call("root", "POST", "/ticket", {"Queue": "Incidents", "Subject": subject, **fields})
        return int(made["id"])

    def copy(self, number):
        """A person copies a ticket with its key."""
        ticket = self.ticket(number)
        self.create(f"COPY {ticket['subject']}", CustomFields={"Correlation Key": ticket["key"]})

    def delete(self, number):
        """A person deletes a ticket."""
        self._call("root", "PUT", f"/ticket/{number}", {"Status": "deleted"})


class FaultLab(Lab):
    """RT, and a second one that is stopped for a while."""

    PORTS = ("rt", "rt_two")

    def __init__(self, folder):
        super().__init__(folder)
        self.ports = dict(zip(self.PORTS, ports(len(self.PORTS))))
        self.lives = []

    def start_daemon(self, *_):
        """Each life has its own."""

    def stop(self):
        for life in self.lives:
            life.stop()
        super().stop()

    def start(self):
        for name in self.PORTS:
            self.start_rt(name)
        for name in self.PORTS:
            wait("RT makes its database", (self.folder / name / "seeded").exists, 180, self.processes[name])
            view = View(self.ports[name], (self.folder / name / "password").read_text().strip())
            wait("RT answers", view.answers, 180, self.processes[name])
            setattr(self, name, view)

    def start_rt(self, name):
        """Starts an RT."""
        environment = {**os.environ, "RT_DIR": str(self.folder / name), "RT_PORT": str(self.ports[name])}
        self.spawn(name, [pathlib.Path(__file__).parent / "rt.sh", "run"], env=environment)

    def stop_rt(self, name):
        """Stops an RT at once."""
        self._end(name, 9)


class Life(Lab):
    """One incident with a daemon of its own."""

    PORTS = ("intake", "metrics", "proxy")

    def __init__(self, lab, number, row, rt="rt"):
        folder = lab.folder / f"life{number:02}"
        folder.mkdir()
        super().__init__(folder)
        self.ports = dict(zip(self.PORTS, ports(len(self.PORTS))))
        self.row, self.lab, self.site = row, lab, f"f{number:04}"
        self.rt, self.meanwhile = getattr(lab, rt), None
        self.proxy = Proxy(self.ports["proxy"], lab.ports[rt], folder / "logs" / "proxy.log")
        self.shown, self.known, self.at_once = [], set(), 0
        self.error, self.cell, self.seconds = None, "", 0
        url = f'url = "http://127.0.0.1:{{proxy}}/REST/2.0"\ntimeout = "{TIMEOUT}s"'
        config = KillLab.CONFIG.replace('url = "http://127.0.0.1:{proxy}/REST/2.0"', url)
        config = config.replace('queue = "Incidents"', f'queue = "{row["queue"]}"')
        config = config.replace("{folder}/rt/token", f"{lab.folder}/{rt}/token")
        config = re.sub(r'settle = "\d+s"', f'settle = "{SETTLE}s"', config)
        self.CONFIG = config.replace('poll = "2s"', f'poll = "{row["poll"]}"')
        (folder / "cmdb.json").write_text(json.dumps(cmdb([self.site], "gold")))

    say = KillLab.say
    text = KillLab.text

    def watch(self, rows):
        """What RT shows of ours now."""
        self.shown = [row for row in rows if self.site in row["Subject"] and row["Creator"]["id"] == "alertd"]
        self.known.update(int(row["id"]) for row in self.shown)
        self.at_once = max(self.at_once, len(self.open()))

    def open(self):
        """Numbers of our tickets that are open."""
        return [int(row["id"]) for row in self.shown if row["Status"] in ("new", "open", "stalled")]

    def newest(self):
        """The number of our newest ticket."""
        return max(self.known)

    def waiting(self):
        """What waits to be written; to look once more for a second ticket is not."""
        return [row for row in self.ask("v1/deliveries")["deliveries"]
                if row["step"] != "find" or row["state"] != "waiting" or row["why"]]

    def retry(self):
        """A person tries again what was refused."""
        subprocess.run([str(self.binary), "deliveries", "retry", "--all", "--by", "anna", "--admin",
                        str(self.folder / "admin.sock")], check=False, capture_output=True, timeout=20)

    def until(self, what, check):
        """Waits; where the fault says that a person has to act, one does."""
        tried = time.monotonic()

        def look():
            nonlocal tried
            found = check()
            if not found and self.row["retry"] and time.monotonic() > tried + 10:
                tried = time.monotonic()
                self.retry()
            return found
        return wait(f"{self.row['name']}: {what}", look, SLOW)

    def act(self, stage):
        """What happens at this point of the story."""
        if stage in ("opened", "over") and not self.row["lasts"]:
            self.proxy.heal()
        if stage in self.row["acts"]:
            self.row["acts"][stage](self)

    def is_over(self):
        """No incident is open, nothing waits, and unless a person has them our tickets are resolved."""
        if self.ask("v1/incidents")["incidents"] or self.waiting():
            return False
        return not self.row["untouched"] or not self.open()

    def live(self, room):
        """The whole story, once there is room for it."""
        with room:
            began = time.monotonic()
            try:
                self.tell()
            except Exception as error:  # told by the main thread
                self.error = error
                self.kill_daemon()
            self.seconds = time.monotonic() - began

    def tell(self):
        """An incident opens, grows, recovers, fires again and recovers."""
        server, service = f"srv-{self.site}", f"svc-{self.site}"
        self.act("open")
        self.start_daemon()
        self.say(host(server, False))
        if self.meanwhile:
            self.meanwhile()
        self.until("a ticket", self.open)
        self.until("nothing waits", lambda: not self.waiting())
        self.act("opened")
        self.act("grow")
        written = ("note", "update", "resolve", "reopen", "create")
        before = self.proxy.seen(*written)
        self.say(host(service, False))
        if self.row["untouched"]:
            self.until("it grows", lambda: self.proxy.seen(*written) > before)
        else:
            time.sleep(6)  # polls
        if ALL and self.row["untouched"]:
            self.until("its description is new", lambda: self.proxy.seen("update") or len(self.known) > 1)
        self.until("nothing waits", lambda: not self.waiting())
        if self.row["untouched"]:
            self.until("a ticket is open", self.open)
        self.act("end")
        self.recover()
        self.act("over")
        self.say(host(server, False))
        if self.row["untouched"]:
            self.until("a ticket is open again", self.open)
        else:
            time.sleep(4)
        self.recover()
        self.judge()
        self.stop_daemon()

    def recover(self):
        """All is well again, and all of our tickets hear of it."""
        for name in ("svc", "srv"):
            self.say(host(f"{name}-{self.site}", True))
        time.sleep(2)
        self.until("it is over", self.is_over)

    def judge(self):
        """What became of it, in the words of the table of the fakes."""
        tickets = [self.rt.ticket(number) for number in sorted(self.known)]
        notes = [note for ticket in tickets for note in ticket["notes"]]
        told = [note for note in notes if "RECOVERED" in note]
        heard = [ticket["status"] in ("resolved", "rejected", "deleted") or any(
            word in note for note in ticket["notes"] for word in ("RECOVERED", "RESOLVED", "MERGED", "DUPLICATE"))
            for ticket in tickets]
        if not all(heard):
            raise Failure(f"a ticket never heard of its end: {tickets}")
        if self.proxy.unmet():
            raise Failure(f"no request met the fault: {self.proxy.unmet()}")
        if len(told) < 2 and self.row["untouched"]:
            raise Failure(f"{len(told)} recoveries are written, not two: {notes}")
        self.cell = "1" if len(tickets) == 1 else f"{len(tickets)} in turn"
        if len(tickets) > 1 and self.at_once > 1:
            self.cell = f"{len(tickets)}, {self.at_once} at once"
        if any(word in self.text("correlated") for word in TELLS):
            self.cell += ", said"
        # Two recoveries of one minute read the same.
        others = [note for note in notes if note not in told]
        if len(others) > len(set(others)) or len(told) > 2:
            self.cell += ", a note twice"
        expected = [fakes()[name] for name in self.row["fake"]]
        for cell in expected:
            # A real daemon says more: it polls too.
            if self.cell.replace(", said", "") != cell.replace(", said", "") or ("said" in cell and "said" not in self.cell):
                raise Failure(f"it is {self.cell!r}, but {cell!r} with the fake of tests/conformance")
        if not self.cell.startswith("1") and not expected:
            raise Failure(f"it is {self.cell!r}")

    def show(self):
        """What somebody needs who was not there."""
        print(f"---- {self.row['name']}, {self.folder}", *self.text("correlated").splitlines()[-40:], sep="\n",
              file=sys.stderr)
        for entry in self.proxy.log[-60:]:
            print(f"{time.strftime('%T', time.localtime(entry['at']))} {entry['step']} {entry['method']} "
                  f"{entry['path'][:80]} -> {entry['status']}", file=sys.stderr)


def fakes():
    """What became of each fault with the fake RT."""
    lines = [line.strip("| ").split(" | ") for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    column = lines[0].index("rt")
    return {line[0]: line[column] for line in lines[1:]}


# ---- the scenes -----------------------------------------------------------------------------------------

def watch(lab, lives, over):
    """Looks at RT again and again, for all of them at once."""
    while not over.is_set():
        try:
            rows = lab.rt.everything()
        except (OSError, ValueError):
            rows = None
        for life in lives:
            if rows is not None:
                life.watch(rows)
        time.sleep(0.5)


def scene_faults(lab, _):
    """every fault meets the life of an incident: one ticket, every recovery written, nothing waits, as the fake has it"""
    rows = [row for row in FAULTS if ONLY in ("", "all", row["name"], f"all {row['name']}")]
    strangers = [lab.rt.create(f"printer {n} is out of paper") for n in range(2)]
    before = [lab.rt.fingerprint(number) for number in strangers]
    lives = [Life(lab, number, row) for number, row in enumerate(rows, 1)]
    lab.lives += lives
    over = threading.Event()
    threading.Thread(target=watch, args=(lab, lives, over), daemon=True).start()
    room = threading.Semaphore(AT_ONCE)
    threads = [threading.Thread(target=life.live, args=(room,), daemon=True) for life in lives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    for life in lives:
        print(f"     {'FAIL' if life.error else 'ok  '} {life.row['name']}: {life.error or life.cell} "
              f"({life.seconds:.0f} s)", flush=True)
    broken = [life for life in lives if life.error]
    for life in broken:
        life.show()
    if broken:
        raise Failure(f"{len(broken)} of {len(lives)} faults: {[life.row['name'] for life in broken]}")
    if [lab.rt.fingerprint(number) for number in strangers] != before:
        raise Failure("a stranger's ticket was changed")
    print(f"     {len(lives)} faults, {sum(len(life.known) for life in lives)} tickets of ours")


def scene_stopped(lab, _):
    """RT is stopped while a P1 waits: one ticket as soon as it is back, kept up to its end"""
    life = Life(lab, 99, {**DEFAULT, "name": "down with a P1", "acts": {}, "fake": []}, "rt_two")
    lab.lives.append(life)
    life.start_daemon()
    time.sleep(2)
    lab.stop_rt("rt_two")
    for name in ("srv", "svc"):
        life.say(host(f"{name}-{life.site}", False))
    time.sleep(STOPPED)
    incident, = life.ask("v1/incidents")["incidents"]
    if not life.waiting():
        raise Failure("nothing waits")
    lab.start_rt("rt_two")
    wait("RT answers", life.rt.answers, 60, lab.processes["rt_two"])

    def seen():
        life.watch(life.rt.everything())
        return life.open()
    back = time.monotonic()
    wait("a ticket", seen, 60)
    seconds = time.monotonic() - back
    for name in ("svc", "srv"):
        life.say(host(f"{name}-{life.site}", True))
    wait("it is resolved", lambda: not seen() and not life.waiting(), 60)
    notes = [note for number in life.known for note in life.rt.ticket(number)["notes"] if "RECOVERED" in note]
    if len(life.known) != 1 or len(notes) != 1:
        raise Failure(f"tickets {life.known}, recoveries {notes}")
    life.stop_daemon()
    print(f"     {incident['priority']}: its ticket {seconds:.0f} s after RT was back; it was away for {STOPPED} s")


if __name__ == "__main__":
    play.main(make=FaultLab, scenes=(scene_faults, scene_stopped), limit=240 + 4 * SLOW)
