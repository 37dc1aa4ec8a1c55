//! When a team lends agents it keeps back.

use usher::engine::id::{QueueId, Text};
use usher::engine::policy::Reserve;

use super::Model;

impl Model {
    /// A team's own queues: those it serves and has no reserve for.
    fn own(&self, team: &Text) -> Vec<QueueId> {
        let borrows = |queue: &Text| self.policy.reserves.iter().any(|held| held.team == *team && held.queue == *queue);
        let Some(team) = self.policy.teams.iter().find(|known| known.id == *team) else { return Vec::new() };
        let live = |queue: &Text| self.policy.queues.iter().any(|known| known.id == *queue);
        let serves =
            |queue: &Text| live(queue) && team.queues.iter().any(|line| line.queue == *queue || &*line.queue == "*");
        let all = self.queues.iter().zip(0..);
        all.filter(|(queue, _)| serves(&queue.id) && !borrows(&queue.id)).map(|(_, at)| QueueId(at)).collect()
    }

    fn queue_named(&self, name: &Text) -> Option<QueueId> {
        self.queues.iter().position(|known| known.id == *name).map(|at| QueueId(at as u32))
    }

    /// Whether a reserve's team lends, however many are idle.
    pub fn lends(&self, reserve: &Reserve) -> bool {
        let same = |other: &Reserve| (&other.team, &other.queue) == (&reserve.team, &reserve.queue);
        let at = self.policy.reserves.iter().position(same);
        let helps = reserve.hysteresis.is_none() || at.is_some_and(|at| self.helps.contains(&at));
        let kept = |queue: QueueId| {
            let Some(entries) = self.kept.get(&queue) else { return true };
            let last = &entries[entries.len().saturating_sub(100)..];
            let good = last.iter().filter(|kept| **kept).count();
            good as u64 * 1_000_000
                >= last.len() as u64 * u64::from(self.queues[queue.index()].service_level.target_ppm)
        };
        helps && (!reserve.lender_within_target || self.own(&reserve.team).into_iter().all(kept))
    }

    /// After each event: under which reserves help begins or ends.
    pub fn watch_lenders(&mut self) {
        for (at, reserve) in self.policy.clone().reserves.iter().enumerate() {
            let (Some(rule), Some(queue)) = (reserve.hysteresis, self.queue_named(&reserve.queue)) else { continue };
            let own: i64 = self.own(&reserve.team).into_iter().map(|queue| self.in_line(queue) as i64).sum();
            let excess = self.in_line(queue) as i64 * 1_000_000 - own * i64::from(rule.ratio_ppm);
            if excess > i64::from(rule.start) * 1_000_000 {
                self.helps.insert(at);
            } else if excess <= i64::from(rule.stop) * 1_000_000 {
                self.helps.remove(&at);
            }
        }
    }

    /// Another policy: help begins anew, and what nobody asks for is forgotten.
    pub fn renew_lending(&mut self) {
        self.helps.clear();
        if !self.asks_for_promises() {
            self.kept.clear();
        }
    }

    /// An entry was answered or lost.
    pub fn note_promise(&mut self, queue: QueueId, kept: bool) {
        if self.asks_for_promises() {
            self.kept.entry(queue).or_default().push(kept);
        }
    }

    fn asks_for_promises(&self) -> bool {
        let live = |reserve: &Reserve| self.policy.teams.iter().any(|team| team.id == reserve.team);
        let known = |reserve: &Reserve| self.queue_named(&reserve.queue).is_some();
        self.policy.reserves.iter().any(|it| it.lender_within_target && live(it) && known(it))
    }
}
