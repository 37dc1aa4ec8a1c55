//! Queues that nobody can ever serve, and channels that nobody has room for: faults of a file whose names all hold.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::engine::agent::AgentProfile;
use crate::engine::policy::{ClassRule, Exhausted, Policy, Queue};
use crate::engine::requirement::{Comparison, Expr, Requirement};

use super::fault::Gathered;
use super::schema::{At, Tenant};

/// Where the things of a tenant that may be at fault stand in the file.
pub(super) struct Spots {
    tenant: Range<usize>,
    queues: Vec<QueueSpots>,
    /// By classification rule, what it sets contacts to ask.
    rules: Vec<Option<Range<usize>>>,
    costs: HashMap<String, Range<usize>>,
}

struct QueueSpots {
    id: Range<usize>,
    require: Option<Range<usize>>,
    steps: Vec<Option<Range<usize>>>,
}

impl QueueSpots {
    fn of(queue: &super::schema::Queue) -> QueueSpots {
        let span = |text: &Option<At<String>>| text.as_ref().map(At::span);
        let steps = queue.steps.iter().map(|step| span(&step.get().require)).collect();
        QueueSpots { id: queue.id.span(), require: span(&queue.require), steps }
    }
}

impl Spots {
    /// The places of this tenant.
    pub fn of(tenant: &Tenant) -> Spots {
        let cost = |channel: &super::schema::Channel| {
            let span = channel.cost.as_ref().map_or(channel.id.span(), At::span);
            (channel.id.get().0.clone(), span)
        };
        Spots {
            tenant: tenant.id.span(),
            queues: tenant.queues.iter().map(QueueSpots::of).collect(),
            rules: tenant.classification.iter().flat_map(|table| &table.rules).map(set_requirement).collect(),
            costs: tenant.channels.iter().map(cost).collect(),
        }
    }
}

fn set_requirement(rule: &At<super::schema::ClassRule>) -> Option<Range<usize>> {
    rule.get().set_requirement.as_ref().map(At::span)
}

/// Reports what cannot be served by the agents configured. Of every skill a requirement demands only the rarest one's
/// agents are looked at.
pub(super) fn check(policy: &Policy, spots: &Spots, faults: &mut Gathered<'_>, warnings: &mut Gathered<'_>) {
    let served = Served::of(policy);
    for (queue, spots) in policy.queues.iter().zip(&spots.queues) {
        served.queue(queue, spots, faults);
    }
    for (rule, span) in policy.classification.rules.iter().zip(&spots.rules) {
        served.rule(policy, rule, span.as_ref(), faults);
    }
    let most = policy.agents.iter().map(|agent| agent.capacity).max().unwrap_or(0);
    for channel in policy.channels.iter().filter(|channel| channel.cost > most) {
        let span = spots.costs.get(&*channel.id).unwrap_or(&spots.tenant).clone();
        let (id, cost) = (&channel.id, channel.cost);
        warnings.add(span, format!("channel `{id}` costs {cost}, and no agent here has more capacity than {most}"));
    }
}

struct Served<'a> {
    /// The teams that list each queue.
    by_queue: HashMap<&'a str, Vec<&'a str>>,
    /// The teams that list `*`.
    by_all: Vec<&'a str>,
    by_skill: HashMap<&'a str, Vec<&'a AgentProfile>>,
    all: &'a [Arc<AgentProfile>],
}

impl<'a> Served<'a> {
    fn of(policy: &'a Policy) -> Served<'a> {
        let mut served =
            Served { by_queue: HashMap::new(), by_all: Vec::new(), by_skill: HashMap::new(), all: &policy.agents };
        for team in &policy.teams {
            for membership in &team.queues {
                match &*membership.queue {
                    "*" => served.by_all.push(&team.id),
                    queue => served.by_queue.entry(queue).or_default().push(&team.id),
                }
            }
        }
        for agent in &policy.agents {
            for (skill, _) in &agent.skills {
                served.by_skill.entry(skill).or_default().push(agent);
            }
        }
        served
    }

    fn queue(&self, queue: &Queue, spots: &QueueSpots, faults: &mut Gathered<'_>) {
        let listed = self.by_queue.get(&*queue.id).map_or(&[][..], Vec::as_slice);
        if listed.is_empty() && self.by_all.is_empty() {
            let hint = format!("add {{ id = \"{}\" }} to the `queues` of a team", queue.id);
            return faults.hinted(spots.id.clone(), format!("no team serves queue `{}`", queue.id), hint);
        }
        let steps = queue.steps.iter().zip(&spots.steps).map(|(step, span)| (&step.require, span));
        for (wanted, span) in [(&queue.require, &spots.require)].into_iter().chain(steps) {
            if let (Some(wanted), Some(span)) = (wanted, span) {
                self.requirement(queue, wanted, span, faults);
            }
        }
    }

    /// A rule that sets what contacts ask, of a queue where nobody can meet it beside what the queue asks. Where steps drop
    /// some of what contacts ask, it may be met later.
    fn rule(&self, policy: &Policy, rule: &ClassRule, span: Option<&Range<usize>>, faults: &mut Gathered<'_>) {
        let found = policy.queues.iter().find(|queue| queue.id == rule.queue);
        let (Some(set), Some(span), Some(queue)) = (&rule.set_requirement, span, found) else { return };
        let drops = queue.steps.iter().any(|step| !step.drop.is_empty());
        if drops || matches!(queue.exhausted, Exhausted::AnyInQueue(_)) {
            return;
        }
        let own = queue.steps.first().is_none_or(|first| !first.after.is_zero()).then_some(&queue.require);
        let steps = queue.steps.iter().map(|step| if step.require.is_some() { &step.require } else { &queue.require });
        let asked: Vec<_> = own.into_iter().chain(steps).collect();
        let meets = |agent: &AgentProfile| {
            let one_of = |asked: &&Option<Arc<Requirement>>| asked.as_ref().is_none_or(|it| it.expr.met_by(agent));
            set.expr.met_by(agent) && asked.iter().any(one_of)
        };
        if self.all.iter().any(|agent| self.serves(queue, agent) && meets(agent)) {
            return;
        }
        let message =
            match self.all.iter().map(Arc::as_ref).any(|agent| self.serves(queue, agent) && set.expr.met_by(agent)) {
                true => format!("no agent here can ever meet `{}` and what queue `{}` asks", set.text, queue.id),
                false => format!("no agent in a team that serves queue `{}` meets `{}`", queue.id, set.text),
            };
        faults.hinted(
            span.clone(),
            message,
            "lower it, name another queue, or give an agent of such a team the skills",
        );
    }

    fn serves(&self, queue: &Queue, agent: &AgentProfile) -> bool {
        let listed = self.by_queue.get(&*queue.id).map_or(&[][..], Vec::as_slice);
        match agent.team.as_deref() {
            Some(team) => listed.contains(&team) || self.by_all.contains(&team),
            None => false,
        }
    }

    fn requirement(&self, queue: &Queue, wanted: &Requirement, span: &Range<usize>, faults: &mut Gathered<'_>) {
        let serves = |agent: &AgentProfile| self.serves(queue, agent);
        let mut met = false;
        let met_by = |agent: &AgentProfile| {
            let meets = wanted.expr.met_by(agent);
            met |= meets;
            meets && serves(agent)
        };
        let found = match self.rarest(&wanted.expr) {
            Some(agents) => agents.iter().copied().any(met_by),
            None => self.all.iter().map(Arc::as_ref).any(met_by),
        };
        if found {
            return;
        }
        let message = if met {
            format!("no agent in a team that serves queue `{}` meets `{}`", queue.id, wanted.text)
        } else {
            format!("no agent here can ever meet `{}`", wanted.text)
        };
        faults.hinted(span.clone(), message, "lower it, or give an agent of such a team the skills");
    }

    /// The agents who have the rarest of the skills without which the requirement is never met, if it names any.
    fn rarest(&self, expr: &Expr) -> Option<&[&'a AgentProfile]> {
        let of = |skill: &str| self.by_skill.get(skill).map_or(&[][..], Vec::as_slice);
        match expr {
            Expr::Skill {
                skill, comparison: Comparison::AtLeast | Comparison::Greater | Comparison::Equal, ..
            } => Some(of(skill)),
            Expr::All(parts) => parts.iter().filter_map(|part| self.rarest(part)).min_by_key(|agents| agents.len()),
            _ => None,
        }
    }
}
