//! Rules for texts that the schema can only name: ids, labels, addresses, zones, log filters.

use std::net::SocketAddr;

use crate::engine::limits;

use super::nearest;

/// What is wrong with a text, and what to write instead.
pub type Wrong = (String, Option<String>);

/// Checks a text by the rule of that name.
pub(super) fn check(rule: &str, text: &str) -> Result<(), Wrong> {
    match rule {
        "id" => id(text),
        "label" => label(text),
        "listen" => listen(text),
        "time-zone" => time_zone(text),
        "log" => log(text),
        "date" => date(text),
        "time-of-day" => time_of_day(text).map(|_| ()),
        _ => Ok(()),
    }
}

fn id(text: &str) -> Result<(), Wrong> {
    let rule = Some(format!("an id is 1-{} letters, digits, `.`, `_` or `-`", limits::CONFIG_ID_BYTES));
    if text.is_empty() {
        return Err(("an id cannot be empty".into(), rule));
    }
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
        let message = format!("`{}` cannot stand in an id", bad.escape_debug());
        let hint = "an id is letters, digits, `.`, `_` and `-`; `display_name` may hold any text";
        return Err((message, Some(hint.into())));
    }
    if text.len() > limits::CONFIG_ID_BYTES {
        return Err((format!("the id has {} characters", text.len()), rule));
    }
    Ok(())
}

fn label(text: &str) -> Result<(), Wrong> {
    if text.trim().is_empty() {
        return Err(("the text is empty".into(), None));
    }
    if text.len() > limits::ID_BYTES {
        return Err((format!("the text is longer than {} bytes", limits::ID_BYTES), None));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(bad) => Err((format!("control character `{}` in the text", bad.escape_debug()), None)),
        None => Ok(()),
    }
}

fn listen(text: &str) -> Result<(), Wrong> {
    let hint = || Some("write an IP address and a port, such as \"127.0.0.1:50051\" or \"[::]:50051\"".to_owned());
    text.parse::<SocketAddr>().map(|_| ()).map_err(|_| (format!("`{text}` is not an address to listen on"), hint()))
}

fn time_zone(text: &str) -> Result<(), Wrong> {
    if jiff::tz::TimeZone::get(text).is_ok() {
        return Ok(());
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let hint = match nearest(text, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "write an IANA name such as \"Europe/Lisbon\" or \"UTC\"".into(),
    };
    Err((format!("there is no time zone `{text}`"), Some(hint)))
}

fn date(text: &str) -> Result<(), Wrong> {
    let hint = || Some("write a date such as \"2026-03-02\"".to_owned());
    text.parse::<jiff::civil::Date>().map(|_| ()).map_err(|_| (format!("`{text}` is not a date"), hint()))
}

/// Seconds since midnight of a time of day such as "08:00" or "16:30:15"; "24:00" is the end of the day.
pub fn time_of_day(text: &str) -> Result<u32, Wrong> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &&str, most: u32| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>().ok().filter(|number| digits && *number <= most)
    };
    let read = match parts.as_slice() {
        [hours, minutes] => number(hours, 24).zip(number(minutes, 59)).map(|(h, m)| h * 3_600 + m * 60),
        [hours, minutes, seconds] => number(hours, 24)
            .zip(number(minutes, 59))
            .zip(number(seconds, 59))
            .map(|((h, m), s)| h * 3_600 + m * 60 + s),
        _ => None,
    };
    read.filter(|seconds| *seconds <= 86_400).ok_or_else(|| {
        let hint = "write hours and minutes, such as \"08:00\" or \"16:30\"; \"24:00\" is the end of the day";
        (format!("`{text}` is not a time of day"), Some(hint.into()))
    })
}

fn log(text: &str) -> Result<(), Wrong> {
    let hint = || Some("write a level (error, warn, info, debug, trace) or \"info,usher=debug\"".to_owned());
    // A word that is no level would be taken for the name of a module, all of which is logged.
    let level = |part: &str| part.trim().parse::<tracing::level_filters::LevelFilter>().is_ok();
    let clear = !text.trim().is_empty() && text.split(',').all(|part| part.contains('=') || level(part));
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) if clear => Ok(()),
        _ => Err((format!("`{text}` does not say what to log"), hint())),
    }
}
