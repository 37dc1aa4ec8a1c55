//! What the view has, as metrics: service levels, occupancy, and the counters that need the whole contact to be known.
//!
//! The ratios are formed in `view::kpi` alone. A queue past the cap on series is not left out: its figures are part of
//! those of [`names::OTHER`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::names::{self, Metric};
use super::text::Page;
use crate::engine::contact::Direction;
use crate::engine::id::Text;
use crate::view::counts::{Count, Counts, Sum};
use crate::view::kpi::DEFINITIONS;
use crate::view::names as words;
use crate::view::snapshot::{Figures, Snapshot};

/// The windows of service levels, the day last.
const WINDOWS: [&str; 5] = ["5m", "15m", "30m", "60m", "day"];

/// Queue, channel and direction as labels.
pub(super) type Labels<'a> = (&'a str, &'a str, &'static str);

/// The figures of one tenant's queues, those without series of their own together.
struct Shown<'a> {
    tenant: &'a Text,
    /// Since the books began, by queue, channel and direction.
    totals: BTreeMap<Labels<'a>, Counts>,
    /// By queue and direction: of the windows, then of the day.
    levels: BTreeMap<(&'a str, &'static str), [Figures; 5]>,
}

impl<'a> Shown<'a> {
    fn of(snapshot: &'a Snapshot, past: &BTreeSet<Labels<'_>>) -> Shown<'a> {
        let mut shown = Shown { tenant: &snapshot.tenant, totals: BTreeMap::new(), levels: BTreeMap::new() };
        for queue in &snapshot.queues {
            let mut has_own: BTreeSet<Direction> = BTreeSet::new();
            for cell in &queue.cells {
                let direction = words::direction(cell.view.direction);
                let kept = !past.contains(&(&*queue.queue, &*cell.channel, direction));
                if kept {
                    has_own.insert(cell.view.direction);
                }
                let name = if kept { &*queue.queue } else { names::OTHER };
                *shown.totals.entry((name, &cell.channel, direction)).or_default() += &cell.total;
            }
            for view in &queue.directions {
                let name = if has_own.contains(&view.direction) { &*queue.queue } else { names::OTHER };
                let levels = shown.levels.entry((name, words::direction(view.direction))).or_default();
                let figures = view.windows.iter().chain([&view.day]);
                levels.iter_mut().zip(figures).for_each(|(sum, more)| sum.add(&more.counts, more.waiting_past));
            }
        }
        shown
    }
}

/// Writes them. `past` are the queues, channels and directions past the cap on series, by tenant.
pub(super) fn write(page: &mut Page, snapshots: &[Arc<Snapshot>], past: &BTreeMap<&str, BTreeSet<Labels<'_>>>) {
    let none = BTreeSet::new();
    let shown: Vec<Shown<'_>> =
        snapshots.iter().map(|snapshot| Shown::of(snapshot, past.get(&*snapshot.tenant).unwrap_or(&none))).collect();
    write_totals(page, &shown);
    write_levels(page, &shown);
    write_promises(page, snapshots);
    page.begin(&names::OCCUPANCY);
    for snapshot in snapshots {
        for team in &snapshot.teams {
            if let Some(occupancy) = team.own_occupancy {
                page.sample(&names::OCCUPANCY, &[&snapshot.tenant, &team.team], occupancy);
            }
        }
    }
}

fn write_totals(page: &mut Page, shown: &[Shown<'_>]) {
    let mut metric = |metric: &Metric, write: &dyn Fn(&mut Page, &[&str], &Counts)| {
        page.begin(metric);
        for tenant in shown {
            for ((queue, channel, direction), counts) in &tenant.totals {
                write(page, &[tenant.tenant, queue, channel, direction], counts);
            }
        }
    };
    metric(&names::CONTACTS_RESOLVED, &|page, own, counts| {
        page.sample(&names::CONTACTS_RESOLVED, own, counts.count(Count::Resolved));
    });
    metric(&names::SURVEY_ANSWERS, &|page, own, counts| {
        for (count, kind, result) in words::SURVEYS.iter().filter(|(count, ..)| counts[*count] != 0) {
            page.sample(&names::SURVEY_ANSWERS, &[own, &[*kind, *result]].concat(), counts.count(*count));
        }
    });
    metric(&names::HANDLING_COST, &|page, own, counts| {
        page.sample(&names::HANDLING_COST, own, counts[Sum::Cost] as f64 / 1e6);
    });
    page.begin(&names::CALLBACKS);
    for tenant in shown {
        let mut callbacks: BTreeMap<(&str, &str), Counts> = BTreeMap::new();
        for ((queue, channel, _), counts) in &tenant.totals {
            *callbacks.entry((queue, channel)).or_default() += counts;
        }
        for ((queue, channel), counts) in callbacks {
            for (count, result) in words::CALLBACKS.iter().filter(|(count, _)| counts[*count] != 0) {
                page.sample(&names::CALLBACKS, &[tenant.tenant, queue, channel, result], counts.count(*count));
            }
        }
    }
}

fn write_levels(page: &mut Page, shown: &[Shown<'_>]) {
    page.begin(&names::SERVICE_LEVEL);
    for tenant in shown {
        for ((queue, direction), figures) in &tenant.levels {
            for (window, figures) in WINDOWS.iter().zip(figures) {
                for (definition, level) in DEFINITIONS.iter().zip(figures.kpis().service_level.all()) {
                    if let Some(level) = level {
                        let own: [&str; 5] = [tenant.tenant, queue, direction, window, definition];
                        page.sample(&names::SERVICE_LEVEL, &own, level);
                    }
                }
            }
        }
    }
}

/// What is promised, by queue, so that alerts need not know it.
fn write_promises(page: &mut Page, snapshots: &[Arc<Snapshot>]) {
    page.begin(&names::SERVICE_LEVEL_TARGET);
    for snapshot in snapshots {
        for queue in &snapshot.queues {
            let target = f64::from(queue.target_ppm) / 1e6;
            page.sample(&names::SERVICE_LEVEL_TARGET, &[&snapshot.tenant, &queue.queue], target);
        }
    }
    page.begin(&names::SERVICE_LEVEL_THRESHOLD);
    for snapshot in snapshots {
        for queue in &snapshot.queues {
            let threshold = super::cells::seconds(queue.threshold);
            page.sample(&names::SERVICE_LEVEL_THRESHOLD, &[&snapshot.tenant, &queue.queue], threshold);
        }
    }
    page.begin(&names::QUEUE_AGENTS);
    for snapshot in snapshots {
        for queue in &snapshot.queues {
            for (state, count) in names::AGENT_STATES.iter().zip(queue.agents.states).filter(|(_, count)| *count > 0) {
                page.sample(&names::QUEUE_AGENTS, &[&snapshot.tenant, &queue.queue, state], count);
            }
        }
    }
}
