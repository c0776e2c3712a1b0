"""Plays faults against real servers and looks at RT for what became of them. Started by `run`.

    play.py            all scenes
    play.py --lab      only the servers, with a listener of ours in the place of the daemon
"""
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time

import estate
import labcheck
from lab import SETTLE, Failure, Lab, wait

# The scenes take about four minutes; a machine with a load may take twice that.
LIMIT = 480
# From a change of the estate to RT: scrape, rule, group_wait or check, hold, delivery, on a busy machine.
SLOW = 60


def fault(lab, site):
    """A switch and what hangs on it fail: applications first, then servers, the switch last."""
    seen = lab.events("prometheus")
    lab.exporter.down.update(estate.applications(site))
    wait("the daemon hears from Prometheus", lambda: lab.events("prometheus") > seen, 30)
    seen = lab.events("nagios")
    for server in estate.servers(site):
        lab.check_result(f"{server}-http", 2, "HTTP CRITICAL - connection refused")
        lab.check_result(server, 2, "PING CRITICAL - 100% packet loss")
        lab.exporter.down.add(server)
    wait("the daemon hears from Nagios", lambda: lab.events("nagios") > seen, 30)
    lab.check_result(estate.switch(site), 2, "PING CRITICAL - 100% packet loss")


def mend(lab, site, at_once=False):
    """All of the site works again; services after their hosts, or in the same moment.

    A service that is well before Nagios has seen its host UP recovers without a word: only `expire_after`
    ends such an alert. That takes 45 s, so one scene has it and the others do not.
    """
    lab.exporter.down.difference_update(estate.hangs_on(site))
    lab.check_result(estate.switch(site), 0, "PING OK")
    for server in estate.servers(site):
        lab.check_result(server, 0, "PING OK")
    if not at_once:
        wait("Nagios sees the hosts UP", lambda: lab.hosts_are_up([estate.switch(site), *estate.servers(site)]), 30)
    for server in estate.servers(site):
        lab.check_result(f"{server}-http", 0, "HTTP OK")


def tickets_of(lab, site, known=()):
    """Tickets that name anything of the site in any text or field, apart from those already known."""
    names = [estate.switch(site), *estate.hangs_on(site)]
    return [ticket for ticket in lab.rt.tickets() if ticket["id"] not in known
            and any(name in f"{ticket['subject']} {ticket['text']} {ticket['fields']}" for name in names)]


def complaint(ticket, site):
    """What a ticket about the switch of the site lacks; empty if nothing."""
    switch = estate.switch(site)
    lacks = []
    if switch not in ticket["subject"] and switch not in ticket["text"]:
        lacks.append("subject and text do not name the switch")
    if ticket["fields"].get("Root CI") != [switch]:
        lacks.append(f"Root CI is {ticket['fields'].get('Root CI')}")
    lacks += [f"the text does not list {name}" for name in estate.hangs_on(site) if name not in ticket["text"]]
    if not re.fullmatch(r"cor-[a-z0-9]+-[0-9]+\.[0-9]+", ticket["key"]):
        lacks.append(f"the key is {ticket['key']!r}")
    if ticket["creator"] != "alertd":
        lacks.append(f"it was opened by {ticket['creator']}")
    return ", ".join(lacks)


def one_ticket(lab, site, seconds=SLOW, known=()):
    """Waits for the ticket of the site's fault to be as it should; there may never be a second one."""
    last = "no ticket"

    def complete():
        nonlocal last
        found = tickets_of(lab, site, known)
        if len(found) > 1:
            raise Failure(f"{len(found)} tickets about {estate.switch(site)}: {[t['id'] for t in found]}")
        if not found:
            return None
        last = complaint(found[0], site)
        return None if last else found[0]

    try:
        return wait(f"one complete ticket about {estate.switch(site)}", complete, seconds)
    except Failure as failure:
        raise Failure(f"{failure} ({last})" if last not in str(failure) else str(failure)) from None


def stays(what, check, seconds):
    """`check` has to be true all the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not check():
            raise Failure(f"{what}: no longer true")
        time.sleep(0.5)


def recovered(lab, number, status):
    """Waits for the note of recovery and the status that goes with it."""
    def check():
        ticket = lab.rt.ticket(number)
        return ticket if ticket["status"] in status and any("RECOVERED" in note for note in ticket["notes"]) else None
    return wait(f"ticket {number} has a note RECOVERED and is {' or '.join(status)}", check, 90)


def scene_1(lab, memory):
    """a switch and what hangs on it fail, symptoms first: one ticket, names the switch, lists the symptoms"""
    fault(lab, "a07")
    memory["first"] = one_ticket(lab, "a07")["id"]
    stays("one ticket in all", lambda: len(lab.rt.ids()) == 1, 5)


def scene_2(lab, memory):
    """all recovers: the ticket is resolved with the note of recovery"""
    number = memory["first"]
    mend(lab, "a07", at_once=True)
    recovered(lab, number, ["resolved"])
    stays("resolved", lambda: lab.rt.ticket(number)["status"] == "resolved", 3)


def scene_3(lab, memory):
    """kill -9 while the answer of the create is held: one ticket after the restart, kept up to its end"""
    before = lab.proxy.creates()
    lab.proxy.hold("answer", 120)
    fault(lab, "b02")
    wait("the proxy holds the answer of a create", lab.proxy.holding, SLOW)
    lab.kill_daemon()
    lab.start_daemon()
    lab.proxy.release()
    number = one_ticket(lab, "b02", 2 * SETTLE + SLOW)["id"]
    stays("one ticket", lambda: [t["id"] for t in tickets_of(lab, "b02")] == [number], SETTLE + 5)
    mend(lab, "b02")
    recovered(lab, number, ["resolved"])
    if lab.proxy.creates() != before + 1:
        raise Failure(f"{lab.proxy.creates() - before} creates reached RT, not one")


def scene_4(lab, memory):
    """kill -9 while the create is held under way for 30 s: one ticket after the restart, kept up to its end"""
    before = lab.proxy.creates()
    lab.proxy.hold("request", 30)
    fault(lab, "c03")
    wait("the proxy holds the request of a create", lab.proxy.holding, SLOW)
    lab.kill_daemon()
    if tickets_of(lab, "c03"):
        raise Failure("RT has a ticket although its create is held: the scene proves nothing")
    lab.start_daemon()
    number = one_ticket(lab, "c03", 30 + 2 * SETTLE + SLOW)["id"]
    stays("one ticket", lambda: [t["id"] for t in tickets_of(lab, "c03")] == [number], SETTLE + 5)
    mend(lab, "c03")
    recovered(lab, number, ["resolved"])
    if lab.proxy.creates() != before + 1:
        raise Failure(f"{lab.proxy.creates() - before} creates reached RT, not one")


def scene_5(lab, memory):
    """a second store on the same RT, the same fault again: a ticket of its own, those of the first are not touched"""
    fault(lab, "d04")
    first = one_ticket(lab, "d04")
    lab.stop_daemon()
    mend(lab, "d04")  # nobody is told: the ticket of the first store stays open
    wait("no alert is left", lambda: lab.nagios_is_content() and not labcheck.active_alerts(lab), SLOW)
    known = lab.rt.ids()
    before = {number: lab.rt.fingerprint(number) for number in known}
    lab.start_daemon("second-store")
    fault(lab, "d04")
    second = one_ticket(lab, "d04", known=known)
    if _epoch(first) == _epoch(second):
        raise Failure(f"both stores use one epoch: {first['key']}, {second['key']}")
    mend(lab, "d04")
    recovered(lab, second["id"], ["resolved"])
    touched = [number for number in known if lab.rt.fingerprint(number) != before[number]]
    if touched:
        raise Failure(f"the second store touched tickets {touched} of the first")


def scene_6(lab, memory):
    """a person takes the ticket: recovery leaves a note and not a state"""
    known = lab.rt.ids()
    fault(lab, "e05")
    number = one_ticket(lab, "e05", known=known)["id"]
    lab.rt.take(number)
    status = lab.rt.ticket(number)["status"]
    mend(lab, "e05")
    ticket = recovered(lab, number, ["new", "open"])
    if not any("You are working here" in note for note in ticket["notes"]):
        raise Failure(f"no note says why the state was left alone: {ticket['notes']}")
    stays("the person's ticket", lambda: (lab.rt.ticket(number)["status"], lab.rt.ticket(number)["owner"])
          == (status, "jane"), 8)


def scene_7(lab, memory):
    """what was received is what the outcomes add up to; a stop ends with code 0"""
    for source in ("nagios", "prometheus"):
        wait(f"the counters of {source} add up", lambda: lab.adds_up(source), 20)
    lab.stop_daemon()


def _epoch(ticket):
    return ticket["key"].split("-")[1]


SCENES = (scene_1, scene_2, scene_3, scene_4, scene_5, scene_6, scene_7)


def show(lab):
    """What somebody needs who was not there."""
    def part(title, text):
        print(f"---- {title}\n{text}", file=sys.stderr)

    for name in lab.started:
        path = lab.folder / "logs" / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else ["(none)"]
        part(f"end of {path.name}", "\n".join(lines[-60 if name == "correlated" else -5:]))
    if "correlated" in lab.processes:
        part("incidents", lab.incidents())
    try:
        for ticket in lab.rt.tickets() if lab.rt else []:
            part(f"ticket {ticket['id']}", "\n".join(f"{key}: {value}" for key, value in ticket.items()))
    except OSError as error:
        part("tickets", error)
    if lab.proxy:
        part("last requests to RT", "\n".join(
            f"{time.strftime('%T', time.localtime(e['at']))} {e['method']} {e['path'][:150]} -> {e['status']} "
            f"{'held ' + e['held'] if e['held'] else ''}" for e in lab.proxy.log[-25:]))


def play(lab, scenes, with_daemon):
    """Runs the scenes; one line for each. A failed scene ends the play: later ones build on it."""
    start = time.monotonic()
    lab.start()
    print(f"servers up after {time.monotonic() - start:.0f} s", flush=True)
    memory = {}
    if with_daemon:
        lab.start_daemon()
    for number, scene in enumerate(scenes, 1):
        begin = time.monotonic()
        name = f"scene {number}: {scene.__doc__}"
        try:
            scene(lab, memory)
        except Exception as error:  # whatever it was, the line has to be printed and the rest shown
            print(f"FAIL {name}\n     {type(error).__name__}: {error}", flush=True)
            raise
        print(f"PASS {name} ({time.monotonic() - begin:.0f} s)", flush=True)


def main(make=Lab, scenes=SCENES, checks=labcheck.SCENES, limit=LIMIT):
    """Plays the scenes, or with --lab the checks, on the servers that `make` makes; ends the program."""
    def interrupted(number, _):
        signal.alarm(0)
        raise Failure("not over in time" if number == signal.SIGALRM else f"signal {number}")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, interrupted)
    signal.alarm(limit)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="correlated-real."))
    lab = make(folder)
    only_lab = "--lab" in sys.argv[1:]
    try:
        play(lab, checks if only_lab else scenes, not only_lab)
        passed = True
    except Exception as error:
        passed = False
        show(lab)
        print(f"FAILED: {error}\neverything is in {folder}", file=sys.stderr)
    finally:
        signal.alarm(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # impatience may not leave servers behind
        lab.stop()
    if passed:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
