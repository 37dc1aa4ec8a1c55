//! A system of classes and pools becomes a configuration file, checked and compiled like anyone's, and a scene.
//!
//! A class is a queue, a pool is a team. The rules in words become keys of the configuration; a rule that has no key is
//! a gap in the router, and the case fails with the fault of the file.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::config;
use crate::engine::time::{Span, Time};
use crate::sim::arrivals::{Arrivals, Stretch};
use crate::sim::law::Law;
use crate::sim::scene::{Change, Conduct, Flow, Scene, To, key_of};

use super::file::{Class, Pool, System};

/// When every case begins: 2024-01-01T00:00:00Z.
pub(super) const START: Time = Time(1_704_067_200_000_000);

/// No case lasts longer.
pub(super) const END: Time = Time(u64::MAX / 4);

/// How a free agent's contact is chosen, from its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Fcfs,
    StaticPriority,
    Accumulating,
    Preference,
    QueueRatio,
}

impl Order {
    fn of(words: &str) -> Result<Order> {
        Ok(match words.split(':').next().unwrap_or_default().trim() {
            "fcfs" => Order::Fcfs,
            "static_priority" => Order::StaticPriority,
            "accumulating_priority" => Order::Accumulating,
            "agent_skill_order" => Order::Preference,
            "fixed_queue_ratio" => Order::QueueRatio,
            other => bail!("there is no contact selection `{other}`"),
        })
    }
}

/// The queues' `selection`, from its words.
fn selection(words: &str) -> Result<&'static str> {
    Ok(match words.split(':').next().unwrap_or_default().trim() {
        "longest_idle" => "longest_idle",
        "skill_rank_then_longest_idle" => "ranked",
        "random" => "random",
        other => bail!("there is no agent selection `{other}`"),
    })
}

/// The configuration file of a system.
///
/// # Errors
/// Words the router has no rule for.
pub fn configuration(system: &System) -> Result<String> {
    let order = Order::of(&system.contact_selection)?;
    let mut out = String::from(
        "[[tenants]]\nid = \"default\"\nsession_lease = \"0s\"\nretention = \"0s\"\nretained_contacts = 0\n\n\
         [[tenants.channels]]\nid = \"voice\"\nconnect = \"on_accept\"\nauto_accept = true\nmax_wait = \"90d\"\n\
         max_handle = \"90d\"\n",
    );
    let threshold_us = (system.threshold_s.unwrap_or(20.0) * 1e6).round() as u64;
    for class in &system.classes {
        let _ = write!(out, "\n[[tenants.queues]]\nid = \"{}\"\n", class.id);
        let _ = writeln!(out, "service_level = {{ threshold = \"{}us\" }}", threshold_us.max(100_000));
        match selection(&system.agent_selection)? {
            "longest_idle" => {}
            other => {
                let _ = writeln!(out, "selection = \"{other}\"");
            }
        }
        if order == Order::Accumulating {
            let rate = class.aging_rate.with_context(|| format!("class `{}` has no aging_rate", class.id))?;
            let _ = writeln!(out, "aging_per_minute = {:?}", rate * aging_unit(system));
        }
        if let (Some(places), 1) = (system.waiting_places, system.classes.len()) {
            let _ = writeln!(out, "limit = {places}");
        }
    }
    if let (Some(places), 2..) = (system.waiting_places, system.classes.len()) {
        let all = list(system.classes.iter().map(|class| &class.id));
        let _ = write!(out, "\n[[tenants.queue_groups]]\nid = \"all\"\nqueues = [{all}]\nlimit = {places}\n");
    }
    for pool in &system.pools {
        team(system, pool, order, &mut out)?;
    }
    reserves(system, &mut out);
    for pool in &system.pools {
        for agent in 1..=pool.agents {
            let _ = write!(out, "\n[[tenants.agents]]\nid = \"{0}-{agent}\"\nteam = \"{0}\"\n", pool.id);
        }
    }
    Ok(out)
}

/// Only ratios of aging matter: what is above the most a queue may have is brought down to it.
fn aging_unit(system: &System) -> f64 {
    const MOST: f64 = 1_000.0;
    let largest = system.classes.iter().filter_map(|class| class.aging_rate).fold(0.0, f64::max);
    if largest > MOST { MOST / largest } else { 1.0 }
}

fn list<'a>(ids: impl Iterator<Item = &'a String>) -> String {
    ids.map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ")
}

fn team(system: &System, pool: &Pool, order: Order, out: &mut String) -> Result<()> {
    let priorities: BTreeSet<i64> = system.classes.iter().filter_map(|class| class.priority).collect();
    let mut lines = Vec::new();
    for class in system.classes.iter().filter(|class| pool.serves.contains(&class.id)) {
        let mut line = format!("id = \"{}\"", class.id);
        match order {
            Order::StaticPriority => {
                let own = class.priority.with_context(|| format!("class `{}` has no priority", class.id))?;
                let place = priorities.iter().position(|priority| *priority == own).unwrap_or(0);
                let _ = write!(line, ", priority = {}", place + 1);
            }
            Order::Preference => {
                let own = pool.class_order.as_ref().unwrap_or(&pool.serves);
                let place = own.iter().position(|id| *id == class.id);
                let place = place.with_context(|| format!("pool `{}` does not order `{}`", pool.id, class.id))?;
                let _ = write!(line, ", priority = {}", place + 1);
            }
            Order::QueueRatio => {
                let ratio = class.queue_ratio.with_context(|| format!("class `{}` has no queue_ratio", class.id))?;
                let _ = write!(line, ", ratio = {ratio:?}");
            }
            Order::Fcfs | Order::Accumulating => {}
        }
        if let Some(rank) = class.pool_rank.get(&pool.id) {
            let _ = write!(line, ", rank = {}", rank + 1);
        }
        lines.push(format!("{{ {line} }}"));
    }
    let _ = write!(out, "\n[[tenants.teams]]\nid = \"{}\"\nqueues = [{}]\n", pool.id, lines.join(", "));
    if order == Order::QueueRatio {
        out.push_str("contact_order = \"queue_ratio\"\nqueue_ratio = { measure = \"count\" }\n");
    }
    Ok(())
}

fn reserves(system: &System, out: &mut String) {
    for class in &system.classes {
        for (pool, keep) in class.reserve_idle_in_pool.iter().filter(|(_, keep)| **keep > 0) {
            let _ =
                write!(out, "\n[[tenants.reserve]]\nteam = \"{pool}\"\nqueue = \"{}\"\nkeep_idle = {keep}\n", class.id);
        }
    }
}

/// The scene of a system: everyone at work from the start, and for ever.
///
/// # Errors
/// The faults of its configuration, or what a scene cannot be made of.
pub fn scene(system: &System) -> Result<Scene> {
    let config = config::parse(&configuration(system)?, "configuration of the case").map_err(|faults| {
        let first = faults.faults.first();
        let hint = first.and_then(|fault| fault.hint.as_deref()).unwrap_or_default();
        anyhow::anyhow!("the router cannot express it: {} ({hint})", first.map_or("", |fault| &fault.message))
    })?;
    let policy = Arc::new(config.tenants.into_iter().next().context("no tenant")?);
    let on = |agent: &Arc<crate::engine::agent::AgentProfile>| Change {
        at: START,
        agent_id: agent.agent_id.clone(),
        to: To::In,
    };
    Ok(Scene {
        start: START,
        end: END,
        flows: system.classes.iter().map(|class| flow(system, class)).collect::<Result<_>>()?,
        conduct: vec![Conduct::default(); policy.teams.len()],
        roster: policy.agents.iter().map(on).collect(),
        policy,
        ..Scene::default()
    })
}

fn flow(system: &System, class: &Class) -> Result<Flow> {
    if class.arrivals != "poisson" {
        bail!("class `{}`: arrivals are `{}`, not `poisson`", class.id, class.arrivals);
    }
    let law = |pool: &Pool| {
        let law = system.handle_time.law(&class.id, &pool.id)?;
        if law.is_none() && pool.serves.contains(&class.id) {
            bail!("there is no handle time for `{},{}`", class.id, pool.id);
        }
        Ok(law.unwrap_or(Law::Deterministic { value: 0.0 }))
    };
    Ok(Flow {
        id: class.id.as_str().into(),
        key: key_of(&class.id),
        queue: class.id.as_str().into(),
        channel: "voice".into(),
        priority: 0,
        requirement: None,
        attributes: Vec::new(),
        patience: class.patience.as_ref().map(|patience| patience.law()).transpose()?,
        handle_time: system.pools.iter().map(law).collect::<Result<_>>()?,
        wrap_up: Vec::new(),
        retry: None,
        given: Vec::new(),
    })
}

/// The arrivals of every class, for ever.
#[must_use]
pub fn arrivals(system: &System) -> Vec<Arrivals> {
    let poisson =
        |class: &Class| Arrivals::poisson([Stretch { from: START, to: END, rate: class.arrival_rate_per_s / 1e6 }]);
    system.classes.iter().map(poisson).collect()
}

/// The threshold of service levels.
#[must_use]
pub fn threshold(system: &System) -> Span {
    Span((system.threshold_s.unwrap_or(20.0) * 1e6).round() as u64)
}
