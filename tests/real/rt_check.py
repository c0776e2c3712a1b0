"""`check --online` against a real RT: good as it is, one line for each thing that is broken, and RT unchanged by it."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from lab import HERE, ROOT, Failure, free_ports, wait

CONFIG = """
[[source]]
name = "nagios"
kind = "nagios"

[[itsm]]
name = "rt"
kind = "rt"
url = "{url}/REST/2.0"
queue = "{queue}"
account = "{account}"
token_file = "{token}"
key_field = "{key_field}"
"""


class Rt:
    """A private RT with its own folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_ports(1)[0]
        self.env = {**os.environ, "RT_DIR": str(self.folder), "RT_PORT": str(self.port), "RT_WORKERS": "2"}

    def start(self):
        subprocess.run([HERE / "rt.sh", "up"], env=self.env, check=True, timeout=300)
        self.url = (self.folder / "url").read_text().strip()

    def stop(self):
        subprocess.run([HERE / "rt.sh", "down"], env=self.env, check=False, timeout=60)

    def changes(self):
        """How much was ever written to tickets, queues and users."""
        query = "select (select count(*) from Transactions), (select count(*) from Tickets), (select max(LastUpdated) from Queues)"
        found = subprocess.run(["sqlite3", self.folder / "rt.sqlite", query], check=True, capture_output=True, text=True)
        return found.stdout


def check(rt, **changed):
    """Exit code and lines."""
    binary = os.environ.get("CORRELATED_BIN", ROOT / "target" / "release" / "correlated")
    values = {"url": rt.url, "queue": "Incidents", "account": "alertd", "token": rt.folder / "token",
              "key_field": "Correlation Key", **changed}
    file = rt.folder / "check.toml"
    file.write_text(CONFIG.format(**values))
    done = subprocess.run([binary, "check", "--online", file], capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("itsm rt (rt)")]
    return done.returncode, lines


def expect(name, found, code, *parts):
    """One line a scene; the fixes must be these and no others."""
    got, lines = found
    fixes = [line for line in lines if ": FIX " in line]
    missing = [part for part in parts if not any(part in line for line in lines)]
    wanted = [part for part in parts if part.startswith("FIX ")]
    if got != code or missing or len(fixes) != len(wanted):
        raise Failure(f"{name}: code {got}, without {missing}, said:\n  " + "\n  ".join(lines))
    print(f"ok   check --online: {name}", flush=True)


def scenes(rt):
    before = rt.changes()
    expect("a good RT", check(rt), 0, 'login works as "alertd"', 'queue "Incidents" is there',
           "all custom fields that are written are on the queue",
           "cannot be checked here: the values of custom field", "we see no ticket", "rights it needs: ")
    expect("another queue", check(rt, queue="Opss"), 1, 'FIX queue "Opss" does not exist', '"Incidents"')
    expect("a field that is not there", check(rt, key_field="Korrelation"), 1,
           'FIX queue "Incidents" has no custom field "Korrelation"')
    expect("an account that is not the token's", check(rt, account="jane"), 1, 'FIX the login works, but is not that of account "jane"')
    expect("an account that nobody has", check(rt, account="nobody-of-that-name"), 1, "FIX account")
    wrong = rt.folder / "wrong"
    wrong.write_text("1-14-00000000000000000000000000000000\n")
    expect("a wrong token", check(rt, token=wrong), 1, "FIX the login is refused (401)")
    expect("the page for people in place of the API", check(rt, url=f"{rt.url}/NoAuth"), 1, "FIX ")
    expect("a port that nobody listens on", check(rt, url=f"http://127.0.0.1:{free_ports(1)[0]}"), 1, "FIX cannot be asked: ")
    if rt.changes() != before:
        raise Failure("something was written to RT")
    password = (rt.folder / "password").read_text().strip()
    ticket = ["curl", "-fsS", "-u", f"alertd:{password}", "-H", "Content-Type: application/json",
              "-d", '{"Queue": "Incidents", "Subject": "to look at"}', f"{rt.url}/REST/2.0/ticket"]
    subprocess.run(ticket, check=True, capture_output=True, timeout=60)
    before = rt.changes()
    expect("a ticket to look at", check(rt), 0, "notes may be written", 'from status "new" a ticket may go to "resolved"')
    if rt.changes() != before:
        raise Failure("something was written to RT")


def main():
    folder = tempfile.mkdtemp(prefix="correlated-rt-check-")
    rt, code = Rt(folder), 1
    try:
        rt.start()
        scenes(rt)
        code = 0
    except Failure as failure:
        print(f"FAIL {failure}", flush=True)
    finally:
        rt.stop()
        if code == 0:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"left for a look: {folder}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
