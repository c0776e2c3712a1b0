"""The play: faults in a real estate, watched from the ITSM tool. One PASS or FAIL line per scene."""
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

import estate
from lab import Failure, Lab, wait


class Play:
    """The scenes, each on a site of its own."""

    def __init__(self, lab):
        self.lab = lab

    # What happens in the estate.

    def fail(self, site):
        """A switch fails, its symptoms are seen first."""
        self.lab.exporter.down |= set(estate.applications(site))
        wait("Prometheus reports the applications", lambda: self._heard("prometheus", site), 40, self._daemon())
        for server in estate.servers(site):
            self.lab.exporter.down.add(server)
            self.lab.check_result(server, 2, f"PING CRITICAL - {server} is down")
            self.lab.check_result(f"{server}-http", 2, "CRITICAL - Socket timeout")
        time.sleep(1)  # the order is the point: the cause must come after its effects
        self.lab.check_result(estate.switch(site), 2, f"PING CRITICAL - {estate.switch(site)} is down")

    def recover(self, site):
        """Everything of a site works again."""
        for name in [estate.switch(site), *estate.servers(site)]:
            self.lab.check_result(name, 0, f"OK - {name} answers")
        self.lab.exporter.down -= set(estate.hangs_on(site))
        time.sleep(2)  # services come back after their hosts, as they do
        for name in (f"{server}-http" for server in estate.servers(site)):
            self.lab.check_result(name, 0, f"OK - {name} answers")

    def _heard(self, source, site):
        return any(app in self.lab.ask("v1/alerts") for app in estate.applications(site)) and source

    def _daemon(self):
        return self.lab.processes.get("correlated")

    # What people see in RT.

    def about(self, site):
        """Tickets whose text names the switch or what hangs on it."""
        names = [estate.switch(site), *estate.hangs_on(site)]
        return [t for t in self.lab.rt.tickets() if any(name in t["text"] + t["subject"] for name in names)]

    def one_ticket(self, site, seconds):
        """Waits for the first ticket of a site, and for it to name the switch."""
        def named():
            found = self.about(site)
            return found and estate.switch(site) in found[0]["subject"] and found
        found = wait(f"a ticket about {estate.switch(site)}", named, seconds, self._daemon())
        check(len(found) == 1, f"{len(found)} tickets about {site}: {[t['subject'] for t in found]}")
        return found[0]

    def resolved(self, site, seconds=90):
        """Waits until the ticket of a site is resolved."""
        def over():
            found = self.about(site)
            return found and all(t["status"] == "resolved" for t in found) and found
        found = wait(f"the ticket of {site} is resolved", over, seconds, self._daemon())
        check(len(found) == 1, f"{len(found)} tickets about {site}")
        return found[0]

    # The scenes.

    def scene_1_one_ticket_names_the_switch(self):
        """A switch and what hangs on it fail, symptoms first: exactly one ticket, which names the switch."""
        site = "a07"
        self.lab.start_daemon()
        self.fail(site)
        ticket = self.one_ticket(site, 90)
        check(ticket["fields"].get("Root CI") == [estate.switch(site)], f"Root CI is {ticket['fields']}")
        for name in estate.hangs_on(site):
            check(name in ticket["text"], f"{name} is not in the ticket:\n{ticket['text']}")
        check(ticket["key"].startswith("cor-"), f"key is {ticket['key']!r}")

    def scene_2_recovery_resolves_it(self):
        """All is well again: the ticket is resolved, with a note that says since when."""
        self.recover("a07")
        ticket = self.resolved("a07")
        check(any("RECOVERED" in note for note in ticket["notes"]), f"no recovery note: {ticket['notes']}")

    def scene_3_killed_before_the_answer(self):
        """kill -9 between create and its answer: still one ticket after the restart."""
        site = "b02"
        before = self.lab.proxy.creates()
        self.lab.proxy.hold("answer", 60)
        self.fail(site)
        wait("the create is under way", self.lab.proxy.holding, 90, self._daemon())
        self.lab.kill_daemon()
        self.lab.proxy.release()
        self.lab.start_daemon()
        self.one_ticket(site, 60)
        self.recover(site)
        self.resolved(site, 150)
        check(self.lab.proxy.creates() == before + 1, f"{self.lab.proxy.creates() - before} creates reached RT")

    def scene_4_killed_while_the_request_is_held(self):
        """kill -9 while the create itself is still under way for 30 s: one ticket."""
        site = "c03"
        before = self.lab.proxy.creates()
        self.lab.proxy.hold("request", 30)
        self.fail(site)
        wait("the create is under way", self.lab.proxy.holding, 90, self._daemon())
        self.lab.kill_daemon()
        self.lab.start_daemon()
        self.one_ticket(site, 120)
        self.recover(site)
        self.resolved(site, 150)
        check(self.lab.proxy.creates() == before + 1, f"{self.lab.proxy.creates() - before} creates reached RT")

    def scene_5_person_takes_the_ticket(self):
        """A person takes the ticket: recovery leaves a note, not a state."""
        site = "d04"
        self.fail(site)
        ticket = self.one_ticket(site, 90)
        self.lab.rt.take(ticket["id"])
        self.recover(site)

        def told():
            now = self.lab.rt.ticket(ticket["id"])
            return any("RECOVERED" in note for note in now["notes"]) and now
        now = wait("the note about the recovery", told, 90, self._daemon())
        check(now["status"] != "resolved", f"status is {now['status']}")
        check(now["owner"] == "jane", f"owner is {now['owner']}")
        check(any("You are working here" in note for note in now["notes"]), f"notes: {now['notes']}")

    def scene_6_second_store_touches_nothing(self):
        """A second store on the same RT: a ticket with a key of its own, and nothing of the first is touched."""
        site = "e05"
        self.lab.stop_daemon()
        old = {number: self.lab.rt.fingerprint(number) for number in self.lab.rt.ids()}
        keys = {self.lab.rt.ticket(number)["key"] for number in old}
        self.lab.start_daemon("second")
        self.fail(site)
        ticket = self.one_ticket(site, 90)
        self.recover(site)
        self.resolved(site)
        check(ticket["key"] and ticket["key"] not in keys, f"key {ticket['key']} was used before")
        for number, before in old.items():
            check(self.lab.rt.fingerprint(number) == before, f"ticket {number} of the first store was touched")

    def scene_7_metrics_add_up(self):
        """What was received is what the outcomes add up to; a stop ends with code 0."""
        for source in ("nagios", "prometheus"):
            received = self.lab.events(source)
            wait(f"the counters of {source} add up", lambda s=source: self._adds_up(s), 20, self._daemon())
            check(received > 0, f"nothing was received from {source}")
        self.lab.stop_daemon()

    def _adds_up(self, source):
        text = self.lab.metrics()
        total = sum(float(line.split()[-1]) for line in text.splitlines()
                    if line.startswith("correlated_events_total{") and f'source="{source}"' in line)
        return int(total) == self.lab.events(source)


def check(true, text):
    """Fails the scene with a text."""
    if not true:
        raise Failure(text)


def report(lab):
    """What somebody needs to see why."""
    for name in ("correlated", "nagios", "alertmanager"):
        path = lab.folder / "logs" / f"{name}.log"
        if path.exists():
            print(f"--- end of {name}.log", *path.read_text(errors="replace").splitlines()[-40:], sep="\n")
    print("--- incidents", lab.incidents(), sep="\n")
    try:
        for ticket in lab.rt.tickets():
            print(f"--- ticket {ticket['id']} {ticket['status']} {ticket['key']}\n{ticket['subject']}\n{ticket['text']}")
    except (OSError, ValueError, AttributeError) as error:
        print(f"RT cannot be read: {error}")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="correlated-real-"))
    lab = Lab(folder)
    good = True
    try:
        begun = time.monotonic()
        lab.start()
        print(f"lab is up after {time.monotonic() - begun:.0f} s", flush=True)
        play = Play(lab)
        for name in sorted(n for n in dir(play) if n.startswith("scene_")):
            begun = time.monotonic()
            scene = getattr(play, name)
            try:
                scene()
                print(f"PASS {name[6:].replace('_', ' ')} ({time.monotonic() - begun:.0f} s)", flush=True)
            except (Failure, OSError, KeyError) as error:
                good = False
                print(f"FAIL {name[6:].replace('_', ' ')}: {error}", flush=True)
                if not isinstance(error, Failure):
                    traceback.print_exc()
                report(lab)
                break
    except (Failure, OSError) as error:
        good = False
        print(f"FAIL the lab does not come up: {error}", flush=True)
        for log in sorted((folder / "logs").glob("*.log")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-20:], sep="\n")
    finally:
        lab.stop()
    if good:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    print(f"everything is left in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
