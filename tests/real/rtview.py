"""What the tests see of RT, through its REST 2.0 and never through the daemon."""
import base64
import json
import urllib.error
import urllib.parse
import urllib.request


class RtView:
    """Reads as the superuser; acts as the person "jane"."""

    def __init__(self, port, password):
        self._base = f"http://127.0.0.1:{port}/REST/2.0"
        self._password = password

    def _call(self, user, method, path, body=None):
        login = base64.b64encode(f"{user}:{self._password}".encode()).decode()
        request = urllib.request.Request(
            self._base + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def answers(self):
        """Whether RT is up."""
        try:
            return bool(self._call("root", "GET", "/rt"))
        except (OSError, ValueError):
            return False

    def rows(self, fields, query="Queue = 'Incidents'"):
        """All tickets of the queue with a few of their fields, oldest first."""
        query, found = urllib.parse.quote(query), []
        for page in range(1, 1000):
            answer = self._call("root", "GET", f"/tickets?query={query}&orderby=id&order=ASC&per_page=100&page={page}"
                                f"&fields={fields}")
            found += answer["items"]
            if page >= answer.get("pages", 0):
                return found
        return found

    def ids(self):
        """Numbers of all tickets in the queue, oldest first."""
        query = urllib.parse.quote("Queue = 'Incidents'")
        found = self._call("root", "GET", f"/tickets?query={query}&orderby=id&order=ASC&per_page=100")
        return [int(item["id"]) for item in found["items"]]

    def ticket(self, number):
        """One ticket: subject, status, owner, fields by name, text (all of it), notes (comments by the daemon)."""
        raw = self._call("root", "GET", f"/ticket/{number}")
        attachments = self._call(
            "root", "GET", f"/ticket/{number}/attachments?fields=Content,TransactionId&per_page=100")["items"]
        history = self.history(number)
        text = {}
        for item in attachments:
            text.setdefault(str(item["TransactionId"]), []).append(item["Content"] or "")
        fields = {field["name"]: field["values"] for field in raw["CustomFields"]}
        return {
            "id": number, "subject": raw["Subject"], "status": raw["Status"], "owner": raw["Owner"]["id"],
            "creator": raw["Creator"]["id"], "updated": raw["LastUpdated"], "fields": fields,
            "key": "".join(fields.get("Correlation Key", [])),
            "text": "\n".join(line for item in text.values() for line in item),
            "notes": ["\n".join(text.get(item["id"], [])) for item in history
                      if item["Type"] == "Comment" and item["Creator"]["id"] == "alertd"],
        }

    def tickets(self):
        """All tickets, oldest first."""
        return [self.ticket(number) for number in self.ids()]

    def history(self, number):
        """Transactions of a ticket, oldest first."""
        return self._call("root", "GET", f"/ticket/{number}/history?per_page=100"
                          "&fields=Type,Creator,Created,Field,OldValue,NewValue")["items"]

    def fingerprint(self, number):
        """Everything that changes when anybody touches the ticket in any way."""
        return json.dumps([self.ticket(number), self.history(number)], sort_keys=True)

    def change(self, number, person="jane", **fields):
        """The person changes fields of the ticket."""
        self._call(person, "PUT", f"/ticket/{number}", fields)

    def take(self, number, person="jane"):
        """The person takes the ticket."""
        self._call(person, "PUT", f"/ticket/{number}/take", {})
