//! Which tenant sits where. Read by every request, written when a tenant is opened.

use dashmap::DashMap;

use crate::engine::id::Text;

use super::call::SeatId;

/// Tenants by name.
#[derive(Debug, Default)]
pub struct Directory {
    seats: DashMap<Text, SeatId>,
}

impl Directory {
    /// Where a tenant sits.
    #[must_use]
    pub fn find(&self, tenant: &str) -> Option<SeatId> {
        self.seats.get(tenant).map(|seat| *seat)
    }

    /// Enters a tenant.
    pub fn enter(&self, tenant: Text, seat: SeatId) {
        self.seats.insert(tenant, seat);
    }

    /// All tenants, by name.
    #[must_use]
    pub fn tenants(&self) -> Vec<(Text, SeatId)> {
        let mut tenants: Vec<_> = self.seats.iter().map(|entry| (entry.key().clone(), *entry.value())).collect();
        tenants.sort();
        tenants
    }
}
