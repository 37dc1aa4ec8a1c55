//! What the selection `best_score` computes of an agent for a contact: a whole number, the highest wins.
//!
//! The text form is parsed at the edge (`config/score`); this is the tree it becomes. Arithmetic saturates: nothing
//! overflows and nothing is refused while contacts come in.

use alloc::sync::Arc;

use super::agent::AgentProfile;
use super::id::Text;
use super::requirement::{Attributes, Comparison, Subject, Value};

/// What is done with two parts of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// 1 when the left part stands in this relation to the right one, else 0.
    Compare(Comparison),
}

/// The tree of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreExpr {
    /// A whole number.
    Number(i64),
    /// A text, to compare with.
    Literal(Text),
    /// The agent's level in a skill, 0 when he does not have it.
    Skill(Text),
    /// An attribute of the agent.
    Agent(Text),
    /// An attribute of the contact.
    Contact(Text),
    /// Two parts.
    Both(Arc<(ScoreExpr, Operation, ScoreExpr)>),
}

/// An expression with its canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// The canonical text.
    pub text: Text,
    /// The tree.
    pub expr: ScoreExpr,
}

/// What a part of an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Number(i64),
    Words(&'a str),
    /// An attribute that is not there, or a list.
    Nothing,
}

impl Part<'_> {
    /// As a number: whatever is none counts 0.
    fn number(self) -> i64 {
        match self {
            Part::Number(number) => number,
            Part::Words(_) | Part::Nothing => 0,
        }
    }
}

impl Score {
    /// The score of an agent for a contact with these attributes. Linear in the expression.
    #[must_use]
    pub fn of(&self, agent: &AgentProfile, contact: &Attributes) -> i64 {
        part(&self.expr, agent, contact).number()
    }
}

fn part<'a>(expr: &'a ScoreExpr, agent: &'a AgentProfile, contact: &'a Attributes) -> Part<'a> {
    match expr {
        ScoreExpr::Number(number) => Part::Number(*number),
        ScoreExpr::Literal(text) => Part::Words(text),
        ScoreExpr::Skill(skill) => Part::Number(i64::from(agent.level(skill))),
        ScoreExpr::Agent(name) => value(agent.attribute(name)),
        ScoreExpr::Contact(name) => {
            let at = contact.binary_search_by(|(held, _)| (**held).cmp(name));
            value(at.ok().map(|at| &contact[at].1))
        }
        ScoreExpr::Both(parts) => {
            let (left, operation, right) = &**parts;
            let (left, right) = (part(left, agent, contact), part(right, agent, contact));
            Part::Number(match operation {
                Operation::Add => left.number().saturating_add(right.number()),
                Operation::Subtract => left.number().saturating_sub(right.number()),
                Operation::Multiply => left.number().saturating_mul(right.number()),
                Operation::Compare(comparison) => i64::from(match (left, right) {
                    (Part::Number(left), Part::Number(right)) => comparison.holds(&left, &right),
                    (Part::Words(left), Part::Words(right)) => comparison.holds(left, right),
                    _ => false,
                }),
            })
        }
    }
}

/// An attribute in an expression: true is 1, a decimal loses what stands behind its point.
fn value(held: Option<&Value>) -> Part<'_> {
    match held {
        Some(Value::Int(number)) => Part::Number(*number),
        Some(Value::Bool(truth)) => Part::Number(i64::from(*truth)),
        Some(Value::Decimal(millionths)) => Part::Number(millionths / 1_000_000),
        Some(Value::Str(text)) => Part::Words(text),
        Some(Value::List(_)) | None => Part::Nothing,
    }
}
