"""Plays faults on a real Icinga 2 that notifies by `correlated send`, as config/icinga/ has it. Started by `run`."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

import play
from lab import ROOT, Failure, Lab, wait
from play import stays

LIMIT = 180
# From a check result to the daemon: checks each second, notifications at once.
SLOW = 30
# Host and service; each service has a host of its own, so that each is a fault of its own.
SERVICES = {"disk": "db1", "load": "web1", "ping": "sw1"}

DAEMON_CONFIG = """
[listen]
intake = ["127.0.0.1:{intake}"]
metrics = ["127.0.0.1:{metrics}"]
admin = "{folder}/admin.sock"

[store]
path = "{store}"

[[source]]
name = "icinga"
kind = "icinga"

[correlate]
arrival_lag = "0s"
hold_p1 = "4s"
hold_p2 = "4s"
hold_p3 = "4s"
hold_p4 = "4s"
hold_quiet = "2s"
resolve_after = "3s"

[suppress]
flap_quiet = "4s"
"""

ICINGA_CONFIG = """
const NodeName = "lab"
const ZoneName = NodeName
object Endpoint NodeName {{ }}
object Zone ZoneName {{ endpoints = [ NodeName ] }}
object IcingaApplication "app" {{ }}
object CheckerComponent "checker" {{ }}
object NotificationComponent "notification" {{ }}
object FileLogger "main" {{ severity = "information"; path = "{home}/icinga2.log" }}
object CheckCommand "state" {{ command = [ "{home}/check", "$file$" ]; timeout = 10s }}
object CheckCommand "fine" {{ command = [ "/bin/true" ]; timeout = 10s }}
"""

OBJECTS = """
object Host "{host}" {{
  check_command = "fine"; check_interval = 5s; retry_interval = 1s; max_check_attempts = 1
  address = "192.0.2.1"; vars.cmdb_id = "CI-{host}"
}}
object Service "{service}" {{
  host_name = "{host}"; check_command = "state"; vars.file = "{service}"; vars.cmdb_id = "CI-{service}"
  check_interval = 1s; retry_interval = 1s; max_check_attempts = 1
}}
"""

# The first line of the state file is the exit code, the rest what the plugin says.
CHECK = """#!/bin/sh
state="$(dirname "$0")/state/$1"
[ -r "$state" ] || { echo "OK - $1"; exit 0; }
tail -n +2 "$state"
exit "$(head -n 1 "$state")"
"""


class IcingaLab(Lab):
    """Icinga 2 with the shipped notification commands, and the daemon with a source of kind icinga."""

    PORTS = ("intake", "metrics")
    CONFIG = DAEMON_CONFIG

    def __init__(self, folder):
        super().__init__(folder)
        self.home = self.folder / "icinga"
        self.spool = self.home / "spool"
        self.account = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("nagios")
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def start(self):
        """Brings up everything but the daemon."""
        for folder in (self.home, self.home / "state", self.spool):
            folder.mkdir()
        # A copy: the user of Icinga need not see the folder that the program was built in.
        shutil.copy(self.binary, self.home / "correlated")
        shipped = (ROOT / "config" / "icinga" / "correlated.conf").read_text()
        for ours, theirs in (("/usr/bin/correlated", f"{self.home}/correlated"),
                             ("127.0.0.1:7580", f"127.0.0.1:{self.ports['intake']}"),
                             ('"send", "--url"', f'"send", "--spool", "{self.spool}", "--url"')):
            if ours not in shipped:
                raise Failure(f"config/icinga/correlated.conf has no {ours}")
            shipped = shipped.replace(ours, theirs)
        text = ICINGA_CONFIG.format(home=self.home)
        for service, host in SERVICES.items():
            text += OBJECTS.format(service=service, host=host)
        (self.home / "icinga2.conf").write_text(text + shipped)
        (self.home / "check").write_text(CHECK)
        (self.home / "check").chmod(0o755)
        if self.account:
            self.folder.chmod(0o711)
            for path in [self.home, *self.home.rglob("*")]:
                os.chown(path, self.account["user"], self.account["group"])
        # RunAsUser as the user that it runs as already: as root it would change by itself and outlive us.
        user = "nagios" if self.account else pwd.getpwuid(os.geteuid()).pw_name
        places = {"Configuration.RunAsUser": user, "Configuration.RunAsGroup": user}
        for name in ("DataDir", "LogDir", "CacheDir", "SpoolDir", "InitRunDir"):
            places[f"Configuration.{name}"] = self.home / "var"
        for name in ("PidPath", "StatePath", "ModAttrPath", "ObjectsPath", "VarsPath"):
            places[f"Configuration.{name}"] = self.home / "var" / name
        defines = [word for name, value in places.items() for word in ("-D", f"{name}={value}")]
        (self.home / "var").mkdir()
        if self.account:
            os.chown(self.home / "var", self.account["user"], self.account["group"])
        icinga = self.spawn("icinga2", [shutil.which("icinga2") or "/usr/sbin/icinga2", "daemon", "-c",
                                        self.home / "icinga2.conf", *defines], cwd=self.home, **self.account)
        log = self.home / "icinga2.log"
        wait("Icinga checks", lambda: log.exists() and "Activated all objects" in log.read_text(errors="replace"),
             30, icinga)

    def check_result(self, name, code, output):
        """What the plugin says of a service from now on."""
        fresh = self.home / "state" / f"{name}.new"
        fresh.write_text(f"{code}\n{output}\n")
        fresh.chmod(0o644)
        fresh.rename(self.home / "state" / name)

    def spooled(self):
        """Notifications that wait on disk."""
        return sum(1 for path in self.spool.iterdir() if path.is_file() and not path.name.startswith((".", "lock")))

    def flush(self):
        """What the timer does, as the user of Icinga."""
        done = subprocess.run([str(self.home / "correlated"), "send", "--flush", "--spool", str(self.spool), "--url",
                               f"http://127.0.0.1:{self.ports['intake']}/v1/events/icinga"],
                              capture_output=True, text=True, timeout=60, check=False, cwd=self.home, **self.account)
        if done.returncode != 0:
            raise Failure(f"flush ended with {done.returncode}: {done.stderr}")

    def fires(self, service):
        """The alert of a service if it fires."""
        found = [alert for alert in self.ask("v1/alerts")["alerts"]
                 if alert["labels"].get("service") == service and alert["state"] == "firing"]
        return found[0] if found else None


def scene_1(lab, memory):
    """a service fails: one alert fires, with the text as the plugin said it"""
    # Icinga says nothing of a service that it has never seen OK; the first check took place before.
    lab.check_result("disk", 2, "DISK CRITICAL - \"/var\" at 97 % & rising; Größe $x `y`")
    alert = wait("the alert of disk fires", lambda: lab.fires("disk"), SLOW)
    if "& rising; Größe $x `y`" not in alert["text"] or alert["labels"]["host"] != "db1":
        raise Failure(f"the alert says {alert['text']!r} of {alert['labels']}")
    memory["disk"] = alert["incident"]
    wait("its ticket would be opened", lambda: lab.all_incidents()[alert["incident"]]["tickets"], SLOW)


def scene_2(lab, memory):
    """the daemon is away: what was over comes as over, what still fires fires, in the order of Icinga"""
    lab.stop_daemon()
    lab.check_result("disk", 0, "DISK OK")
    lab.check_result("load", 2, "LOAD CRITICAL")
    wait("two notifications wait on disk", lambda: lab.spooled() == 2, SLOW)
    lab.check_result("load", 0, "LOAD OK")
    lab.check_result("ping", 2, "PING CRITICAL")
    wait("four notifications wait on disk", lambda: lab.spooled() == 4, SLOW)
    lab.start_daemon()
    lab.flush()
    wait("nothing waits on disk", lambda: lab.spooled() == 0, SLOW)
    wait("ping fires", lambda: lab.fires("ping"), SLOW)
    wait("the incident of disk is resolved",
         lambda: lab.all_incidents()[memory["disk"]]["state"] == "resolved", SLOW)
    load = [alert for alert in lab.ask("v1/alerts")["alerts"] if alert["labels"].get("service") == "load"]
    if [alert["state"] for alert in load] != ["over"]:
        raise Failure(f"load: {load}")
    number = load[0]["incident"]
    stays("no ticket for what is over", lambda: not lab.all_incidents()[number]["tickets"], 8)


def scene_3(lab, memory):
    """what was received is what the outcomes add up to; a stop ends with code 0"""
    lab.check_result("ping", 0, "PING OK")
    wait("ping is over", lambda: not lab.fires("ping"), SLOW)
    wait("the counters of icinga add up", lambda: lab.adds_up("icinga"), 20)
    lab.stop_daemon()


SCENES = (scene_1, scene_2, scene_3)

if __name__ == "__main__":
    play.main(IcingaLab, SCENES, (), LIMIT)
