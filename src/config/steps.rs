//! What a queue's table says of relaxation: its steps and what follows the last of them.

use crate::engine::limits;
use crate::engine::policy::{self, Exhausted, Trigger};
use crate::engine::time::Span;

use super::duration::Duration;
use super::fault::Gathered;
use super::schema::{self, At, ExhaustedThen, Step};
use super::tenant::{Known, require};

/// The steps of a queue and what follows them. `overflow` are its rules, read before.
pub(super) fn steps(
    table: &schema::Queue,
    overflow: &[policy::Overflow],
    known: &Known,
    faults: &mut Gathered<'_>,
) -> (Vec<policy::Step>, Exhausted) {
    if let Some(step) = table.steps.get(limits::STEPS) {
        faults.add(step.span(), format!("more than {} steps", limits::STEPS));
    }
    let mut last: Option<Span> = None;
    let mut read = Vec::with_capacity(table.steps.len());
    for step in &table.steps {
        let after = begins(step, last, faults);
        last = Some(after.max(last.unwrap_or_default()));
        read.push(self::step(step.get(), after, known, faults));
    }
    let exhausted = exhausted(table, overflow, last.unwrap_or_default(), faults);
    if let (Some(step), Exhausted::StayOnLast) = (table.steps.last(), exhausted) {
        endless(step.get(), faults);
    }
    unrelaxed(table, exhausted, faults);
    (read, exhausted)
}

/// Reports overflow rules that relax where there is no step to come to.
fn unrelaxed(table: &schema::Queue, exhausted: Exhausted, faults: &mut Gathered<'_>) {
    let first = table.steps.first().map(|step| step.get().after.as_ref().map_or(Span::ZERO, |after| after.get().0));
    let own = usize::from(first.is_none_or(|after| !after.is_zero()));
    let any = usize::from(matches!(exhausted, Exhausted::AnyInQueue(_)));
    let alone = own + table.steps.len() + any < 2;
    for rule in table.overflow.iter().filter(|rule| rule.get().then == schema::Then::Relax) {
        match rule.get().when {
            _ if alone => {
                let hint = "add steps, such as steps = [{ after = \"1m\", require = \"…\" }]";
                faults.hinted(rule.span(), "then = \"relax\" needs a queue with steps to come to", hint);
            }
            schema::When::StepsExhausted => {
                let hint =
                    "steps_exhausted = { after = \"…\", then = \"any_in_queue\" } takes whoever serves the queue";
                faults.hinted(rule.span(), "when = \"steps_exhausted\" leaves no step to come to", hint);
            }
            schema::When::QueueClosed => {
                let hint = "\"queue\", \"external\" and \"refuse\" take it elsewhere";
                faults.hinted(rule.span(), "a contact does not wait in a closed queue: it cannot be relaxed", hint);
            }
            _ => {}
        }
    }
}

/// When a step begins; all but the first must say so, each later than the one before it.
fn begins(step: &At<Step>, last: Option<Span>, faults: &mut Gathered<'_>) -> Span {
    match (&step.get().after, last) {
        (None, None) => Span::ZERO,
        (None, Some(_)) => {
            faults.hinted(step.span(), "a step without `after`", "all but the first need one, such as after = \"30s\"");
            Span::ZERO
        }
        (Some(after), Some(last)) if after.get().0 <= last => {
            let hint = format!(
                "`after` counts from when the contact comes into the queue; write more than {}",
                Duration(last)
            );
            faults.hinted(after.span(), "the step begins no later than the one before it", hint);
            after.get().0
        }
        (Some(after), _) => after.get().0,
    }
}

fn step(step: &Step, after: Span, known: &Known, faults: &mut Gathered<'_>) -> policy::Step {
    for name in &step.drop {
        if !name.get().starts_with("attr.") && !known.skills.has(name.get()) {
            faults.unknown(name.span(), "skill", name.get(), known.skills.iter());
        }
    }
    let read = step.require.as_ref();
    policy::Step {
        after,
        require: read.and_then(|text| require(text, &|name| known.skills.has(name), known.skills.iter(), faults)),
        drop: step.drop.iter().map(|name| name.get().as_str().into()).collect(),
        prefer: step.prefer.is_some(),
        skip_if: step.skip_if.as_ref().map(|when| match when.get() {
            schema::SkipIf::NobodySignedIn => policy::SkipIf::NobodySignedIn,
        }),
    }
}

fn exhausted(table: &schema::Queue, overflow: &[policy::Overflow], last: Span, faults: &mut Gathered<'_>) -> Exhausted {
    let acts = overflow.iter().any(|rule| rule.trigger == Trigger::StepsExhausted);
    let then = table.steps_exhausted.as_ref().map_or(ExhaustedThen::StayOnLast, |given| given.get().then);
    let stray = table.overflow.iter().find(|rule| rule.get().when == schema::When::StepsExhausted);
    if let Some(rule) = stray.filter(|_| then != ExhaustedThen::Overflow) {
        let hint = "add steps_exhausted = { after = \"2m\", then = \"overflow\" } to the queue";
        faults.hinted(rule.span(), "this rule never acts: the queue's steps are never exhausted", hint);
    }
    let Some(given) = &table.steps_exhausted else { return Exhausted::StayOnLast };
    let after = given.get().after.as_ref();
    match (then, after) {
        (ExhaustedThen::StayOnLast, None) => return Exhausted::StayOnLast,
        (ExhaustedThen::StayOnLast, Some(after)) => {
            faults.hinted(after.span(), "`after` means nothing with then = \"stay_on_last\"", "leave it out");
            return Exhausted::StayOnLast;
        }
        (_, None) => {
            faults.hinted(given.span(), "`after` is missing", "say when the last step is over: after = \"2m\"")
        }
        (_, Some(after)) if after.get().0 <= last => {
            let hint = format!("the last step begins at {}; write more", Duration(last));
            faults.hinted(after.span(), "the last step would be over before it begins", hint);
        }
        (ExhaustedThen::Overflow, Some(_)) if !acts => {
            let hint =
                "add a rule to `overflow`, such as { when = \"steps_exhausted\", then = \"queue\", queue = \"…\" }";
            faults.hinted(given.span(), "no overflow rule says what to do then", hint);
        }
        (ExhaustedThen::AnyInQueue | ExhaustedThen::Overflow, Some(_)) => {}
    }
    let after = after.map_or(Span::ZERO, |after| after.get().0);
    match then {
        ExhaustedThen::AnyInQueue => Exhausted::AnyInQueue(after),
        _ => Exhausted::Overflow(after),
    }
}

/// Reports a last step that some contacts would never come to: they could wait for ever.
fn endless(step: &Step, faults: &mut Gathered<'_>) {
    let hint = "add a step after it, or `steps_exhausted`";
    if let Some(prefer) = &step.prefer {
        let message = "the last step is for preferred agents alone: a contact without one would wait for ever";
        faults.hinted(prefer.span(), message, hint);
    }
    if let Some(skip) = &step.skip_if {
        faults.hinted(skip.span(), "the last step cannot be passed over", hint);
    }
}
