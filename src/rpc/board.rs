//! The snapshot of a tenant as messages, kept once for all who watch it: a row is made anew only when what it shows has
//! changed, and each watcher takes those that changed since he last looked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use usher_proto::v1 as pb;

use super::convert::view;
use crate::engine::id::Text;
use crate::view::snapshot::Snapshot;

/// Rows of one kind by key, each with the version in which it last changed.
#[derive(Default)]
struct Rows<T> {
    rows: BTreeMap<Text, (u64, T)>,
    gone: BTreeMap<Text, u64>,
}

impl<T: Clone> Rows<T> {
    /// Takes in the rows of another snapshot; both are sorted by key.
    fn update<V: PartialEq>(
        &mut self,
        version: u64,
        (before, now): (&[V], &[V]),
        key: impl Fn(&V) -> &Text,
        show: impl Fn(&V) -> T,
    ) {
        for row in now {
            let old = before.binary_search_by(|old| key(old).cmp(key(row))).ok().map(|at| &before[at]);
            if old != Some(row) {
                self.rows.insert(key(row).clone(), (version, show(row)));
                self.gone.remove(key(row));
            }
        }
        for row in before {
            if now.binary_search_by(|new| key(new).cmp(key(row))).is_err() {
                self.rows.remove(key(row));
                self.gone.insert(key(row).clone(), version);
            }
        }
    }

    /// The rows wanted that changed after a version, and the keys of those that are gone since.
    fn since(&self, version: u64, wanted: &dyn Fn(&str) -> bool) -> (Vec<T>, Vec<String>) {
        let changed = self.rows.iter().filter(|(key, (changed, _))| *changed > version && wanted(key));
        let gone = self.gone.iter().filter(|(key, went)| **went > version && wanted(key));
        (changed.map(|(_, (_, row))| row.clone()).collect(), gone.map(|(key, _)| key.to_string()).collect())
    }
}

/// The snapshot last looked at, as messages.
#[derive(Default)]
pub(super) struct Board {
    taken: Option<Arc<Snapshot>>,
    version: u64,
    head: pb::Snapshot,
    /// The version in which the head last changed, time and sequence left out.
    head_changed: u64,
    queues: Rows<pb::QueueSnapshot>,
    channels: Rows<pb::ChannelSnapshot>,
    teams: Rows<pb::TeamSnapshot>,
    skills: Rows<pb::SkillSnapshot>,
}

impl Board {
    /// Takes in a snapshot, unless it has it already.
    fn update(&mut self, now: &Arc<Snapshot>) {
        let before = match &self.taken {
            Some(taken) if Arc::ptr_eq(taken, now) || taken.time > now.time => return,
            Some(taken) => taken.clone(),
            None => Arc::new(Snapshot::default()),
        };
        self.version += 1;
        let version = self.version;
        let head = view::head(now);
        let plain = |head: &pb::Snapshot| pb::Snapshot { sequence: 0, snapshot_time: None, ..head.clone() };
        if plain(&head) != plain(&self.head) {
            self.head_changed = version;
        }
        self.head = head;
        self.queues.update(version, (&before.queues, &now.queues), |row| &row.queue, view::queue);
        self.channels.update(version, (&before.channels, &now.channels), |row| &row.channel, view::channel);
        self.teams.update(version, (&before.teams, &now.teams), |row| &row.team, view::team);
        self.skills.update(version, (&before.skills, &now.skills), |row| &row.skill, view::skill);
        self.taken = Some(now.clone());
    }
}

/// A place where a watcher has looked up to.
pub(super) struct Watcher {
    board: Arc<Mutex<Board>>,
    seen: u64,
}

/// Which rows are wanted, by their keys.
pub(super) struct Wanted<'a> {
    /// Queues.
    pub queues: &'a dyn Fn(&str) -> bool,
    /// Teams.
    pub teams: &'a dyn Fn(&str) -> bool,
}

impl Watcher {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What changed since he last looked; none when nothing but the time did. The first time that is everything.
    pub fn look(&mut self, now: &Arc<Snapshot>, wanted: &Wanted<'_>) -> Option<pb::SnapshotDiff> {
        let (diff, version, moved) = {
            let mut board = self.board();
            board.update(now);
            let every = |_: &str| true;
            let (queues, removed_queues) = board.queues.since(self.seen, wanted.queues);
            let (channels, removed_channels) = board.channels.since(self.seen, &every);
            let (teams, removed_teams) = board.teams.since(self.seen, wanted.teams);
            let (skills, removed_skills) = board.skills.since(self.seen, &every);
            let head = board.head.clone();
            let moved = board.head_changed > self.seen;
            let diff = pb::SnapshotDiff {
                sequence: head.sequence,
                snapshot_time: head.snapshot_time,
                policy_version: head.policy_version,
                changed: Some(pb::Snapshot { queues, channels, teams, skills, ..head }),
                removed_queues,
                removed_channels,
                removed_teams,
                removed_skills,
                removed_agents: Vec::new(),
            };
            (diff, board.version, moved)
        };
        self.seen = version;
        (moved || has_rows(&diff)).then_some(diff)
    }
}

/// Whether a diff tells of any row.
pub(super) fn has_rows(diff: &pb::SnapshotDiff) -> bool {
    let gone =
        [&diff.removed_queues, &diff.removed_channels, &diff.removed_teams, &diff.removed_skills, &diff.removed_agents];
    let changed = diff.changed.as_ref();
    let rows = changed
        .map_or(0, |of| of.queues.len() + of.channels.len() + of.teams.len() + of.skills.len() + of.agents.len());
    rows > 0 || gone.iter().any(|keys| !keys.is_empty())
}

/// The boards of the tenants somebody watches.
#[derive(Default)]
pub(super) struct Boards(Mutex<Vec<(Text, Weak<Mutex<Board>>)>>);

impl Boards {
    /// One more who watches a tenant.
    pub fn watch(&self, tenant: &Text) -> Watcher {
        let mut boards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        boards.retain(|(_, board)| board.strong_count() > 0);
        let held = boards.iter().find(|(known, _)| known == tenant).and_then(|(_, board)| board.upgrade());
        let board = held.unwrap_or_else(|| {
            let board = Arc::new(Mutex::new(Board::default()));
            boards.push((tenant.clone(), Arc::downgrade(&board)));
            board
        });
        Watcher { board, seen: 0 }
    }
}
