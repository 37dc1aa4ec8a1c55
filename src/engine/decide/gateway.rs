//! The sessions of gateways.

use alloc::vec::Vec;

use super::{Subject, Verdict};
use crate::engine::event::Event;
use crate::engine::id::{GatewayId, Text};
use crate::engine::limits;
use crate::engine::reject::Reject;
use crate::engine::state::State;
use crate::engine::time::Span;

pub(super) fn open(state: &State, gateway_id: &Text, lease: Span, out: &mut Vec<Event>) -> Verdict {
    if gateway_id.is_empty() || gateway_id.len() > limits::ID_BYTES {
        return Err(Reject::Invalid { field: "gateway_id", must: "be 1-128 bytes" });
    }
    if lease > limits::LEASE {
        return Err(Reject::Invalid { field: "lease", must: "be at most 24 h" });
    }
    let known = state.find_gateway(gateway_id);
    if known.is_none() && state.gateway_count() >= limits::GATEWAYS {
        return Err(Reject::LimitReached { limit: "gateways", max: limits::GATEWAYS as u64 });
    }
    if known.is_none_or(|gateway| !state.gateway(gateway).session || state.gateway(gateway).lease != lease) {
        let gateway = known.unwrap_or(GatewayId(state.gateway_count() as u32));
        out.push(Event::GatewaySessionOpened { gateway, gateway_id: gateway_id.clone(), lease });
    }
    Ok(Subject::default())
}

/// A sign of life: a lost session is open again with its old lease.
pub(super) fn renew(state: &State, gateway_id: &Text, out: &mut Vec<Event>) -> Verdict {
    let Some(gateway) = state.find_gateway(gateway_id) else { return open(state, gateway_id, Span::ZERO, out) };
    let held = state.gateway(gateway);
    if !held.session {
        out.push(Event::GatewaySessionOpened { gateway, gateway_id: gateway_id.clone(), lease: held.lease });
    }
    Ok(Subject::default())
}
