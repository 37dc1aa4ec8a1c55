//! The expression of the selection `best_score`, as text.
//!
//! ```text
//! score    = product { ( "+" | "-" ) product } ;
//! product  = part { "*" part } ;
//! part     = number | skill | "attr." name | "contact." name | text
//!          | "(" score [ sign score ] ")" ;      (* with a sign: 1 when it holds, else 0 *)
//!
//! number   = [ "-" ] digits ;
//! skill, name, text, sign                       (* as in requirements *)
//! ```
//!
//! A skill is the agent's level in it, `attr.NAME` an attribute of the agent, `contact.NAME` one of the contact. True is
//! 1, a decimal loses what stands behind its point; a text or a list counts 0 in a sum, and what is not there 0 as well.
//! Signs compare numbers with numbers and texts with texts; anything else does not hold. Names hold `-`, so a minus
//! stands between spaces. A skill is written without quotes: what is in quotes is a text.
//!
//! For every text that is read, `parse(canonical(x)) == x`.

use std::sync::Arc;

use crate::engine::limits;
use crate::engine::requirement::Value;
use crate::engine::score::{Operation, Score, ScoreExpr};

use super::lexer::{Kind, Token, sign_text, tokens};
use super::requirement::{RequirementError, fits, fits_canonical, is_word, number, quote};

/// Parentheses within one another at most.
const DEPTH: usize = 16;

/// Reads a score. `skills` says whether a name is a known skill. Linear in the text.
///
/// # Errors
///
/// The first fault: text or canonical text longer than [`limits::REQUIREMENT_BYTES`], a character, word or order of
/// words outside the grammar, parentheses too deep, more than [`limits::SCORE_OPERATIONS`] operations, or an unknown
/// skill.
pub fn parse(text: &str, skills: &dyn Fn(&str) -> bool) -> Result<Score, RequirementError> {
    fits(text)?;
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0, operations: 0, skills };
    let expr = parser.score()?;
    if parser.token().kind != Kind::End {
        return Err(parser.expected("`+`, `-`, `*` or the end"));
    }
    Ok(Score { text: fits_canonical(text, canonical(&expr))?, expr })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    operations: usize,
    skills: &'a dyn Fn(&str) -> bool,
}

type Parsed<T> = Result<T, RequirementError>;

impl Parser<'_> {
    fn token(&self) -> &Token {
        // The last token is `End` and is never passed.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.token().clone();
        self.next += 1;
        token
    }

    fn fault(&self, message: String) -> RequirementError {
        RequirementError::at(self.text, self.token().at, message)
    }

    fn expected(&self, what: &str) -> RequirementError {
        self.fault(format!("expected {what}, found {}", self.token().kind.shown()))
    }

    fn both(&mut self, left: ScoreExpr, operation: Operation, right: ScoreExpr) -> Parsed<ScoreExpr> {
        self.operations += 1;
        if self.operations > limits::SCORE_OPERATIONS {
            return Err(self.fault(format!("more than {} operations", limits::SCORE_OPERATIONS)));
        }
        Ok(ScoreExpr::Both(Arc::new((left, operation, right))))
    }

    fn score(&mut self) -> Parsed<ScoreExpr> {
        let mut left = self.product()?;
        loop {
            let operation = match &self.token().kind {
                Kind::Plus => Operation::Add,
                Kind::Word(word) if word == "-" => Operation::Subtract,
                Kind::Word(word) if word.starts_with('-') => {
                    return Err(self.fault(format!("`{word}` is one word")).with_hint("write a minus between spaces"));
                }
                _ => return Ok(left),
            };
            self.next += 1;
            let right = self.product()?;
            left = self.both(left, operation, right)?;
        }
    }

    fn product(&mut self) -> Parsed<ScoreExpr> {
        let mut left = self.part()?;
        while self.token().kind == Kind::Times {
            self.next += 1;
            let right = self.part()?;
            left = self.both(left, Operation::Multiply, right)?;
        }
        Ok(left)
    }

    fn part(&mut self) -> Parsed<ScoreExpr> {
        let token = self.token().clone();
        match token.kind {
            Kind::Open => self.parenthesis(),
            Kind::Word(word) => {
                let expr = self.word(&word)?;
                self.next += 1;
                Ok(expr)
            }
            Kind::Text(text) => {
                self.next += 1;
                Ok(ScoreExpr::Literal(text.into()))
            }
            _ => Err(self.expected("a number, a skill, `attr.`, `contact.` or `(`")),
        }
    }

    fn parenthesis(&mut self) -> Parsed<ScoreExpr> {
        if self.depth == DEPTH {
            return Err(self.fault(format!("nested deeper than {DEPTH} levels")));
        }
        self.take();
        self.depth += 1;
        let mut inner = self.score()?;
        if let Kind::Sign(sign) = self.token().kind {
            self.take();
            let right = self.score()?;
            inner = self.both(inner, Operation::Compare(sign), right)?;
        }
        self.depth -= 1;
        if self.token().kind != Kind::Close {
            return Err(self.expected("`)`"));
        }
        self.take();
        Ok(inner)
    }

    /// An attribute's name behind its prefix: the rest of the word, or the quoted text that follows.
    fn attribute(&mut self, rest: &str) -> Parsed<String> {
        if !rest.is_empty() {
            return Ok(rest.to_owned());
        }
        match &self.tokens[(self.next + 1).min(self.tokens.len() - 1)].kind {
            Kind::Text(name) if !name.is_empty() => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.fault("an attribute without a name".into())),
        }
    }

    fn word(&mut self, word: &str) -> Parsed<ScoreExpr> {
        if let Some(rest) = word.strip_prefix("attr.") {
            return Ok(ScoreExpr::Agent(self.attribute(rest)?.into()));
        }
        if let Some(rest) = word.strip_prefix("contact.") {
            return Ok(ScoreExpr::Contact(self.attribute(rest)?.into()));
        }
        match number(word) {
            Some(Value::Int(number)) => return Ok(ScoreExpr::Number(number)),
            Some(_) => {
                return Err(self
                    .fault(format!("`{word}` is not a whole number"))
                    .with_hint("multiply all parts instead"));
            }
            None => {}
        }
        if (self.skills)(word) {
            return Ok(ScoreExpr::Skill(word.into()));
        }
        let mut error = self.fault(format!("unknown skill `{word}`"));
        error.unknown_skill = Some(word.to_owned());
        Err(error.with_hint("texts go in quotes, attributes begin with `attr.` or `contact.`"))
    }
}

/// The text of a tree in canonical form; [`parse`] reads it back to the same tree.
#[must_use]
pub fn canonical(expr: &ScoreExpr) -> String {
    let mut out = String::new();
    print(expr, &mut out);
    out
}

fn print(expr: &ScoreExpr, out: &mut String) {
    let attribute = |name: &str| if is_word(name) { name.to_owned() } else { quote(name) };
    match expr {
        ScoreExpr::Number(number) => out.push_str(&number.to_string()),
        ScoreExpr::Literal(text) => out.push_str(&quote(text)),
        ScoreExpr::Skill(skill) => out.push_str(skill),
        ScoreExpr::Agent(name) => out.push_str(&format!("attr.{}", attribute(name))),
        ScoreExpr::Contact(name) => out.push_str(&format!("contact.{}", attribute(name))),
        ScoreExpr::Both(parts) => {
            let (left, operation, right) = &**parts;
            let sign = match operation {
                Operation::Add => "+",
                Operation::Subtract => "-",
                Operation::Multiply => "*",
                Operation::Compare(comparison) => sign_text(*comparison),
            };
            if let Operation::Compare(_) = operation {
                out.push('(');
                print(left, out);
                out.push_str(&format!(" {sign} "));
                print(right, out);
                return out.push(')');
            }
            print_within(left, binds(left) < binds(expr), out);
            out.push_str(&format!(" {sign} "));
            print_within(right, binds(right) <= binds(expr), out);
        }
    }
}

/// How closely an expression's outermost operation binds.
fn binds(expr: &ScoreExpr) -> u8 {
    match expr {
        ScoreExpr::Both(parts) => match parts.1 {
            Operation::Add | Operation::Subtract => 0,
            Operation::Multiply => 1,
            // It has parentheses of its own.
            Operation::Compare(_) => 2,
        },
        _ => 2,
    }
}

fn print_within(part: &ScoreExpr, parentheses: bool, out: &mut String) {
    if !parentheses {
        return print(part, out);
    }
    out.push('(');
    print(part, out);
    out.push(')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Score, RequirementError> {
        parse(text, &|name| ["french", "a-b", "it"].contains(&name))
    }

    #[test]
    fn what_is_printed_reads_the_same() {
        for (text, canonical) in [
            ("10*french+ a-b", "10 * french + a-b"),
            ("french - (it - 3)", "french - (it - 3)"),
            ("(french - it) - -3", "french - it - -3"),
            ("2 * (french + it) * (3 * it)", "2 * (french + it) * (3 * it)"),
            ("((attr.site = contact.site))*5", "(attr.site = contact.site) * 5"),
            ("100 * (contact.\"wish for\" = 'Ana \"A\"')", "100 * (contact.\"wish for\" = \"Ana \\\"A\\\"\")"),
            (
                "it + (contact.tongue = 'french') + (attr.years >= 3 + it)",
                "it + (contact.tongue = \"french\") + (attr.years >= 3 + it)",
            ),
        ] {
            let score = read(text).expect(text);
            assert_eq!(&*score.text, canonical);
            assert_eq!(read(canonical).expect(canonical), score);
        }
    }

    #[test]
    fn faults_have_their_column() {
        for (text, column, words) in [
            ("", 1, "expected a number, a skill"),
            ("french +", 9, "found the end"),
            ("frnch * 2", 1, "unknown skill `frnch`"),
            ("french -2", 8, "`-2` is one word"),
            ("french * 1.5", 10, "`1.5` is not a whole number"),
            ("french = 3", 8, "found `=`"),
            ("(french = 3", 12, "expected `)`"),
            ("attr. + 1", 1, "an attribute without a name"),
            ("french ^ 2", 8, "unexpected character `^`"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
        let long = vec!["1"; limits::SCORE_OPERATIONS + 2].join(" + ");
        assert!(read(&long).expect_err("too long").message.contains("operations"));
        let quotes = format!("'{}' + 1", "\"".repeat(limits::REQUIREMENT_BYTES / 2));
        assert!(read(&quotes).expect_err("too long to be read back").message.contains("in canonical form"));
        let deep = format!("{}1{}", "(".repeat(17), ")".repeat(17));
        assert!(read(&deep).expect_err("too deep").message.contains("nested deeper"));
    }
}
