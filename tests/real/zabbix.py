"""The Zabbix lab: a real Zabbix server with its frontend and database, on loopback and in one folder.

The database listens on a socket in the folder only, and nobody but Zabbix's account may enter it. Values come
as they come from zabbix_sender; everything else goes over the API, the import of our media type included.
"""
import gzip
import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import struct
import subprocess
import urllib.request

import zabbix_media
from lab import Failure, Lab, wait

PACKAGED = pathlib.Path("/usr/share/zabbix")
SCHEMA = pathlib.Path("/usr/share/zabbix-server-pgsql")
TOKEN = "lab-token-of-correlated"
INSTANCE = "zabbix-lab"
HOST, STORM = "web-01.lab.invalid", "storm-01.lab.invalid"
STORM_SIZE = 200

DAEMON_CONFIG = """
[listen]
intake = ["127.0.0.1:{intake}"]
metrics = ["127.0.0.1:{metrics}"]
admin = "{folder}/admin.sock"

[store]
path = "{store}"

[[source]]
name = "zabbix"
kind = "zabbix"
token_file = "{folder}/token"

[correlate]
hold_p1 = "2s"
hold_p2 = "2s"
hold_p3 = "2s"
hold_p4 = "2s"
hold_quiet = "2s"
resolve_after = "3s"
reopen_within = "30s"

[suppress]
flap_quiet = "4s"

[ticket]
link_base = "http://correlated.lab.invalid"
"""

# The server is not in UTC: times in messages have to be those of the user who has the media type.
SERVER_ZONE = "Asia/Tokyo"
# Only what the scenes need is started.
SERVER_CONFIG = """
ListenIP=127.0.0.1
SourceIP=127.0.0.1
ListenPort={trapper}
LogType=console
PidFile={home}/zabbix_server.pid
SocketDir={home}
DBHost={home}
DBName=zabbix
DBUser=zabbix
CacheUpdateFrequency=1
StartPollers=1
StartPingers=0
StartDiscoverers=0
StartHTTPPollers=0
StartTrappers=2
StartDBSyncers=2
StartAlerters=3
StartEscalators=3
StartPreprocessors=1
StartLLDProcessors=1
"""

FRONTEND_CONFIG = """<?php
$DB['TYPE'] = 'POSTGRESQL';
$DB['SERVER'] = '{home}';
$DB['PORT'] = '0';
$DB['DATABASE'] = 'zabbix';
$DB['USER'] = 'zabbix';
$DB['PASSWORD'] = '';
$DB['SCHEMA'] = '';
$DB['ENCRYPTION'] = false;
$DB['DOUBLE_IEEE754'] = true;
$ZBX_SERVER_NAME = 'lab';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
"""


class Api:
    """Zabbix's JSON-RPC API, as the administrator that the packaged database knows."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/api_jsonrpc.php"
        self.session = None
        self.session = self.call("user.login", {"username": "Admin", "password": "zabbix"})

    def call(self, method, parameters):
        """The result of a method."""
        request = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1}
        if self.session:
            request["auth"] = self.session
        request = urllib.request.Request(self.url, json.dumps(request).encode(),
                                         {"Content-Type": "application/json-rpc"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode(errors="replace")
        try:
            said = json.loads(text)
        except ValueError:
            raise Failure(f"{method}: the frontend answers {text[:300]!r}") from None
        if "error" in said:
            raise Failure(f"{method}: {said['error'].get('data')} ({said['error'].get('message')})")
        return said["result"]


class ZabbixLab(Lab):
    """All of Zabbix, and the daemon with a source of kind zabbix."""

    PORTS = ("intake", "metrics", "frontend")
    CONFIG = DAEMON_CONFIG

    def __init__(self, folder):
        super().__init__(folder)
        self.ports["trapper"] = _low_port()
        self.home = self.folder / "zabbix"
        self.api = self.media = None
        self.triggers = {}
        self.account = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("zabbix")
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def start(self):
        """Brings up everything but the daemon."""
        (self.folder / "token").write_text(TOKEN)
        (self.folder / "token").chmod(0o600)
        self.home.mkdir(mode=0o700)
        if len(str(self.home)) > 80:
            raise Failure(f"{self.home}: too long for the socket of a database; set TMPDIR to a shorter path")
        self._start_database()
        self._start_frontend()
        server = self.home / "zabbix_server.conf"
        server.write_text(SERVER_CONFIG.format(home=self.home, **self.ports))
        self._own(server)
        self.api = wait("the frontend lets us in", self._login, 30, self.processes["frontend"])
        # Before the server starts: one that reads its configuration between our items and our triggers
        # takes values and raises no problem until it reads again.
        self._configure()
        zabbix = self._spawn("zabbix_server", [_tool("zabbix_server"), "-f", "-c", server],
                             env={**os.environ, "TZ": SERVER_ZONE})
        wait("the server takes values", self._prime, 60, zabbix)

    def _start_database(self):
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                          key=lambda path: int(path.parts[-3]))
        if not programs:
            raise Failure("no PostgreSQL server below /usr/lib/postgresql")
        if self.account:
            self.folder.chmod(0o711)
            self._own(self.home)
        data, log = self.home / "data", self.folder / "logs" / "database-setup.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}

        def run(command, **options):
            with open(log, "ab") as out:
                done = subprocess.run([str(word) for word in command], stdout=out, stderr=out, timeout=120,
                                      check=False, env={**environment, **options.pop("env", {})}, **options)
            if done.returncode != 0:
                raise Failure(f"{pathlib.Path(command[0]).name}: {log.read_text(errors='replace')[-500:]}")

        run([programs[-1].with_name("initdb"), "-D", data, "-U", "zabbix", "-A", "trust", "-E", "UTF8", "--locale=C",
             "--no-sync"], cwd=self.home, **self.account)
        database = self._spawn("database", [
            programs[-1], "-D", data, "-k", self.home, "-c", "listen_addresses=", "-c", "fsync=off",
            "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "max_wal_size=4GB"])
        psql = ["psql", "-h", self.home, "-U", "zabbix", "-q", "-v", "ON_ERROR_STOP=1", "-d"]

        def ready():
            return subprocess.run([str(word) for word in [*psql, "postgres", "-c", "create database zabbix"]],
                                  capture_output=True, check=False, env=environment, timeout=30).returncode == 0

        wait("the database answers", ready, 30, database)
        # The packaged rows fit together: checking each reference would triple the time. Pictures of maps
        # are not needed.
        for name in ("schema", "data"):
            text = self.folder / f"{name}.sql"
            with gzip.open(SCHEMA / f"{name}.sql.gz") as packed, open(text, "wb") as out:
                shutil.copyfileobj(packed, out)
            run([*psql, "zabbix", "-f", text], env={"PGOPTIONS": "-c session_replication_role=replica"})
            text.unlink()

    def _start_frontend(self):
        """Debian's frontend reads its configuration from a fixed place: a copy reads ours."""
        site, config = self.home / "frontend", self.home / "zabbix.conf.php"
        shutil.copytree(PACKAGED, site, symlinks=True, ignore=shutil.ignore_patterns("locale", "audio", "tests"))
        config.write_text(FRONTEND_CONFIG.format(home=self.home))
        place = site / "include" / "classes" / "core" / "CConfigFile.php"
        packaged = "'/etc/zabbix/zabbix.conf.php'"
        text = place.read_text()
        if packaged not in text:
            raise Failure(f"{place.name} of the packaged frontend does not name {packaged}")
        place.write_text(text.replace(packaged, f"'{config}'"))
        for path in [config, site, *site.rglob("*")]:
            self._own(path)
        options = {"date.timezone": "UTC", "memory_limit": "256M", "max_execution_time": "300",
                   "post_max_size": "16M", "opcache.enable_cli": "1"}
        words = [word for name, value in options.items() for word in ("-d", f"{name}={value}")]
        self._spawn("frontend", ["php", *words, "-S", f"127.0.0.1:{self.ports['frontend']}", "-t", site])

    def _login(self):
        try:
            return Api(self.ports["frontend"])
        except OSError:  # not listening yet
            return None

    def _configure(self):
        """What config/zabbix/README.md tells an administrator to do, and the estate."""
        call = self.api.call
        call("host.update", [{"hostid": row["hostid"], "status": 1} for row in call("host.get", {"output": ["hostid"]})])
        group = call("hostgroup.create", {"name": "Lab"})["groupids"][0]
        for name, value, kind in (("URL", f"http://127.0.0.1:{self.ports['intake']}/v1/events/zabbix", 0),
                                  ("TOKEN", TOKEN, 1), ("INSTANCE", INSTANCE, 0)):
            call("usermacro.createglobal", {"macro": f"{{$CORRELATED.{name}}}", "value": value, "type": kind})
        call("usermacro.createglobal", {"macro": "{$ZABBIX.URL}", "value": "http://zabbix.lab.invalid"})
        call("configuration.import", {"format": "yaml", "source": zabbix_media.MEDIA.read_text(),
                                      "rules": {"mediaTypes": {"createMissing": True, "updateExisting": True}}})
        self.media = call("mediatype.get", {"output": "extend", "filter": {"name": "correlated"}})[0]
        if self.media["status"] != "0":
            raise Failure("the media type is disabled after its import")
        self.media = self.media["mediatypeid"]
        # The scenes cannot wait a minute for a second attempt.
        call("mediatype.update", {"mediatypeid": self.media, "attempt_interval": "2s"})
        groups = [{"id": row["groupid"], "permission": 2} for row in call("hostgroup.get", {"output": ["groupid"]})]
        members = call("usergroup.create", {"name": "correlated", "gui_access": 3, "rights": groups})["usrgrpids"][0]
        user = call("user.create", {
            "username": "correlated", "passwd": "lab Xq7 long enough", "roleid": "1", "timezone": "UTC",
            "usrgrps": [{"usrgrpid": members}], "medias": [{"mediatypeid": self.media, "sendto": "correlated"}],
        })["userids"][0]
        message = {"operationtype": 0, "opmessage": {"default_msg": 1, "mediatypeid": self.media},
                   "opmessage_usr": [{"userid": user}]}
        call("action.create", {
            "name": "correlated", "eventsource": 0, "esc_period": "1h", "filter": {"evaltype": 0, "conditions": []},
            "operations": [{**message, "esc_step_from": 1, "esc_step_to": 1, "esc_period": "0"}],
            "recovery_operations": [message], "update_operations": [message]})
        # The items last: a server that takes their values has then read the action too.
        self._estate(group)

    def _estate(self, group):
        call = self.api.call

        def host(name, address):
            return call("host.create", {
                "host": name, "groups": [{"groupid": group}], "tags": [{"tag": "service", "value": "shop"}],
                "interfaces": [{"type": 1, "main": 1, "useip": 1, "ip": address, "dns": "", "port": "10050"}],
            })["hostids"][0]

        def item(owner, key):
            return {"hostid": owner, "name": key, "key_": key, "type": 2, "value_type": 3}

        def trigger(name, owner, key, **more):
            return {"description": name, "expression": f"last(/{owner}/{key})>0", "priority": 4, **more}

        one, many = host(HOST, "192.0.2.11"), host(STORM, "192.0.2.12")
        keys = [f"part[{number}]" for number in range(STORM_SIZE)]
        call("item.create", [item(one, "probe"), item(one, "person"), *(item(many, key) for key in keys)])
        made = call("trigger.create", [
            trigger("Shop does not answer", HOST, "probe"),
            trigger("Somebody has to look", HOST, "person", recovery_mode=2, manual_close=1),
            *(trigger(f"Part {number} failed", STORM, key, priority=3) for number, key in enumerate(keys))])
        self.triggers = dict(zip(["probe", "person", *keys], made["triggerids"]))

    def _prime(self):
        """Gives every item a value; false while the server does not know all of them yet."""
        rows = [(STORM if key.startswith("part") else HOST, key, 0) for key in self.triggers]
        try:
            return self._send(rows) == len(rows)
        except OSError:  # not listening yet
            return False

    def _send(self, rows):
        """Sends values like zabbix_sender; the number of those the server took."""
        said = self._ask_server({"request": "sender data", "data": [
            {"host": host, "key": key, "value": str(value)} for host, key, value in rows]})
        # "processed: 1; failed: 0; total: 1; seconds spent: 0.000041"
        return int(said["info"].split(";")[0].split()[-1])

    def _ask_server(self, request):
        """One exchange with the server's trapper."""
        data = json.dumps(request).encode()
        with socket.create_connection(("127.0.0.1", self.ports["trapper"]), timeout=60) as stream:
            stream.sendall(b"ZBXD\x01" + struct.pack("<II", len(data), 0) + data)
            answer = b""
            while part := stream.recv(65536):
                answer += part
        if not answer.startswith(b"ZBXD\x01"):
            raise Failure(f"the server answers {answer[:100]!r}")
        return json.loads(answer[13:])

    def send(self, value, *keys):
        """Sets items; every value has to be taken."""
        taken = self._send([(STORM if key.startswith("part") else HOST, key, value) for key in keys])
        if taken != len(keys):
            raise Failure(f"Zabbix took {taken} of {len(keys)} values")

    def problem(self, key):
        """Waits for the problem of an item and answers its event id."""
        def find():
            rows = self.api.call("problem.get", {"output": ["eventid"], "objectids": [self.triggers[key]]})
            return rows[-1]["eventid"] if rows else None
        return wait(f"Zabbix has a problem of {key}", find, 20)

    def event(self, number):
        """A problem event, with tags as a list of pairs, its menu entries and its recovery."""
        row = self.api.call("event.get", {"output": "extend", "eventids": [number], "selectTags": "extend"})[0]
        row["tags"] = [(tag["tag"], tag["value"]) for tag in row["tags"]]
        return row

    def update(self, number, action, message=""):
        """What a person does with a problem: 1 closes, 2 acknowledges, 4 comments; added up."""
        self.api.call("event.acknowledge", {"eventids": [number], "action": action, "message": message})

    def sent(self, *events):
        """Notifications about problems, by Zabbix's own list."""
        rows = self.api.call("alert.get", {"output": "extend", "mediatypeids": [self.media]})
        return [row for row in rows if not events or row["eventid"] in events or row["p_eventid"] in events]

    def delivered(self):
        """Whether Zabbix has nothing left to send; nothing may have failed for good."""
        rows = self.sent()
        failed = [row for row in rows if row["status"] == "2"]
        if failed:
            raise Failure(f"Zabbix gave up {len(failed)} notifications, the first: {failed[0]['error']}")
        return all(row["status"] == "1" for row in rows)

    def press_test(self):
        """The Test button of the frontend, which fills in nothing but what a person types: no macro is resolved."""
        typed = {"gw_url": f"http://127.0.0.1:{self.ports['intake']}/v1/events/zabbix", "gw_token": TOKEN}
        said = self._ask_server({"request": "alert.send", "sid": self.api.session, "data": {
            "mediatypeid": self.media, "parameters": {**zabbix_media.PARAMETERS, **typed}}})
        if said.get("response") != "success":
            raise Failure(f"the Test button says {said}")

    def incidents(self):
        """What the daemon says of incidents and alerts, and Zabbix of its last notifications; errors included."""
        lines = [super().incidents()]
        for what in (lambda: self.ask("v1/alerts")["alerts"][-5:], lambda: self.sent()[-5:]):
            try:
                lines += [json.dumps(row)[:1500] for row in what()]
            except (OSError, Failure) as error:
                lines.append(str(error))
        return "\n".join(lines)

    def _spawn(self, name, command, **options):
        return self.spawn(name, command, cwd=self.home, **self.account, **options)

    def _own(self, path):
        if self.account:
            os.chown(path, self.account["user"], self.account["group"], follow_symlinks=False)

    def stop(self):
        """Ends everything, the database last and without waiting for those who use it."""
        for name in ("correlated", "frontend", "zabbix_server"):
            self._end(name, signal.SIGTERM)
        self._end("database", signal.SIGINT)
        super().stop()


def _tool(name):
    """Where a server program is; /usr/sbin is not on everybody's path."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin") or name


def _low_port():
    """A port that nobody listens on now; Zabbix takes none above 32767."""
    for port in random.sample(range(20000, 32768), 200):
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            continue
    raise Failure("no free port between 20000 and 32767")
