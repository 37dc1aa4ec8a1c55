//! Requests of `usher.v1` as commands: every field is checked here for form and range, with its path.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use prost_types::{Duration, Timestamp};
use sha2::{Digest, Sha256};
use tonic::Code;
use usher_proto::v1;

use super::text;
use crate::config::requirement as grammar;
use crate::engine::agent::{AgentProfile, Presence};
use crate::engine::command::{ContactChange, NewContact};
use crate::engine::contact::{ContactProfile, Customer};
use crate::engine::id::Text;
use crate::engine::limits;
use crate::engine::requirement::{Attributes, Comparison, Expr, Requirement, Value};
use crate::engine::time::{Span, Time};
use crate::rpc::names;
use crate::rpc::status::Problem;

type Checked<T> = Result<T, Problem>;

/// What many contacts carry, kept once: requirement texts parsed before, and names of queues, channels and gateways.
/// Bounded: past the bound it starts anew.
#[derive(Default)]
pub struct Requirements {
    parsed: DashMap<String, Arc<Requirement>>,
    names: DashMap<Text, Text>,
}

const PARSED_TEXTS: usize = 16_384;

impl Requirements {
    /// The requirement a text says; none when it is empty. Skills are checked by the engine, against the policy in force.
    pub fn parse(&self, field: &str, asked: &str) -> Checked<Option<Arc<Requirement>>> {
        if asked.trim().is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.parsed.get(asked) {
            return Ok(Some(known.clone()));
        }
        let parsed = grammar::parse(asked, &|_| true).map_err(|fault| {
            let mut message = format!("{field}, column {}: {}", fault.column, fault.message);
            if let Some(hint) = &fault.hint {
                message.push_str(&format!(" ({hint})"));
            }
            let column = vec![("column", fault.column.to_string())];
            let problem = Problem::new(Code::InvalidArgument, "REQUIREMENT_INVALID", message);
            Problem { field: Some(field.to_owned()), metadata: column, ..problem }
        })?;
        let parsed = Arc::new(parsed);
        if self.parsed.len() >= PARSED_TEXTS {
            self.parsed.clear();
        }
        self.parsed.insert(asked.to_owned(), parsed.clone());
        Ok(Some(parsed))
    }

    /// The text of a name as it was first seen.
    fn shared(&self, name: Text) -> Text {
        if let Some(known) = self.names.get(&name) {
            return known.clone();
        }
        if self.names.len() >= PARSED_TEXTS {
            self.names.clear();
        }
        self.names.insert(name.clone(), name.clone());
        name
    }

    /// The requirement of a request that has a text field and a structured one: at most one may be set.
    pub fn either(
        &self,
        (field, asked): (&str, &str),
        (structured_field, structured): (&str, Option<&v1::Requirement>),
    ) -> Checked<Option<Arc<Requirement>>> {
        let Some(structured) = structured else { return self.parse(field, asked) };
        if !asked.trim().is_empty() {
            return Err(Problem::field(structured_field, &format!("not be set beside {field}")));
        }
        let expr = grammar::normal(expr(structured_field, structured, 0)?);
        let text = grammar::canonical(&expr);
        if text.len() > limits::REQUIREMENT_BYTES {
            return Err(Problem::field(structured_field, "be shorter: at most 4096 bytes in its text form"));
        }
        Ok(Some(Arc::new(Requirement { text: Text::from(text), expr })))
    }
}

/// First 16 bytes of the SHA-256 of a message.
pub fn digest(message: &impl prost::Message) -> [u8; 16] {
    let hash = Sha256::digest(message.encode_to_vec());
    hash[..16].try_into().expect("a SHA-256 has 32 bytes")
}

// ---- scalars

/// A tenant's name; `default` when empty.
pub fn tenant(tenant: &str) -> &str {
    if tenant.is_empty() { "default" } else { tenant }
}

/// An id that must be there: 1-128 bytes without control characters.
pub fn id(field: &str, id: String) -> Checked<Text> {
    if id.is_empty() {
        return Err(Problem::field(field, "not be empty"));
    }
    optional_id(field, id)
}

/// An id that may be empty.
pub fn optional_id(field: &str, id: String) -> Checked<Text> {
    if id.len() > limits::ID_BYTES {
        return Err(Problem::field(field, &format!("be at most {} bytes", limits::ID_BYTES)));
    }
    if id.chars().any(char::is_control) {
        return Err(Problem::field(field, "hold no control characters"));
    }
    Ok(text(id))
}

/// Ids to choose by, at most so many.
pub fn ids(field: &str, ids: &[String], most: usize) -> Checked<()> {
    if ids.len() > most {
        return Err(Problem::field(field, &format!("name at most {most}")));
    }
    ids.iter().try_for_each(|asked| id(field, asked.clone()).map(drop))
}

/// Words of a closed set to choose by: each must be one of them, and not the unspecified one.
pub fn members<T: TryFrom<i32>>(field: &str, asked: &[i32]) -> Checked<()> {
    match asked.iter().all(|number| *number != 0 && T::try_from(*number).is_ok()) {
        true => Ok(()),
        false => Err(Problem::field(field, "be values of its enum, UNSPECIFIED left out")),
    }
}

/// Free text of bounded length.
pub fn words(field: &str, given: String) -> Checked<Text> {
    bounded(field, given, limits::ATTRIBUTE_BYTES)
}

/// Text of at most so many bytes.
fn bounded(field: &str, words: String, most: usize) -> Checked<Text> {
    if words.len() > most {
        return Err(Problem::field(field, &format!("be at most {most} bytes")));
    }
    Ok(text(words))
}

/// Where a customer is reached.
pub fn address(field: &str, given: String) -> Checked<Text> {
    bounded(field, given, NAME_BYTES)
}

/// A request id; none when empty.
pub fn request_id(request_id: &str) -> Checked<Option<Text>> {
    if request_id.len() > limits::REQUEST_ID_BYTES {
        return Err(Problem::field("request_id", &format!("be at most {} bytes", limits::REQUEST_ID_BYTES)));
    }
    Ok((!request_id.is_empty()).then(|| Text::from(request_id)))
}

/// An instant from 1970 on, to the microsecond.
pub fn time(field: &str, time: Option<Timestamp>) -> Checked<Option<Time>> {
    let Some(time) = time else { return Ok(None) };
    let valid = (0..=253_402_300_799).contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos);
    if !valid {
        return Err(Problem::field(field, "be a valid time from 1970 to 9999"));
    }
    Ok(Some(Time(time.seconds as u64 * 1_000_000 + time.nanos as u64 / 1_000)))
}

/// A span that is not negative, to the microsecond.
pub fn span(field: &str, span: Option<Duration>) -> Checked<Option<Span>> {
    let Some(span) = span else { return Ok(None) };
    let valid = (0..=315_576_000_000).contains(&span.seconds) && (0..1_000_000_000).contains(&span.nanos);
    if !valid {
        return Err(Problem::field(field, "be a duration that is not negative"));
    }
    Ok(Some(Span(span.seconds as u64 * 1_000_000 + span.nanos as u64 / 1_000)))
}

/// A lease: none at all, or 1 s to 24 h.
pub fn lease(field: &str, lease: Option<Duration>) -> Checked<Option<Span>> {
    let lease = span(field, lease)?;
    let least = Span::from_secs(1);
    if lease.is_some_and(|lease| !lease.is_zero() && !(least..=limits::LEASE).contains(&lease)) {
        return Err(Problem::field(field, "be 0 for none, or 1 s to 24 h"));
    }
    Ok(lease)
}

/// A presence with its reason.
pub fn presence(field: &str, presence: i32, reason: String) -> Checked<Presence> {
    let reason = words("reason", reason)?;
    let presence = match v1::Presence::try_from(presence) {
        Ok(v1::Presence::Offline) => Presence::Offline,
        Ok(v1::Presence::Available) => Presence::Available,
        Ok(v1::Presence::NotReady) => return Ok(Presence::NotReady(reason)),
        Ok(v1::Presence::Unspecified) | Err(_) => {
            return Err(Problem::field(field, "be OFFLINE, AVAILABLE or NOT_READY"));
        }
    };
    if !reason.is_empty() {
        return Err(Problem::field("reason", "be empty unless the presence is NOT_READY"));
    }
    Ok(presence)
}

/// A page: how many to answer, 1-1000, 100 when not said.
pub fn page_size(size: i32) -> Checked<usize> {
    match size {
        0 => Ok(100),
        1.. => Ok(size.min(1000) as usize),
        _ => Err(Problem::field("page_size", "not be negative")),
    }
}

// ---- attributes and requirements

fn value(field: &str, value: v1::Value) -> Checked<Value> {
    use v1::value::Kind;
    let most = limits::ATTRIBUTE_BYTES;
    let long = || Problem::field(field, &format!("be at most {most} bytes"));
    Ok(match value.kind {
        Some(Kind::StringValue(held)) if held.len() > most => return Err(long()),
        Some(Kind::StringValue(held)) => Value::Str(text(held)),
        Some(Kind::Int64Value(number)) => Value::Int(number),
        Some(Kind::BoolValue(truth)) => Value::Bool(truth),
        Some(Kind::DecimalMillionths(millionths)) => Value::Decimal(millionths),
        Some(Kind::ListValue(list)) => {
            if list.values.iter().map(String::len).sum::<usize>() > most {
                return Err(long());
            }
            Value::List(list.values.into_iter().map(text).collect())
        }
        None => return Err(Problem::field(field, "have a value")),
    })
}

fn attribute_name(field: &str, name: String) -> Checked<Text> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=limits::CONFIG_ID_BYTES).contains(&name.len()) || !name.bytes().all(letters) {
        return Err(Problem::field(field, "be named by 1-64 letters, digits, dots, underscores or hyphens"));
    }
    Ok(text(name))
}

/// Attributes, sorted by name as the wire has them.
pub fn attributes(field: &str, given: BTreeMap<String, v1::Value>) -> Checked<Attributes> {
    if given.len() > limits::ATTRIBUTES {
        return Err(Problem::field(field, &format!("have at most {} entries", limits::ATTRIBUTES)));
    }
    let mut checked = Attributes::with_capacity(given.len());
    for (name, held) in given {
        let path = format!("{field}[{name:?}]");
        checked.push((attribute_name(&path, name)?, value(&path, held)?));
    }
    Ok(checked)
}

const DEPTH: usize = grammar::DEPTH;
const PARTS: usize = 64;

fn expr(field: &str, node: &v1::Requirement, depth: usize) -> Checked<Expr> {
    use v1::requirement::Node;
    if depth > DEPTH {
        return Err(Problem::field(field, &format!("be nested at most {DEPTH} deep")));
    }
    let list = |list: &v1::RequirementList| -> Checked<Vec<Expr>> {
        if list.parts.len() > PARTS {
            return Err(Problem::field(field, &format!("have at most {PARTS} parts in a list")));
        }
        list.parts.iter().map(|part| expr(field, part, depth + 1)).collect()
    };
    Ok(match node.node.as_ref().ok_or_else(|| Problem::field(field, "have a node"))? {
        Node::All(parts) => Expr::All(list(parts)?),
        Node::Any(parts) => Expr::Any(list(parts)?),
        Node::Not(part) => Expr::Not(Arc::new(expr(field, part, depth + 1)?)),
        Node::Compare(compare) => {
            use v1::compare_requirement::Subject;
            let comparison = comparison(field, compare.comparison)?;
            let right = compare.value.clone().ok_or_else(|| Problem::field(field, "have a value to compare with"))?;
            let right = value(field, right)?;
            match compare.subject.as_ref() {
                Some(Subject::Skill(skill)) => skill_level(field, skill, comparison, &right)?,
                Some(Subject::Attribute(name)) => {
                    Expr::Attribute { name: id(field, name.clone())?, comparison, value: right }
                }
                None => return Err(Problem::field(field, "compare a skill or an attribute")),
            }
        }
        Node::Has(has) => Expr::Has { name: id(field, has.attribute.clone())?, item: words(field, has.item.clone())? },
        Node::In(within) => {
            let values = within.values.iter().map(|held| value(field, held.clone())).collect::<Checked<_>>()?;
            Expr::In { name: id(field, within.attribute.clone())?, values }
        }
        Node::Range(range) => range_expr(field, range)?,
        Node::Agents(agents) => {
            Expr::Agents(agents.agent_ids.iter().map(|agent| id(field, agent.clone())).collect::<Checked<_>>()?)
        }
    })
}

fn range_expr(field: &str, range: &v1::RangeRequirement) -> Checked<Expr> {
    use v1::range_requirement::Subject;
    let bound =
        |held: &Option<v1::Value>| value(field, held.clone().ok_or_else(|| Problem::field(field, "have both bounds"))?);
    let (low, high) = (bound(&range.min)?, bound(&range.max)?);
    let both = [(Comparison::AtLeast, low), (Comparison::AtMost, high)];
    let parts = both.into_iter().map(|(comparison, bound)| match range.subject.as_ref() {
        Some(Subject::Skill(skill)) => skill_level(field, skill, comparison, &bound),
        Some(Subject::Attribute(name)) => {
            Ok(Expr::Attribute { name: id(field, name.clone())?, comparison, value: bound })
        }
        None => Err(Problem::field(field, "compare a skill or an attribute")),
    });
    Ok(Expr::All(parts.collect::<Checked<_>>()?))
}

fn skill_level(field: &str, skill: &str, comparison: Comparison, level: &Value) -> Checked<Expr> {
    match level {
        Value::Int(level @ 1..=10) => {
            Ok(Expr::Skill { skill: id(field, skill.to_owned())?, comparison, level: *level as u8 })
        }
        _ => Err(Problem::field(field, "compare a skill with a whole number, 1 to 10")),
    }
}

fn comparison(field: &str, comparison: i32) -> Checked<Comparison> {
    Ok(match v1::Comparison::try_from(comparison) {
        Ok(v1::Comparison::Equal) => Comparison::Equal,
        Ok(v1::Comparison::NotEqual) => Comparison::NotEqual,
        Ok(v1::Comparison::Less) => Comparison::Less,
        Ok(v1::Comparison::AtMost) => Comparison::AtMost,
        Ok(v1::Comparison::Greater) => Comparison::Greater,
        Ok(v1::Comparison::AtLeast) => Comparison::AtLeast,
        Ok(v1::Comparison::Unspecified) | Err(_) => return Err(Problem::field(field, "name a comparison")),
    })
}

// ---- contacts and agents

/// The customer's part and the rest of a contact's attributes.
fn split_personal(contact: &mut v1::Contact) -> Checked<(Option<Arc<Customer>>, Attributes)> {
    let mut personal = BTreeMap::new();
    for name in &contact.personal_attributes {
        match contact.attributes.remove_entry(name) {
            Some((name, held)) => personal.insert(name, held),
            None => {
                return Err(Problem::field(
                    "contact.personal_attributes",
                    "name attributes the contact has, each once",
                ));
            }
        };
    }
    let customer = Customer {
        customer_id: optional_id("contact.customer_id", std::mem::take(&mut contact.customer_id))?,
        address: address("contact.customer_address", std::mem::take(&mut contact.customer_address))?,
        attributes: attributes("contact.attributes", personal)?,
    };
    let rest = attributes("contact.attributes", std::mem::take(&mut contact.attributes))?;
    Ok(((customer != Customer::default()).then(|| Arc::new(customer)), rest))
}

/// A contact to be created. `make_id` names it when the client does not.
pub fn new_contact(
    requirements: &Requirements,
    contact: Option<v1::Contact>,
    make_id: impl FnOnce() -> String,
) -> Checked<NewContact> {
    let mut contact = contact.ok_or_else(|| Problem::field("contact", "be set"))?;
    let digest = digest(&contact);
    if !matches!(v1::ContactKind::try_from(contact.kind), Ok(v1::ContactKind::Unspecified | v1::ContactKind::Standard))
    {
        return Err(Problem::field("contact.kind", "be STANDARD"));
    }
    if contact.contact_id.is_empty() {
        contact.contact_id = make_id();
    }
    let requirement = requirements.either(
        ("contact.requirements", &contact.requirements),
        ("contact.requirement", contact.requirement.as_ref()),
    )?;
    let (customer, attributes) = split_personal(&mut contact)?;
    let direction = names::direction_from(contact.direction)
        .ok_or_else(|| Problem::field("contact.direction", "be INBOUND, OUTBOUND, CALLBACK or INTERNAL"))?;
    let profile = ContactProfile {
        contact_id: id("contact.contact_id", contact.contact_id)?,
        gateway_id: requirements.shared(optional_id("contact.gateway_id", contact.gateway_id)?),
        direction,
        callback_of: optional_id("contact.callback_of", contact.callback_of)?,
        conversation_id: optional_id("contact.conversation_id", contact.conversation_id)?,
        channel: requirements.shared(id("contact.channel", contact.channel)?),
        preferred_agent_id: optional_id("contact.preferred_agent_id", contact.preferred_agent_id)?,
        customer,
        attributes,
    };
    Ok(NewContact {
        profile: Arc::new(profile),
        digest,
        queue: requirements.shared(optional_id("contact.queue", contact.queue)?),
        agent_id: optional_id("contact.agent_id", contact.agent_id)?,
        priority: contact.priority,
        requirement,
        age_credit: span("contact.age_credit", contact.age_credit)?.unwrap_or_default(),
        arrival: time("contact.arrival_time", contact.arrival_time)?,
        schedule: time("contact.schedule_time", contact.schedule_time)?,
        expire: time("contact.expire_time", contact.expire_time)?,
    })
}

/// The fields `UpdateContact` can change, as its mask names them.
pub const UPDATABLE: [&str; 10] = [
    "attributes",
    "personal_attributes",
    "customer_id",
    "customer_address",
    "conversation_id",
    "preferred_agent_id",
    "priority",
    "requirements",
    "requirement",
    "expire_time",
];

/// What an update changes: the fields of its mask. The customer's part is replaced whole when one of its fields is named.
pub fn contact_change(
    requirements: &Requirements,
    mut contact: v1::Contact,
    mask: Option<prost_types::FieldMask>,
) -> Checked<ContactChange> {
    let paths = mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        return Err(Problem::field("update_mask", "name at least one field"));
    }
    if let Some(unknown) = paths.iter().find(|path| !UPDATABLE.contains(&path.as_str())) {
        let message = format!("name fields that can be updated; {unknown:?} cannot: {}", UPDATABLE.join(", "));
        return Err(Problem::field("update_mask", &message));
    }
    let has = |path: &str| paths.iter().any(|held| held == path);
    let mut change = ContactChange::default();
    if has("priority") {
        change.priority = Some(contact.priority);
    }
    if has("expire_time") {
        change.expire = Some(time("contact.expire_time", contact.expire_time)?);
    }
    if has("requirements") || has("requirement") {
        change.requirement = Some(requirements.either(
            ("contact.requirements", &contact.requirements),
            ("contact.requirement", contact.requirement.as_ref()),
        )?);
    }
    if has("conversation_id") {
        let conversation = std::mem::take(&mut contact.conversation_id);
        change.conversation_id = Some(optional_id("contact.conversation_id", conversation)?);
    }
    if has("preferred_agent_id") {
        let preferred = std::mem::take(&mut contact.preferred_agent_id);
        change.preferred_agent_id = Some(optional_id("contact.preferred_agent_id", preferred)?);
    }
    let personal = has("personal_attributes") || has("customer_id") || has("customer_address");
    if has("attributes") || personal {
        let (customer, attributes) = split_personal(&mut contact)?;
        if has("attributes") {
            change.attributes = Some(attributes);
        }
        if personal {
            change.customer = Some(customer);
        }
    }
    Ok(change)
}

/// Longest display name or address in bytes.
const NAME_BYTES: usize = 256;

/// Levels by skill, from the least allowed to 10.
pub fn skill_levels(
    field: &str,
    given: impl IntoIterator<Item = (String, i32)>,
    least: u8,
) -> Result<Vec<(Text, u8)>, Problem> {
    let mut skills = Vec::new();
    for (skill, level) in given {
        let path = format!("{field}[{skill:?}]");
        let level = u8::try_from(level).ok().filter(|level| (least..=limits::SKILL_LEVEL).contains(level));
        let level = level.ok_or_else(|| Problem::field(&path, &format!("be a level from {least} to 10")))?;
        skills.push((id(&path, skill)?, level));
    }
    Ok(skills)
}

/// An agent's profile.
pub fn agent_profile(agent: Option<v1::Agent>) -> Checked<AgentProfile> {
    let agent = agent.ok_or_else(|| Problem::field("agent", "be set"))?;
    let capacity = match agent.capacity {
        0 => AgentProfile::CAPACITY,
        units => u32::try_from(units).map_err(|_| Problem::field("agent.capacity", "be 1 to 10 000"))?,
    };
    let skills = skill_levels("agent.skills", agent.skills, 1)?;
    let team = optional_id("agent.team", agent.team)?;
    let site = bounded("agent.site", agent.site, limits::CONFIG_ID_BYTES)?;
    let agent_id = id("agent.agent_id", agent.agent_id)?;
    let display_name = bounded("agent.display_name", agent.display_name, NAME_BYTES)?;
    Ok(AgentProfile {
        display_name: if display_name.is_empty() { agent_id.clone() } else { display_name },
        agent_id,
        team: (!team.is_empty()).then_some(team),
        site: (!site.is_empty()).then_some(site),
        agent_type: names::agent_type_from(agent.r#type)
            .ok_or_else(|| Problem::field("agent.type", "be HUMAN or AI"))?,
        skills,
        attributes: attributes("agent.attributes", agent.attributes)?,
        capacity,
        managed_by_config: false,
    })
}
