"""The lab: real Prometheus, Alertmanager, Nagios and RT on loopback, and the daemon, all in one folder.

Everything that is a matter of taste about the configuration of the daemon stands in `DAEMON_CONFIG`.
"""
import ctypes
import http.client
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import estate
from proxy import Proxy
from rtview import RtView

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Longer than the 30 s for which a scene keeps a create under way: the daemon may not believe "not found"
# before that time is over.
SETTLE = 35

DAEMON_CONFIG = """
[listen]
intake = ["127.0.0.1:{intake}"]
metrics = ["127.0.0.1:{metrics}"]
admin = "{folder}/admin.sock"

[store]
path = "{store}"

[[source]]
name = "nagios"
kind = "nagios"
# Nagios says nothing when a service recovers while its host counts as down; it repeats every 20 s what holds.
expire_after = "45s"

[[source]]
name = "prometheus"
kind = "prometheus"

[[cmdb]]
name = "file"
kind = "file"
path = "{folder}/cmdb.json"

[[bind.rule]]
name = "application"
source = "prometheus"
label = "app"

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

[identity]
grace = "5s"

[correlate]
hold_p1 = "8s"
hold_p2 = "8s"
hold_p3 = "10s"
hold_p4 = "12s"
hold_quiet = "2s"
resolve_after = "4s"
reopen_within = "30s"

[suppress]
flap_quiet = "4s"
"""

ALERTMANAGER_CONFIG = """
global:
  resolve_timeout: 1m
route:
  receiver: correlated
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 30s
receivers:
  - name: correlated
    webhook_configs:
      - url: http://127.0.0.1:{intake}/v1/events/prometheus
"""

PROMETHEUS_CONFIG = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: [{folder}/rules.yml]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]
scrape_configs:
"""

SCRAPE_CONFIG = """
  - job_name: {job}-{name}
    metrics_path: /{name}/metrics
    static_configs: [{{targets: ['127.0.0.1:{exporter}'], labels: {labels}}}]
"""

RULES = """
groups:
  - name: lab
    rules:
      - alert: ApplicationDown
        expr: app_up == 0
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.app }} does not answer its users'}
      - alert: InstanceDown
        expr: up{job=~"server-.*"} == 0
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.instance }} cannot be scraped'}
"""


def free_ports(count):
    """Ports that nobody listens on now; all are taken together so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait(what, check, seconds, alive=None):
    """Polls `check` until it answers something true, and returns that. A dead process ends the wait at once."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if alive and alive.poll() is not None:
            raise Failure(f"{what}: the process ended with code {alive.returncode}")
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.2)


class Failure(Exception):
    """Something did not come true; the text says what."""


def get(url):
    """Body of a URL, or None."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return None


def _die_with_us():
    # A killed test may not leave servers behind: 1 is PR_SET_PDEATHSIG.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Exporter:
    """The monitored things, as Prometheus sees them: a target is up, or answers 404 and counts as down."""

    def __init__(self, port):
        self.down = set()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                name = self.path.split("/")[1]
                gone = name in exporter.down and name not in estate.APPLICATIONS
                body = f"app_up {0 if name in exporter.down else 1}\n" if name in estate.APPLICATIONS else "lab 1\n"
                self.send_response(404 if gone else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Lab:
    """All servers. `start` brings them up; `stop` ends every process that this object started."""

    PORTS = ("intake", "metrics", "proxy", "rt", "alertmanager", "prometheus", "exporter")
    CONFIG = DAEMON_CONFIG

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ports = dict(zip(self.PORTS, free_ports(len(self.PORTS))))
        self.processes = {}
        self.started = []
        self.binary = os.environ.get("CORRELATED_BIN", ROOT / "target" / "release" / "correlated")
        self.proxy = self.rt = self.exporter = None
        (self.folder / "logs").mkdir()

    def spawn(self, name, command, **options):
        """Starts a server with its output in logs/NAME.log."""
        with open(self.folder / "logs" / f"{name}.log", "ab") as log:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True, preexec_fn=_die_with_us, **options)
        self.processes[name] = process
        self.started = [name, *(each for each in self.started if each != name)]
        return process

    def start(self):
        """Brings up everything but the daemon."""
        ports = self.ports
        environment = {**os.environ, "RT_DIR": str(self.folder / "rt"), "RT_PORT": str(ports["rt"])}
        rt = self.spawn("rt", [HERE / "rt.sh", "run"], env=environment)
        (self.folder / "cmdb.json").write_text(json.dumps(estate.cmdb(), indent=1))
        self.exporter = Exporter(ports["exporter"])
        alertmanager = self._start_alertmanager()
        prometheus = self._start_prometheus()
        self._start_nagios()
        wait("RT makes its database", (self.folder / "rt" / "seeded").exists, 120, rt)
        self.rt = RtView(ports["rt"], (self.folder / "rt" / "password").read_text().strip())
        self.proxy = Proxy(ports["proxy"], ports["rt"], self.folder / "logs" / "proxy.log")
        wait("RT answers", self.rt.answers, 60, rt)
        for name, process in (("alertmanager", alertmanager), ("prometheus", prometheus)):
            wait(f"{name} is ready", lambda: get(f"http://127.0.0.1:{ports[name]}/-/ready"), 30, process)
        wait("Prometheus has scraped all", self._all_scraped, 30, prometheus)
        wait("Nagios has checked all", self._all_checked, 30, self.processes["nagios"])

    def _start_alertmanager(self):
        config = self.folder / "alertmanager.yml"
        config.write_text(ALERTMANAGER_CONFIG.format(**self.ports))
        return self.spawn("alertmanager", [
            "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={self.folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}", "--cluster.listen-address="])

    def _start_prometheus(self):
        config = self.folder / "prometheus.yml"
        text = PROMETHEUS_CONFIG.format(folder=self.folder, **self.ports)
        for job, name, labels in estate.scraped():
            text += SCRAPE_CONFIG.format(job=job, name=name, labels=json.dumps(labels), **self.ports).lstrip("\n")
        config.write_text(text)
        (self.folder / "rules.yml").write_text(RULES)
        return self.spawn("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}", "--rules.alert.resend-delay=5s"])

    def _all_scraped(self):
        body = get(f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/query?query=count(up==1)")
        result = json.loads(body)["data"]["result"] if body else []
        return bool(result) and int(result[0]["value"][1]) == len(estate.scraped())

    def _start_nagios(self):
        folder = self.folder / "nagios"
        for name in ("state", "spool", "archives"):
            (folder / name).mkdir(parents=True)
        for name, text in estate.nagios(folder, self.ports["intake"]).items():
            (folder / name).write_text(text)
        (folder / "check").chmod(0o755)
        options = {}
        if os.geteuid() == 0:
            # Nagios as root becomes its own user, who has to get at the folder. Done here instead of by
            # Nagios, so that it still ends together with us.
            account = pwd.getpwnam("nagios")
            options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            self.folder.chmod(0o711)
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, account.pw_uid, account.pw_gid)
        nagios = shutil.which("nagios4", path=os.environ.get("PATH", "") + ":/usr/sbin")
        self.spawn("nagios", [nagios or "nagios4", folder / "nagios.cfg"], cwd=folder, **options)

    def _all_checked(self):
        status = self.folder / "nagios" / "status.dat"
        return status.exists() and status.read_text(errors="replace").count("has_been_checked=1") == estate.checks()

    def nagios_is_content(self):
        """Whether all hosts are UP and all services OK."""
        status = (self.folder / "nagios" / "status.dat").read_text(errors="replace")
        return status.count("current_state=0") == estate.checks()

    def hosts_are_up(self, names):
        """Whether Nagios has seen all these hosts UP."""
        status = (self.folder / "nagios" / "status.dat").read_text(errors="replace")
        blocks = [block.split("}")[0] for block in status.split("hoststatus {")[1:]]
        up = {block.split("host_name=")[1].split("\n")[0] for block in blocks if "\tcurrent_state=0\n" in block}
        return up.issuperset(names)

    def check_result(self, name, code, output):
        """What the Nagios plugin NAME says from now on."""
        path = self.folder / "nagios" / "state" / name
        fresh = path.with_suffix(".new")
        fresh.write_text(f"{code}\n{output}\n")
        fresh.chmod(0o644)
        fresh.rename(path)

    def start_daemon(self, store="store", ready=True):
        """Starts the daemon on the store folder of that name and waits until it is ready."""
        config = self.folder / "correlated.toml"
        config.write_text(self.CONFIG.format(
            folder=self.folder, store=self.folder / store, settle=SETTLE, **self.ports))
        daemon = self.spawn("correlated", [self.binary, "run", "--config", config])
        if ready:
            url = f"http://127.0.0.1:{self.ports['metrics']}/readyz"
            wait("the daemon is ready", lambda: get(url) is not None, 20, daemon)

    def kill_daemon(self):
        """kill -9."""
        self._end("correlated", signal.SIGKILL)

    def stop_daemon(self):
        """SIGTERM; it has to end by itself with code 0."""
        code = self._end("correlated", signal.SIGTERM)
        if code != 0:
            raise Failure(f"the daemon ended with code {code} after SIGTERM")

    def events(self, source):
        """Events of a source that the daemon has counted."""
        body = get(f"http://127.0.0.1:{self.ports['metrics']}/metrics") or ""
        start = f'correlated_events_received_total{{source="{source}"'
        return sum(int(float(line.split()[-1])) for line in body.splitlines() if line.startswith(start))

    def adds_up(self, source):
        """Whether the outcomes of a source's events add up to the events."""
        body = get(f"http://127.0.0.1:{self.ports['metrics']}/metrics") or ""
        total = sum(float(line.split()[-1]) for line in body.splitlines()
                    if line.startswith("correlated_events_total{") and f'source="{source}"' in line)
        return 0 < int(total) == self.events(source)

    def ask(self, path):
        """An answer from the daemon's admin socket."""
        class Connection(http.client.HTTPConnection):
            def connect(self):
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.settimeout(self.timeout)
                self.sock.connect(self.host)

        connection = Connection(str(self.folder / "admin.sock"), timeout=20)
        connection.request("GET", f"/{path}", headers={"Host": "admin"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            raise Failure(f"{path}: {answer.status} {text[:200]}")
        return json.loads(text)

    def alerts(self, host, state=None):
        """Alerts of the daemon about a host."""
        return [alert for alert in self.ask("v1/alerts")["alerts"]
                if host in json.dumps(alert) and state in (None, alert["state"])]

    def all_incidents(self):
        """Incidents of the daemon, in whatever state, by number."""
        return {incident["id"]: incident for incident in self.ask("v1/incidents?state=all")["incidents"]}

    def incidents(self):
        """What `correlated incidents` prints, errors included."""
        command = [str(self.binary), "incidents", "--admin", str(self.folder / "admin.sock")]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
            return done.stdout + done.stderr
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{command}: {error}"

    def _end(self, name, sign):
        process = self.processes.pop(name, None)
        if process is None or process.poll() is not None:
            return process and process.returncode
        os.killpg(process.pid, sign)
        try:
            return process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait(5)

    def stop(self):
        """Ends everything that was started, the daemon first."""
        for name in ("correlated", *list(self.processes)):
            self._end(name, signal.SIGTERM)
        if self.proxy:
            self.proxy.close()
