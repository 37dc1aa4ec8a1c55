#!/usr/bin/env python3
"""Writes the dashboards of this directory, from one place: python3 deploy/grafana/dashboards.py

With --check it writes nothing and exits 1 when a dashboard on disk is not what would be written. Classic schema, read by
Grafana 10.4 and later. No dependency.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RED, AMBER, GREEN, BLUE = "red", "orange", "green", "blue"

QUEUE = 'tenant=~"$tenant",queue=~"$queue",direction=~"$direction"'
CELL = QUEUE + ',channel=~"$channel"'
TEAM = 'tenant=~"$tenant",team=~"$team"'
TENANT = 'tenant=~"$tenant"'
BY_QUEUE = "sum by (tenant, queue, direction)"


def steps(*pairs):
    """Thresholds: the colour from the beginning, then (value, colour)."""
    first, *rest = pairs
    listed = [{"color": first, "value": None}]
    return {"mode": "absolute", "steps": listed + [{"color": colour, "value": value} for value, colour in rest]}


LEVEL = steps(RED, (0.7, AMBER), (0.8, GREEN))


class Board:
    """A dashboard in the making: panels are set in rows of 24 columns, left to right."""

    def __init__(self, uid, title, variables, refresh="10s"):
        self.uid, self.title, self.variables, self.refresh = uid, title, variables, refresh
        self.panels, self.x, self.y, self.height = [], 0, 0, 0

    def add(self, kind, title, unit, width, height, queries, description, **more):
        if self.x + width > 24:
            self.x, self.y, self.height = 0, self.y + self.height, 0
        targets = []
        for letter, (expr, legend) in zip("ABCDEFGH", queries):
            target = {"refId": letter, "expr": expr, "legendFormat": legend, "datasource": SOURCE}
            if kind in ("stat", "table", "gauge", "bargauge"):
                target["instant"] = True
            if kind == "table":
                target["format"] = "table"
            if kind == "heatmap":
                target["format"] = "heatmap"
            targets.append(target)
        panel = {
            "id": len(self.panels) + 1,
            "type": kind,
            "title": title,
            "description": description,
            "datasource": SOURCE,
            "gridPos": {"x": self.x, "y": self.y, "w": width, "h": height},
            "targets": targets,
            "fieldConfig": {
                "defaults": {"unit": unit, "thresholds": more.get("thresholds", steps(BLUE)), "noValue": "–"},
                "overrides": more.get("overrides", []),
            },
            "options": more.get("options", {}),
            "transformations": more.get("transformations", []),
        }
        if kind == "timeseries":
            panel["options"].setdefault("legend", {"displayMode": "list", "placement": "bottom"})
            custom = {"fillOpacity": 10, "stacking": {"mode": more.get("stacking", "none")}}
            panel["fieldConfig"]["defaults"]["custom"] = custom
        if kind == "stat":
            panel["options"] |= {"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}}
        self.panels.append(panel)
        self.x, self.height = self.x + width, max(self.height, height)

    def json(self):
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["usher"],
            "schemaVersion": 39,
            "editable": True,
            "graphTooltip": 1,
            "refresh": self.refresh,
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [DATASOURCE] + self.variables},
            "panels": self.panels,
        }


DATASOURCE = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def variable(name, label, query, default=None):
    """A list of label values to choose from, all of them at first."""
    every = {"text": "All", "value": "$__all"}
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": default, "value": default} if default else every,
    }


TENANTS = variable("tenant", "Tenant", "label_values(usher_config_version_info, tenant)")
QUEUES = variable("queue", "Queue", 'label_values(usher_contacts_offered_total{tenant=~"$tenant"}, queue)')
CHANNELS = variable("channel", "Channel", 'label_values(usher_contacts_offered_total{tenant=~"$tenant"}, channel)')
DIRECTIONS = variable(
    "direction", "Direction", 'label_values(usher_contacts_offered_total{tenant=~"$tenant"}, direction)', "inbound"
)
TEAMS = variable("team", "Team", 'label_values(usher_agents{tenant=~"$tenant"}, team)')


def level(window, definition="of_offered"):
    return f'usher_service_level_ratio{{{QUEUE},window="{window}",definition="{definition}"}}'


def increase(name, more="", by=BY_QUEUE, of=CELL, span="30m"):
    return f"{by} (increase({name}{{{of}{more}}}[{span}]))"


def mean(name, more=""):
    return f'{increase(name + "_sum", more)} / ({increase(name + "_count", more)} > 0)'


def wallboard():
    board = Board("usher-wallboard", "usher: wallboard", [TENANTS, QUEUES, CHANNELS, DIRECTIONS], "5s")
    waiting = f"usher_contacts_waiting{{{CELL}}}"
    board.add("stat", "Waiting", "short", 4, 5, [(f"sum({waiting})", "waiting")], "Contacts waiting now, in all states.",
              thresholds=steps(GREEN, (5, AMBER), (20, RED)))
    board.add("stat", "Longest wait", "s", 4, 5, [(f"max(usher_longest_wait_seconds{{{CELL}}})", "longest")],
              "Longest measured wait of a contact waiting now, parked ones left out.",
              thresholds=steps(GREEN, (20, AMBER), (60, RED)))
    agents = f'usher_agents{{{TENANT},state="idle"}}'
    board.add("stat", "Agents idle", "short", 4, 5, [(f"sum({agents})", "idle")], "Agents who could take a contact now.",
              thresholds=steps(RED, (1, GREEN)))
    busy = f'usher_agents{{{TENANT},state=~"busy|wrap_up|offering"}}'
    board.add("stat", "Agents at work", "short", 4, 5, [(f"sum({busy})", "at work")],
              "Agents with an offer, in conversation or wrapping up.")
    day = f"sum(increase(usher_contacts_offered_total{{{CELL}}}[1h]))"
    board.add("stat", "Offered, last hour", "short", 4, 5, [(day, "offered")], "Queue entries begun in the last hour.")
    lost = f"sum(increase(usher_contacts_abandoned_total{{{CELL}}}[1h]))"
    board.add("stat", "Abandoned, last hour", "percentunit", 4, 5, [(f"({lost} or vector(0)) / ({day} > 0)", "abandoned")],
              "Abandoned / offered, last hour.", thresholds=steps(GREEN, (0.05, AMBER), (0.1, RED)))
    board.add("bargauge", "Service level today, of offered", "percentunit", 12, 8, [(level("day"), "{{queue}}")],
              "Answered within the threshold / offered, since midnight in the tenant's time zone. The headline.",
              thresholds=LEVEL, options={"orientation": "horizontal", "displayMode": "gradient"})
    board.add("timeseries", "Service level over 30 minutes", "percentunit", 12, 8, [(level("30m"), "{{queue}}")],
              "Of entries offered in the last 30 minutes.", thresholds=LEVEL)
    board.add("timeseries", "Waiting", "short", 12, 8, [(f"sum by (queue) ({waiting})", "{{queue}}")],
              "Contacts waiting, by queue.", stacking="normal")
    board.add("timeseries", "Agents by state", "short", 12, 8, [(f"sum by (state) (usher_agents{{{TENANT}}})", "{{state}}")],
              "What agents' state means for routing.", stacking="normal")
    rows = [
        (f"sum by (queue) ({waiting})", "waiting"),
        (f"max by (queue) (usher_longest_wait_seconds{{{CELL}}})", "longest wait"),
        (f"max by (queue) ({level('30m')})", "service level 30m"),
        (f"max by (queue) ({level('day')})", "service level today"),
        (f'sum by (queue) (usher_queue_agents{{{TENANT},queue=~"$queue",state="idle"}})', "idle agents"),
    ]
    named = {f"Value #{letter}": name for letter, (_, name) in zip("ABCDE", rows)}
    board.add("table", "Queues", "short", 24, 10, rows, "One row per queue, now.",
              transformations=[{"id": "merge", "options": {}},
                               {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": named}}])
    return board


def queue_detail():
    board = Board("usher-queues", "usher: queue detail", [TENANTS, QUEUES, CHANNELS, DIRECTIONS])
    counters = [("offered", "usher_contacts_offered_total"), ("answered", "usher_contacts_answered_total"),
                ("abandoned", "usher_contacts_abandoned_total")]
    board.add("timeseries", "Offered, answered, abandoned per half hour", "short", 12, 9,
              [(increase(metric, by="sum"), name) for name, metric in counters], "Queue entries, over 30 minutes.")
    definitions = ["of_offered", "of_answered", "of_answered_abandoned", "excluding_short", "abandons_met",
                   "excluding_early_abandons", "live"]
    board.add("timeseries", "Service level by definition, 30 minutes", "percentunit", 12, 9,
              [(level("30m", definition), "{{queue}} " + definition) for definition in definitions],
              "W answered within threshold T, A answered, B abandoned: of_offered W/offered, of_answered W/A, "
              "of_answered_abandoned W/(A+B), excluding_short W/(A+B-short), abandons_met (W+B in T)/(A+B), "
              "excluding_early_abandons W/(A+B-B in T), live counts an entry the moment it passes T.", thresholds=LEVEL)
    board.add("heatmap", "Wait of answered", "s", 12, 9,
              [(f'sum by (le) (increase(usher_wait_seconds_bucket{{{CELL},outcome="answered"}}[$__rate_interval]))',
                "{{le}}")],
              "Measured wait of entries answered, parked time left out.",
              options={"calculate": False, "yAxis": {"unit": "s"}})
    quantile = f'sum by (le) (increase(usher_wait_seconds_bucket{{{CELL},outcome="answered"}}[30m]))'
    board.add("timeseries", "Wait of answered: p50, p90, p99 and mean (ASA)", "s", 12, 9,
              [(f"histogram_quantile({share}, {quantile})", f"p{round(share * 100)}") for share in (0.5, 0.9, 0.99)]
              + [(mean("usher_wait_seconds", ',outcome="answered"'), "{{queue}} mean")],
              "Over 30 minutes. Percentiles lie between bucket bounds; the mean is exact.")
    parts = [("talk", "usher_talk_seconds"), ("hold", "usher_hold_seconds"), ("wrap-up", "usher_wrap_up_seconds")]
    board.add("timeseries", "Handle time (AHT): talk, hold, wrap-up", "s", 12, 9,
              [(mean(metric), "{{queue}} " + name) for name, metric in parts],
              "Means per handled entry, over 30 minutes. Their sum is the average handle time; queue wait is no part of it.",
              stacking="normal")
    board.add("timeseries", "Longest wait and threshold", "s", 12, 9,
              [(f"max by (queue) (usher_longest_wait_seconds{{{CELL}}})", "{{queue}}"),
               (f'usher_service_level_threshold_seconds{{{TENANT},queue=~"$queue"}}', "{{queue}} threshold")],
              "Longest measured wait now.")
    board.add("timeseries", "Exits other than answers per half hour", "short", 12, 9,
              [(f'sum by (queue, reason) (increase(usher_contacts_exits_total{{{CELL}}}[30m]))', "{{queue}} {{reason}}"),
               (f'sum by (queue, kind) (increase(usher_contacts_abandoned_total{{{CELL}}}[30m]))', "{{queue}} {{kind}}")],
              "Abandoned, short or not, and how others left.", stacking="normal")
    handled = increase("usher_contacts_handled_total", span="1h")
    board.add("timeseries", "Transfer rate, FCR and CSAT, last hour", "percentunit", 12, 9,
              [(f'{increase("usher_contacts_transferred_total", span="1h")} / ({handled} > 0)', "{{queue}} transfer rate"),
               (f'{increase("usher_contacts_resolved_total", span="1h")} / ({handled} > 0)', "{{queue}} FCR of handled"),
               (f'''{increase("usher_survey_answers_total", ',kind="csat",result="positive"', span="1h")}'''
                f''' / ({increase("usher_survey_answers_total", ',kind="csat"', span="1h")} > 0)''', "{{queue}} CSAT")],
              "Distinct contacts transferred / handled; resolved / handled; 4 and 5 of 5 / answers.")
    board.add("timeseries", "Offers by result", "short", 12, 9,
              [(f"sum by (result) (increase(usher_offers_total{{{CELL}}}[$__rate_interval]))", "{{result}}")],
              "How offers to agents ended.", stacking="normal")
    answered = increase("usher_contacts_answered_total", span="1h")
    board.add("timeseries", "Cost per contact, last hour", "none", 12, 9,
              [(f'{increase("usher_handling_cost_total", span="1h")} / ({answered} > 0)', "{{queue}}")],
              "Handle time x cost_per_hour of each leg's team / answered.")
    board.add("timeseries", "Unservable", "short", 12, 8,
              [(f"sum by (queue) (usher_contacts_unservable{{{CELL}}})", "{{queue}}")],
              "Contacts queued or parked that no agent there is could ever serve: agents or the configuration must change.",
              stacking="normal")
    board.add("timeseries", "Estimated wait: how far off", "s", 12, 8,
              [(mean("usher_estimated_wait_error_seconds"), "{{queue}}")],
              "Mean of |estimate told on arrival - wait| of those answered who had to wait, over 30 minutes.")
    return board


def teams():
    board = Board("usher-teams", "usher: teams and agents", [TENANTS, TEAMS])
    board.add("timeseries", "Agents by state", "short", 12, 9,
              [(f"sum by (state) (usher_agents{{{TEAM}}})", "{{state}}")],
              "off_queue includes those not signed in.", stacking="normal")
    board.add("timeseries", "Occupancy, last hour", "percentunit", 12, 9,
              [(f"usher_agent_occupancy_ratio{{{TEAM}}}", "{{team}}")],
              "(busy + wrap-up) / (busy + wrap-up + idle available); ring time in neither.",
              thresholds=steps(BLUE, (0.85, AMBER), (0.9, RED)))
    board.add("timeseries", "Time by state", "percentunit", 12, 9,
              [(f"sum by (state) (rate(usher_agent_state_seconds_total{{{TEAM}}}[$__rate_interval]))"
                f" / ignoring (state) group_left () sum(rate(usher_agent_state_seconds_total{{{TEAM}}}[$__rate_interval]))",
                "{{state}}")],
              "Share of signed-in time.", stacking="normal")
    board.add("timeseries", "Not ready by reason", "short", 12, 9,
              [(f'sum by (reason) (rate(usher_agent_state_seconds_total{{{TEAM},state="not_ready"}}[$__rate_interval]))',
                "{{reason}}")],
              "Agents not ready, on average.", stacking="normal")
    board.add("timeseries", "Capacity in use", "percentunit", 12, 9,
              [(f"sum by (team) (usher_capacity_used_units{{{TEAM}}}) / (sum by (team) (usher_capacity_units{{{TEAM}}}) > 0)",
                "{{team}}")],
              "Units in use or reserved / units signed in.")
    board.add("timeseries", "Carried past capacity, last hour", "short", 24, 8,
              [(f"sum by (cause) (increase(usher_capacity_exceeded_total{{{TENANT}}}[1h]))", "{{cause}}")],
              "Agents given more than their units, by what a supervisor gave them or a capacity that was lowered.")
    board.add("table", "Teams now", "short", 12, 9,
              [(f"sum by (team, state) (usher_agents{{{TEAM}}})", "")], "Agents by team and state.",
              transformations=[{"id": "groupingToMatrix",
                                "options": {"rowField": "team", "columnField": "state", "valueField": "Value"}}])
    return board


def server():
    board = Board("usher-server", "usher: server", [TENANTS])
    for title, metric, description in [
        ("Decision", "usher_decision_seconds", "Time a command took in its shard."),
        ("Offer latency", "usher_offer_latency_seconds", "From what made an offer possible to the offer being published."),
        ("Journal commit", "usher_journal_commit_seconds", "Until a batch was durable."),
    ]:
        quantile = f"sum by (le) (rate({metric}_bucket[$__rate_interval]))"
        board.add("timeseries", f"{title}: p50, p99, p99.9", "s", 8, 9,
                  [(f"histogram_quantile({share}, {quantile})", f"p{share * 100:g}") for share in (0.5, 0.99, 0.999)],
                  description)
    board.add("timeseries", "Commands per second", "ops", 8, 8, [("rate(usher_decision_seconds_count[$__rate_interval])", "commands")],
              "Commands carried out or refused by the engines.")
    board.add("timeseries", "Contacts per second", "ops", 8, 8,
              [(f"sum(rate(usher_contacts_received_total{{{TENANT}}}[$__rate_interval]))", "received"),
               (f"sum by (outcome) (rate(usher_contacts_closed_total{{{TENANT}}}[$__rate_interval]))", "closed {{outcome}}")],
              "Contacts at the door and at their end.")
    board.add("timeseries", "Ingress and streams", "short", 8, 8,
              [("usher_ingress_depth", "depth"), ("rate(usher_ingress_refused_total[$__rate_interval])", "refused per s"),
               ("usher_stream_lag_events", "behind")],
              "Commands not yet looked at, those refused for want of room, and events that wait for the slowest reader of a stream.")
    board.add("timeseries", "Journal", "bytes", 8, 8,
              [("usher_journal_bytes", "journal"), ("usher_journal_free_bytes", "free on its disk")],
              "Segments and snapshots, and the room left for more.")
    board.add("timeseries", "CPU", "percentunit", 6, 8, [("rate(process_cpu_seconds_total{job=\"usher\"}[$__rate_interval])", "CPU")],
              "Cores in use.")
    board.add("timeseries", "Memory", "bytes", 6, 8, [("process_resident_memory_bytes{job=\"usher\"}", "resident"), ("usher_memory_limit_bytes", "bound")],
              "Resident memory, and where new contacts and agents are refused.")
    board.add("timeseries", "Files", "short", 6, 8,
              [("process_open_fds{job=\"usher\"}", "open"), ("process_max_fds{job=\"usher\"}", "most")], "File descriptors.")
    board.add("stat", "Configuration and version", "none", 6, 8,
              [(f"usher_config_version_info{{{TENANT}}}", "{{tenant}}: {{version}}"), ("usher_build_info", "usher {{version}}")],
              "The version of each tenant's policy, and of the program.", options={"textMode": "name"})
    board.add("timeseries", "Reloads of the configuration, last hour", "short", 6, 5,
              [("sum by (result) (increase(usher_config_reloads_total[1h]))", "{{result}}"),
               ("usher_config_last_reload_successful", "last one successful")],
              "By result; the other line is 1 while the last reload succeeded.")
    board.add("stat", "Queue series past the cap", "short", 6, 5, [("usher_queue_series_overflow", "past the cap")],
              "Their figures are under queue __other__.", thresholds=steps(GREEN, (1, AMBER)))
    board.add("stat", "Past max_handle", "short", 6, 5, [(f"sum(usher_contacts_over_max_handle{{{TENANT}}})", "contacts")],
              "Conversations that last longer than max_handle.", thresholds=steps(GREEN, (1, AMBER)))
    return board


def main():
    check = "--check" in sys.argv[1:]
    stale = []
    for board in (wallboard(), queue_detail(), teams(), server()):
        path = HERE / f"{board.uid.removeprefix('usher-')}.json"
        text = json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n"
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(path.name)
            continue
        HERE.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if stale:
        print(f"out of date: {', '.join(stale)}; run python3 deploy/grafana/dashboards.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
