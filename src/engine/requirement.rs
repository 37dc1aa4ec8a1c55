//! What a contact or a queue asks of an agent, and whether an agent meets it.
//!
//! The text form is parsed at the edge (`config/requirement`); this is the tree it becomes. Never reads a clock, never knows a queue.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::id::Text;

/// A typed attribute value. Decimals are exact, in millionths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text.
    Str(Text),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// A decimal number in millionths: 1.5 is 1 500 000.
    Decimal(i64),
    /// A list of texts.
    List(Vec<Text>),
}

/// Attributes by name, sorted by name, each name once.
pub type Attributes = Vec<(Text, Value)>;

/// How a level or an attribute is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// Whether `left` stands in this relation to `right`.
    pub fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Greater => left > right,
            Comparison::AtLeast => left >= right,
        }
    }
}

/// The requirement tree. An empty `All` is met by everyone, an empty `Any` by no one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expr {
    /// Every part holds.
    All(Vec<Expr>),
    /// At least one part holds.
    Any(Vec<Expr>),
    /// The part does not hold.
    Not(Arc<Expr>),
    /// The agent's level in a skill (0 when he does not have it) compared with 1-10.
    Skill {
        /// The skill's id.
        skill: Text,
        /// The relation.
        comparison: Comparison,
        /// The level on the right-hand side.
        level: u8,
    },
    /// An attribute compared with a value of the same type; an agent without the attribute never matches.
    Attribute {
        /// The attribute's name.
        name: Text,
        /// The relation.
        comparison: Comparison,
        /// The right-hand side.
        value: Value,
    },
    /// An attribute is one of several values.
    In {
        /// The attribute's name.
        name: Text,
        /// The values.
        values: Vec<Value>,
    },
    /// A list attribute holds a text.
    Has {
        /// The attribute's name.
        name: Text,
        /// The text.
        item: Text,
    },
    /// The agent is one of those named.
    Agents(Vec<Text>),
}

/// A requirement with its canonical text, by which equal requirements are interned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The canonical text.
    pub text: Text,
    /// The tree.
    pub expr: Expr,
}

/// What a requirement looks at in an agent.
pub trait Subject {
    /// The agent's id.
    fn agent_id(&self) -> &str;
    /// His level in a skill, 0 when he does not have it.
    fn level(&self, skill: &str) -> u8;
    /// An attribute of his.
    fn attribute(&self, name: &str) -> Option<&Value>;
}

impl Expr {
    /// Whether the agent meets this requirement. Linear in the tree.
    pub fn met_by<S: Subject + ?Sized>(&self, agent: &S) -> bool {
        match self {
            Expr::All(parts) => parts.iter().all(|part| part.met_by(agent)),
            Expr::Any(parts) => parts.iter().any(|part| part.met_by(agent)),
            Expr::Not(part) => !part.met_by(agent),
            Expr::Skill { skill, comparison, level } => comparison.holds(&agent.level(skill), level),
            Expr::Attribute { name, comparison, value } => {
                agent.attribute(name).is_some_and(|held| same_type(held, value) && comparison.holds(held, value))
            }
            Expr::In { name, values } => agent.attribute(name).is_some_and(|held| values.contains(held)),
            Expr::Has { name, item } => match agent.attribute(name) {
                Some(Value::List(items)) => items.contains(item),
                _ => false,
            },
            Expr::Agents(agents) => agents.iter().any(|id| **id == *agent.agent_id()),
        }
    }

    /// Calls `see` with every skill the requirement names.
    pub fn each_skill(&self, see: &mut dyn FnMut(&Text)) {
        match self {
            Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| part.each_skill(see)),
            Expr::Not(part) => part.each_skill(see),
            Expr::Skill { skill, .. } => see(skill),
            Expr::Attribute { .. } | Expr::In { .. } | Expr::Has { .. } | Expr::Agents(_) => {}
        }
    }
}

fn same_type(left: &Value, right: &Value) -> bool {
    core::mem::discriminant(left) == core::mem::discriminant(right)
}
