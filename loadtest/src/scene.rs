//! The contact center the load runs in: its configuration, and the names of its agents and contacts.

use std::fmt::Write;

use crate::Size;

/// The queue, and the team that serves it, of unary calls.
pub const UNARY: &str = "unary";
/// The queue, and the team that serves it, of sessions.
pub const STREAMS: &str = "streams";
/// The channel whose offers wait to be accepted, and whose contacts wait to be connected.
pub const TALK: &str = "talk";
/// The channel whose contacts are accepted and connected as they are offered.
pub const AUTO: &str = "auto";
/// Capacity of an agent who works by unary calls: every contact costs 1.
pub const ROOM: u32 = 1_000;

/// Capacity of an agent who works in a session: all agents together have room for what the gateways have under way,
/// and no more than rounding gives.
pub fn stream_room(size: &Size) -> u32 {
    (size.gateways * size.window).div_ceil(size.agents).min(1_000)
}

/// An agent's number: those who work by unary calls come first.
pub fn agent_id(number: u32, size: &Size) -> String {
    if number < size.agents { format!("u{number}") } else { format!("s{}", number - size.agents) }
}

/// The number of an agent by his id.
pub fn agent_number(id: &str, size: &Size) -> Option<u32> {
    let number: u32 = id.get(1..)?.parse().ok()?;
    match id.as_bytes().first()? {
        b'u' if number < size.agents => Some(number),
        b's' if number < size.agents => Some(number + size.agents),
        _ => None,
    }
}

/// The id of a contact. `run` keeps the contacts of several runs on one server apart.
pub fn contact_id(run: u32, number: usize) -> String {
    format!("c{run}-{number}")
}

/// The number of a contact by its id.
pub fn contact_number(id: &str) -> Option<usize> {
    id.split_once('-')?.1.parse().ok()
}

/// The whole configuration, on free ports of this machine.
pub fn config(size: &Size) -> String {
    let mut text = format!(
        r#"# Written by usher-loadtest.
[server]
grpc_listen = "127.0.0.1:0"
http_listen = "127.0.0.1:0"

[server.limits]
stream_buffer = {buffer}

[telemetry]
log = "warn"

[journal]
backend = "memory"

[[tenants]]
id = "default"
session_lease = "0s"

[[tenants.channels]]
id = "{TALK}"
cost = 1
max = 1000
connect = "explicit"
auto_accept = false
offer_timeout = "10m"
connect_timeout = "10m"
rona = 0

[[tenants.channels]]
id = "{AUTO}"
cost = 1
max = 1000
connect = "on_accept"
auto_accept = true
"#,
        buffer = (size.window * 16).clamp(1_024, 65_536),
    );
    for queue in [UNARY, STREAMS] {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n[[tenants.queues]]\nid = \"{queue}\"\n");
        let _ = write!(text, "\n[[tenants.teams]]\nid = \"{queue}\"\nqueues = [{{ id = \"{queue}\" }}]\n");
    }
    for number in 0..2 * size.agents {
        let (team, capacity) = if number < size.agents { (UNARY, ROOM) } else { (STREAMS, stream_room(size)) };
        let id = agent_id(number, size);
        let _ = write!(text, "\n[[tenants.agents]]\nid = \"{id}\"\nteam = \"{team}\"\ncapacity = {capacity}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_numbers() {
        let size = Size { agents: 5, gateways: 1, window: 1 };
        for number in 0..10 {
            assert_eq!(agent_number(&agent_id(number, &size), &size), Some(number));
        }
        assert_eq!(agent_number("u5", &size), None);
        assert_eq!(agent_number("", &size), None);
        assert_eq!(contact_number(&contact_id(7, 42)), Some(42));
        assert_eq!(contact_number("other"), None);
    }
}
