//! The requirement language: what is read, how it is printed back, what is refused and where.

use std::sync::Arc;

use proptest::prelude::*;
use usher::config::requirement::{DEPTH, canonical, normal, parse};
use usher::engine::agent::AgentProfile;
use usher::engine::limits;
use usher::engine::requirement::{Comparison, Expr, Value};

const SKILLS: [&str; 6] = ["french", "billing", "voice-v2", "and", "3rd.line", "agent"];

fn known(name: &str) -> bool {
    SKILLS.contains(&name)
}

/// Text and its canonical form.
const READ: &[(&str, &str)] = &[
    ("french >= 3 and billing >= 2", "billing >= 2 and french >= 3"),
    ("french", "french >= 1"),
    ("not french", "french < 1"),
    ("NOT (french = 3)", "french != 3"),
    ("not not french > 2", "french > 2"),
    ("((french))", "french >= 1"),
    ("french<3 or french>=8 OR billing<=1", "billing <= 1 or french < 3 or french >= 8"),
    ("french or billing and voice-v2", "billing >= 1 and voice-v2 >= 1 or french >= 1"),
    ("(french or billing) and voice-v2", "(billing >= 1 or french >= 1) and voice-v2 >= 1"),
    ("french and (billing and (voice-v2 and french))", "billing >= 1 and french >= 1 and voice-v2 >= 1"),
    ("french in 3..7", "french <= 7 and french >= 3"),
    ("french in 3 .. 7", "french <= 7 and french >= 3"),
    ("not french in 3..7", "not (french <= 7 and french >= 3)"),
    ("french in (3, 5)", "french = 3 or french = 5"),
    ("french in (4)", "french = 4"),
    ("\"and\" >= 2", "\"and\" >= 2"),
    ("'agent' >= 2", "\"agent\" >= 2"),
    ("3rd.line >= 2", "3rd.line >= 2"),
    ("attr.tier = gold", "attr.tier = \"gold\""),
    ("attr.tier = 'gold'", "attr.tier = \"gold\""),
    ("attr.tier != \"a \\\"b\\\" c\"", "attr.tier != \"a \\\"b\\\" c\""),
    ("attr.\"Größe\" >= 5", "attr.\"Größe\" >= 5"),
    ("attr.years >= -5", "attr.years >= -5"),
    ("attr.rating > 4.50", "attr.rating > 4.5"),
    ("attr.rating = -0.000001", "attr.rating = -0.000001"),
    ("attr.rating = 3.0", "attr.rating = 3.0"),
    ("attr.mentor = TRUE", "attr.mentor = true"),
    ("attr.years in 3..7", "attr.years <= 7 and attr.years >= 3"),
    ("attr.rating in 1.5..2.5", "attr.rating <= 2.5 and attr.rating >= 1.5"),
    ("attr.shift in (late, early, late)", "attr.shift in (\"early\", \"late\")"),
    ("attr.shift in (late)", "attr.shift = \"late\""),
    ("attr.products has fibre", "attr.products has \"fibre\""),
    ("attr.products = [fibre, \"mobile\"]", "attr.products = [\"fibre\", \"mobile\"]"),
    ("attr.products = []", "attr.products = []"),
    ("not attr.tier = gold", "not attr.tier = \"gold\""),
    ("agent in (bo, ana, ana)", "agent in (ana, bo)"),
    ("agent = 1001", "agent in (1001)"),
    ("agent != ana", "not agent in (ana)"),
    ("agent in (\"ana b\", or)", "agent in (\"ana b\", \"or\")"),
    ("true", "true"),
    ("false or french", "french >= 1"),
    ("true and french", "french >= 1"),
    ("false and french", "false"),
    ("not true", "false"),
    ("\tfrench\n>=\n3 ", "french >= 3"),
];

#[test]
fn texts_are_read_and_printed() {
    for (text, expected) in READ {
        let read = parse(text, &known).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(&*read.text, *expected, "{text}");
        let again = parse(&read.text, &known).unwrap_or_else(|error| panic!("{}: {error}", read.text));
        assert_eq!(again, read, "{text}");
    }
}

/// Text, column, words of the message, words of the hint.
const REFUSED: &[(&str, u32, &str, &str)] = &[
    ("", 1, "found the end", ""),
    ("   ", 4, "found the end", ""),
    ("frnch >= 3", 1, "unknown skill `frnch`", "did you mean `french`"),
    ("french and xyzzyx", 12, "unknown skill `xyzzyx`", "attr.xyzzyx"),
    ("french >= ", 11, "expected a level", ""),
    ("french >= 0", 11, "level 0 is not within 1-10", ""),
    ("french >= 11", 11, "level 11", ""),
    ("french >= -1", 11, "level -1", ""),
    ("french >= 3.5", 11, "level 3.5", "whole numbers"),
    ("french >= three", 11, "expected a level", ""),
    ("french >= 3x", 11, "`3x` is not a level", ""),
    ("french 3", 8, "expected `and`, `or` or the end, found `3`", ""),
    ("french billing", 8, "expected `and`", ""),
    ("french == 3", 8, "`==`", "write `=`"),
    ("french && billing", 8, "`&&`", "write `and`"),
    ("french || billing", 8, "`||`", "write `or`"),
    ("!french", 1, "unexpected character `!`", "write `not`"),
    ("french | billing", 8, "unexpected character", "write `or`"),
    ("french => 3", 8, "`=>`", "write `>=`"),
    ("french ≥ 3", 8, "`≥`", "write `>=`"),
    ("französisch >= 3", 6, "unexpected character `ö`", "quotes"),
    ("(french", 8, "expected `and`, `or` or `)`", ""),
    ("french)", 7, "found `)`", ""),
    ("()", 2, "found `)`", ""),
    ("and french", 1, "found `and`", ""),
    ("french and", 11, "found the end", ""),
    ("french or or billing", 11, "found `or`", ""),
    ("not", 4, "found the end", ""),
    ("french in", 10, "range such as", ""),
    ("french in 7..3", 11, "empty", "lower end first"),
    ("french in 3..=7", 14, "found `=`", "3..7"),
    ("french in 0..7", 11, "level 0", ""),
    ("french in 3", 11, "range such as", ""),
    ("french in (3", 13, "expected `,` or `)`", ""),
    ("french in ()", 12, "expected a level", ""),
    ("french in (3,)", 14, "expected a level", ""),
    ("french has x", 8, "found `has`", ""),
    ("attr.", 6, "attribute's name", ""),
    ("attr. \"x\" = 1", 6, "attribute's name", ""),
    ("attr.x", 7, "expected a comparison", ""),
    ("attr.x =", 9, "found the end", ""),
    ("attr.x = and", 10, "found `and`", "quotes"),
    ("attr.x = 1.1234567", 10, "not a number", "6 places"),
    ("attr.x = 99999999999999999999", 10, "not a number", ""),
    ("attr.x = -y", 10, "not a number", "quotes"),
    ("attr.x in 1..2.5", 11, "both whole or both decimal", ""),
    ("attr.x in a..b", 11, "range such as", ""),
    ("attr.x has", 11, "expected the text", ""),
    ("attr.x = [a b]", 13, "expected `,` or `]`", ""),
    ("attr.x = \"gold", 10, "without its closing", ""),
    ("attr.x = \"go\\ld\"", 13, "unknown escape", ""),
    ("agent", 6, "expected `=`, `!=` or `in`", ""),
    ("agent >= ana", 7, "expected `=`", ""),
    ("agent in ana", 10, "expected `(`", ""),
    ("agent in ()", 11, "agent's id", ""),
    ("french @ 3", 8, "unexpected character `@`", ""),
];

#[test]
fn faults_have_column_and_hint() {
    for (text, column, message, hint) in REFUSED {
        let error = parse(text, &known).expect_err(text).suggest(SKILLS);
        assert_eq!(error.column, *column, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {error}");
    }
}

#[test]
fn the_caret_is_under_the_fault() {
    let text = "é french";
    let error = parse("french and bilingg", &known).expect_err("unknown");
    assert_eq!(error.caret("french and bilingg"), "french and bilingg\n           ^");
    assert_eq!(
        error.clone().suggest(SKILLS).to_string(),
        "column 12: unknown skill `bilingg`; did you mean `billing`?"
    );
    let error = parse(text, &known).expect_err("character");
    assert_eq!((error.column, error.offset()), (1, 0));
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}french{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(DEPTH), &known).is_ok());
    assert_eq!(parse(&nested(DEPTH + 1), &known).expect_err("deep").column, DEPTH as u32 + 2);
    let negated = |depth: usize| format!("{}french", "not ".repeat(depth));
    assert!(parse(&negated(DEPTH), &known).is_ok());
    assert!(parse(&negated(100_000 / 4), &known).is_err());
    assert!(parse(&negated(DEPTH + 1), &known).is_err());

    let long = format!("attr.x = \"{}\"", "x".repeat(limits::REQUIREMENT_BYTES));
    assert!(parse(&long, &known).expect_err("long").message.contains("4096"));
    let widened: Vec<String> = (0..420).map(|number| format!("french or {number}=1")).collect();
    assert!(parse(&widened.join(" or "), &|_| true).is_err());
}

#[test]
fn ranges_and_lists_mean_what_they_say() {
    let agent = |level: u8, years: i64| AgentProfile {
        agent_id: "ana".into(),
        skills: vec![("french".into(), level)],
        attributes: vec![("years".into(), Value::Int(years))],
        ..AgentProfile::default()
    };
    let met = |text: &str, level, years| parse(text, &known).expect(text).expr.met_by(&agent(level, years));
    for level in 1..=10 {
        assert_eq!(met("french in 3..7", level, 0), (3..=7).contains(&level));
        assert_eq!(met("not french in 3..7", level, 0), !(3..=7).contains(&level));
        assert_eq!(met("french in (3, 7)", level, 0), level == 3 || level == 7);
    }
    assert!(met("attr.years in -2..2", 1, -2) && !met("attr.years in -2..2", 1, 3));
    assert!(!met("attr.years = 3.0", 1, 3), "a decimal is not a whole number");
    assert!(met("agent != bo", 1, 0) && met("agent in (bo, ana)", 1, 0));
}

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof!["[a-z]{1,4}", "[ -~é\\n\\t]{1,5}"].prop_map(Into::into)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::Str),
        any::<i64>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Decimal),
        prop::collection::vec(text(), 0..3).prop_map(Value::List),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::AtMost),
        Just(Comparison::Greater),
        Just(Comparison::AtLeast),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        (0..SKILLS.len(), comparison(), 1..=10u8).prop_map(|(at, comparison, level)| Expr::Skill {
            skill: SKILLS[at].into(),
            comparison,
            level
        }),
        (text(), comparison(), value()).prop_map(|(name, comparison, value)| Expr::Attribute {
            name,
            comparison,
            value
        }),
        (text(), prop::collection::vec(value(), 0..3)).prop_map(|(name, values)| Expr::In { name, values }),
        (text(), text()).prop_map(|(name, item)| Expr::Has { name, item }),
        prop::collection::vec(text(), 0..3).prop_map(Expr::Agents),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Expr::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Expr::Any),
            inner.prop_map(|part| Expr::Not(Arc::new(part))),
        ]
    })
}

/// Pieces of which texts near the grammar are made.
const PIECES: [&str; 24] = [
    "french", "billing", "attr.x", "attr.", "agent", "and", "or", "not", "in", "has", "(", ")", ",", "[", "]", ">=",
    "!=", "=", "3", "3..7", "\"q\"", "'", "true", "é",
];

proptest! {
    #[test]
    fn printed_trees_are_read_back(expr in expr()) {
        let expr = normal(expr);
        prop_assert_eq!(&normal(expr.clone()), &expr);
        let printed = canonical(&expr);
        prop_assume!(printed.len() <= limits::REQUIREMENT_BYTES);
        let read = parse(&printed, &known).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        prop_assert_eq!(&read.expr, &expr, "{}", printed);
        prop_assert_eq!(&*read.text, printed);
    }

    #[test]
    fn any_text_is_read_or_refused(pieces in prop::collection::vec(0..PIECES.len(), 0..24), noise in ".{0,8}") {
        let text = pieces.iter().map(|at| PIECES[*at]).chain([noise.as_str()]).collect::<Vec<_>>().join(" ");
        match parse(&text, &known) {
            Ok(read) => prop_assert_eq!(parse(&read.text, &known), Ok(read)),
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.offset()));
                prop_assert!(error.column as usize <= text.chars().count() + 1);
                let _ = error.caret(&text);
            }
        }
    }
}
