"""Every expression of the dashboards, their variables and the rules, against a real Prometheus that scrapes a real server
under load: none fails to parse, none comes back empty.

    USHER_BIN=target/debug/usher python tests/dashboards/run.py

Needs prometheus and promtool (Debian: prometheus). Says nothing about how Grafana draws them.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

import harness  # noqa: E402

DEPLOY = ROOT / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
# Longest the whole test waits for every expression to have data.
PATIENCE_SECONDS = 100
# What an alert looks at that must never be there.
SELECTORS_WITHOUT_DATA = {"usher_stuck_total"}
KINDS = {"stat", "timeseries", "table", "bargauge", "gauge", "heatmap", "state-timeline"}


class Load(threading.Thread):
    """A small center at work until it is told to stop: every figure of the dashboards moves."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over, self.error, self.number = server, threading.Event(), None, 0

    def run(self):
        try:
            with harness.Client(self.server.grpc) as client:
                self.contacts, self.agents, self.supervisors = (
                    client.ContactService, client.AgentService, client.SupervisorService)
                self.staff()
                while not self.over.is_set():
                    self.round()
        except Exception as error:  # the test fails with it
            self.error = error

    def staff(self):
        for agent_id, team in (("ana", "front"), ("ben", "front"), ("cleo", "front"), ("dan", "single")):
            self.supervisors.UpsertAgent(agent={"agent_id": agent_id, "team": team})
            self.agents.SignIn(agent_id=agent_id, presence="PRESENCE_AVAILABLE", session_lease="0s")

    def new(self, queue, channel="voice", **more):
        self.number += 1
        contact = {"contact_id": f"c{self.number}", "queue": queue, "channel": channel} | more
        return self.contacts.CreateContact(contact=contact).contact

    def take(self, contact):
        """Whoever is offered it takes it; his id, or none when nobody was free."""
        if not contact.offers:
            self.leave(contact)
            return None
        offer = contact.offers[0]
        self.agents.AcceptOffer(agent_id=offer.agent_id, offer_id=offer.offer_id)
        self.contacts.ConnectContact(contact_id=contact.contact_id)
        return offer.agent_id

    def line(self):
        """Three for one agent: two wait, and are told for how long once enough others have."""
        for contact_id in [self.new("line").contact_id for _ in range(3)]:
            agent = self.take(self.contacts.GetContact(contact_id=contact_id).contact)
            if agent:
                time.sleep(0.02)
                self.contacts.CompleteContact(contact_id=contact_id)
                self.agents.CompleteWrapUp(agent_id=agent, contact_id=contact_id)

    def leave(self, contact):
        self.contacts.CancelContact(contact_id=contact.contact_id, cause="CANCEL_CAUSE_CUSTOMER_LEFT")

    def round(self):
        """One served with hold, transfer and survey, one by chat, one who leaves, one who declines, one called back,
        three in a line."""
        contact = self.new("sales")
        agent = self.take(contact)
        if agent:
            name = {"contact_id": contact.contact_id}
            time.sleep(0.05)
            self.contacts.HoldContact(**name)
            time.sleep(0.05)
            self.contacts.ResumeContact(**name)
            if self.number % 3 == 0:
                moved = self.contacts.TransferContact(**name, queue="support").contact
                self.agents.CompleteWrapUp(agent_id=agent, contact_id=contact.contact_id)
                self.take(moved)
            self.contacts.CompleteContact(**name)
            time.sleep(0.05)
            self.agents.CompleteWrapUp(agent_id=agent, contact_id=contact.contact_id, resolved=self.number % 4 > 0)
            self.contacts.SubmitSurvey(**name, kind="SURVEY_KIND_CSAT", score=self.number % 5 + 1)
            self.contacts.SubmitSurvey(**name, kind="SURVEY_KIND_NPS", score=self.number % 11)
        chat = self.new("support", "chat")
        if self.take(chat):
            self.contacts.CompleteContact(contact_id=chat.contact_id)
        waits = self.new("lonely")
        time.sleep(0.25)
        self.leave(waits)
        self.leave(self.new("lonely"))
        called = self.new("lonely")
        self.contacts.RequestCallback(contact_id=called.contact_id)
        declined = self.new("sales")
        if declined.offers:
            offer = declined.offers[0]
            self.agents.DeclineOffer(
                agent_id=offer.agent_id, offer_id=offer.offer_id, reason="DECLINE_REASON_BUSY", retry_time="1s")
        self.leave(declined)
        self.line()
        self.agents.SetPresence(agent_id="cleo", presence="PRESENCE_NOT_READY", reason=("break", "lunch")[self.number % 2])
        time.sleep(0.05)
        self.agents.SetPresence(agent_id="cleo", presence="PRESENCE_AVAILABLE")


class Prometheus:
    """A real one, with the rules of deploy/prometheus and a scrape each second."""

    def __init__(self, target):
        self.dir = Path(tempfile.mkdtemp(prefix="usher-prometheus-"))
        for name in ("rules.yml", "alerts.yml"):
            shutil.copy(DEPLOY / "prometheus" / name, self.dir)
        text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
        text = text.replace("usher:8080", target).replace("scrape_interval: 5s", "scrape_interval: 1s")
        text = text.replace("evaluation_interval: 15s", "evaluation_interval: 2s")
        (self.dir / "prometheus.yml").write_text(text, encoding="utf-8")
        subprocess.run(["promtool", "check", "config", self.dir / "prometheus.yml"], check=True, capture_output=True)
        self.port = harness_free_port()
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.dir}/prometheus.yml", f"--storage.tsdb.path={self.dir}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expr):
        return self.get("/api/v1/query", query=expr)["result"]

    def wait(self):
        until = time.monotonic() + 30
        while True:
            try:
                return self.query("1")
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def harness_free_port():
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def concrete(expr):
    """An expression as Grafana would send it, with everything chosen."""
    expr = expr.replace("$__rate_interval", "30s").replace("$__all", ".*")
    return re.sub(r"\$(tenant|queue|channel|direction|team)\b", ".*", expr)


def shape(dashboard):
    """What is wrong with a dashboard in itself."""
    wrong, ids, taken = [], set(), set()
    for panel in dashboard["panels"]:
        name, place = panel["title"], panel["gridPos"]
        if panel["id"] in ids:
            wrong.append(f"{name}: its id is another panel's")
        ids.add(panel["id"])
        if panel["type"] not in KINDS:
            wrong.append(f"{name}: a {panel['type']}")
        if not panel["fieldConfig"]["defaults"].get("unit"):
            wrong.append(f"{name}: no unit")
        if not panel.get("description"):
            wrong.append(f"{name}: no description")
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        if cells & taken or place["x"] + place["w"] > 24:
            wrong.append(f"{name}: lies over another panel or the edge")
        taken |= cells
        if {target["datasource"]["uid"] for target in panel["targets"]} != {"${datasource}"}:
            wrong.append(f"{name}: another data source")
    return wrong


def rules():
    """The rules of deploy/prometheus as Prometheus itself reads them come later; here their texts."""
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    return text + (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")


def questions(prometheus):
    """Everything that must have data: (where it stands, expression)."""
    asked = []
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                asked.append((f"{path.stem}: {panel['title']}", concrete(target["expr"])))
    for group in prometheus.get("/api/v1/rules")["groups"]:
        for rule in group["rules"]:
            if rule["type"] == "recording":
                asked.append((f"rule {rule['name']}", rule["query"]))
                asked.append((f"recorded {rule['name']}", rule["name"]))
            else:
                # An alert that is silent is empty: everything it looks at must be there.
                for name in sorted(set(re.findall(r"\busher[_:][a-z0-9_:]+", rule["query"])) - SELECTORS_WITHOUT_DATA):
                    asked.append((f"alert {rule['name']}", name))
    return asked


def variables():
    for path in DASHBOARDS:
        for variable in json.loads(path.read_text(encoding="utf-8"))["templating"]["list"]:
            if variable["type"] == "query":
                selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
                yield f"{path.stem}: ${variable['name']}", concrete(selector), label


def unanswered(prometheus):
    """The questions that have no answer yet, and why."""
    missing = []
    for place, expr in questions(prometheus):
        try:
            found = prometheus.query(expr)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{place}: {expr}\n{error.read().decode()}") from None
        if not any(sample["value"][1] not in ("NaN", "+Inf", "-Inf") for sample in found):
            missing.append(f"{place}: {expr}")
    for place, selector, label in variables():
        if not prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": selector}):
            missing.append(f"{place}: {selector}")
    return missing


def check_names(page):
    """Every metric of the server is on some dashboard or in some rule, or is listed here as one for other uses."""
    used = "".join(path.read_text(encoding="utf-8") for path in DASHBOARDS) + rules()
    elsewhere = {"process_virtual_memory_bytes", "process_threads", "process_start_time_seconds",
                 "usher_transfers_total", "usher_callbacks_total", "usher_service_level_target_ratio"}
    exported = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
    return sorted(name for name in exported - elsewhere if name not in used)


def main():
    began = time.monotonic()
    if not DASHBOARDS:
        raise SystemExit("no dashboards")
    subprocess.run([sys.executable, DEPLOY / "grafana" / "dashboards.py", "--check"], check=True)
    wrong = [fault for path in DASHBOARDS for fault in shape(json.loads(path.read_text(encoding="utf-8")))]
    if wrong:
        raise SystemExit("\n".join(wrong))
    for command in (["check", "rules", "rules.yml", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=DEPLOY / "prometheus", capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"promtool {' '.join(command)}\n{done.stdout}{done.stderr}")
    for config in (DEPLOY / "compose.toml",):
        subprocess.run([harness.binary(), "check-config", config], check=True, capture_output=True)
    with harness.Server(Path(__file__).with_name("usher.toml")) as server:
        load, prometheus = Load(server), Prometheus(server.http)
        load.start()
        try:
            prometheus.wait()
            missing = ["everything"]
            while missing and time.monotonic() < began + PATIENCE_SECONDS:
                time.sleep(2)
                if load.error:
                    raise load.error
                missing = unanswered(prometheus)
            with urllib.request.urlopen(f"http://{server.http}/metrics", timeout=10) as answer:
                page = answer.read().decode("utf-8")
            checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
            count = len(questions(prometheus)) + len(list(variables()))
        finally:
            load.over.set()
            load.join(20)
            prometheus.stop()
    if missing:
        raise SystemExit("no data for\n  " + "\n  ".join(missing))
    if checked.returncode or checked.stderr:
        raise SystemExit(f"promtool check metrics\n{checked.stdout}{checked.stderr}")
    if unused := check_names(page):
        raise SystemExit(f"on no dashboard and in no rule: {', '.join(unused)}")
    print(f"{count} expressions have data, after {time.monotonic() - began:.0f} s and {load.number} contacts")


if __name__ == "__main__":
    main()
