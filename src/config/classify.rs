//! What a tenant's table says of classification: which queue a contact goes to that names none.

use std::sync::Arc;

use crate::engine::limits;
use crate::engine::policy::{Channel, ClassRule, Classification};
use crate::engine::requirement::{Expr, Requirement};

use super::fault::Gathered;
use super::schema::{self, At};
use super::tenant::{Known, require};

/// The rules, names looked up; `channels` are the tenant's.
pub(super) fn classification(
    table: Option<&schema::Classification>,
    known: &Known,
    channels: &[Channel],
    faults: &mut Gathered<'_>,
) -> Classification {
    let Some(table) = table else { return Classification::default() };
    let queue = |name: &At<String>, faults: &mut Gathered<'_>| {
        if !known.queues.has(name.get()) {
            faults.unknown(name.span(), "queue", name.get(), known.queues.iter());
        }
        name.get().as_str().into()
    };
    if let Some(rule) = table.rules.get(limits::CLASS_RULES) {
        faults.add(rule.span(), format!("more than {} classification rules", limits::CLASS_RULES));
    }
    let fallback = Some(queue(&table.fallback, faults));
    let mut rules = Vec::with_capacity(table.rules.len());
    for (at, rule) in table.rules.iter().enumerate() {
        let held = rule.get();
        let known_channel = |name: &str| channels.iter().any(|channel| *channel.id == *name);
        for channel in held.channels.iter().filter(|channel| !known_channel(channel.get())) {
            faults.unknown(channel.span(), "channel", channel.get(), channels.iter().map(|channel| &*channel.id));
        }
        for skill in held.asks.iter().filter(|skill| !known.skills.has(skill.get())) {
            faults.unknown(skill.span(), "skill", skill.get(), known.skills.iter());
        }
        let always = held.channels.is_empty()
            && held.asks.is_empty()
            && held.when.is_none()
            && held.priority_at_least.is_none()
            && held.age_at_least.is_none();
        if always && at + 1 < table.rules.len() {
            let hint = "put it last, or make it the `fallback`";
            faults.hinted(rule.span(), "this rule matches every contact: those after it never act", hint);
        }
        rules.push(ClassRule {
            channels: held.channels.iter().map(|channel| channel.get().as_str().into()).collect(),
            when: held.when.as_ref().and_then(|text| condition(text, known, faults)),
            priority_at_least: held.priority_at_least,
            age_at_least: held.age_at_least.map(|age| age.0),
            asks: held.asks.iter().map(|skill| skill.get().as_str().into()).collect(),
            queue: queue(&held.queue, faults),
            set_priority: held.set_priority,
            set_requirement: held
                .set_requirement
                .as_ref()
                .and_then(|text| require(text, &|name| known.skills.has(name), known.skills.iter(), faults)),
        });
    }
    Classification { rules, fallback }
}

/// A condition on a contact: attributes alone, in the grammar of requirements.
fn condition(text: &At<String>, known: &Known, faults: &mut Gathered<'_>) -> Option<Arc<Requirement>> {
    let read = require(text, &|name| known.skills.has(name), known.skills.iter(), faults)?;
    if of_agents(&read.expr) {
        let hint = "a contact has attributes, written attr.NAME; `asks` tests the skills its own requirements name";
        faults.hinted(text.span(), "`when` tests a skill or an agent", hint);
    }
    Some(read)
}

fn of_agents(expr: &Expr) -> bool {
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().any(of_agents),
        Expr::Not(part) => of_agents(part),
        Expr::Skill { .. } | Expr::Agents(_) => true,
        Expr::Attribute { .. } | Expr::In { .. } | Expr::Has { .. } => false,
    }
}
