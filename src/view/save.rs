//! The books in bytes, as they are kept beside a snapshot of the engine's state, so that reports have their history after
//! a restart that read no further back.
//!
//! What follows from the rest is left out. A record that the books hold twice, as the contact of its slot and among those
//! that ended, is written once.

use std::collections::HashMap;
use std::sync::Arc;

use super::calendar::Calendar;
use super::counts::Counts;
use super::fold::{Books, Cell, ChannelInfo, LiveLeg, QueueInfo, Slice, TeamRules, WINDOWS};
use super::record::Record;
use crate::wire::{Malformed, Reader, Wire, Writer, record};

record!(Slice { queue, channel, direction, skills, team, site });
record!(Cell { key, total, day, windows, minutes, waiting, unservable, line, parked });
record!(QueueInfo { rules, live, open, open_until, least, skills, by_step, connected, wrapping });
record!(ChannelInfo { id, live, units, connected });
record!(TeamRules { cost_per_hour, chain, live });
record!(LiveLeg { contact, agent, cost, channel, queue, state, out });

impl Wire for [Counts; WINDOWS.len()] {
    fn put(&self, out: &mut Writer) {
        self.iter().for_each(|counts| counts.put(out));
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut all = Self::default();
        for counts in &mut all {
            *counts = Wire::get(from)?;
        }
        Ok(all)
    }
}

/// Where a contact's record is.
const NOWHERE: u8 = 0;
const HERE: u8 = 1;
const ENDED: u8 = 2;

fn put_contacts(books: &Books, out: &mut Writer) {
    books.records.put(out);
    let ended: HashMap<usize, usize> =
        books.records.iter().zip(0..).map(|(record, at)| (Arc::as_ptr(record).addr(), at)).collect();
    out.number(books.contacts.len() as u64);
    for held in &books.contacts {
        match held.as_ref().map(|record| (record, ended.get(&Arc::as_ptr(record).addr()))) {
            None => out.bytes.push(NOWHERE),
            Some((record, None)) => {
                out.bytes.push(HERE);
                record.put(out);
            }
            Some((_, Some(at))) => {
                out.bytes.push(ENDED);
                at.put(out);
            }
        }
    }
}

fn get_contacts(books: &mut Books, from: &mut Reader<'_>) -> Result<(), Malformed> {
    books.records = Wire::get(from)?;
    for _ in 0..from.number()? {
        let held: Option<Arc<Record>> = match from.take(1)?[0] {
            NOWHERE => None,
            HERE => Some(Wire::get(from)?),
            ENDED => {
                let at = usize::get(from)?;
                Some(books.records.get(at).cloned().ok_or_else(|| from.fault("a record is not there"))?)
            }
            _ => return Err(from.fault("is no place of a record")),
        };
        books.contacts.push(held);
    }
    Ok(())
}

impl Wire for Books {
    fn put(&self, out: &mut Writer) {
        // What is left out on purpose is named, so that a new field is not left out by mistake.
        let Books {
            tenant,
            policy,
            sequence,
            now,
            calendar: _,
            queues,
            channels,
            teams,
            team_rules,
            team_days,
            sites,
            reasons,
            skill_sets,
            skill_places: _,
            rows,
            row_count: _,
            cells,
            index: _,
            minute,
            day,
            contacts: _,
            legs,
            agents,
            records: _,
            recontacts,
            scheduled,
            direct,
        } = self;
        tenant.put(out);
        policy.put(out);
        (*sequence, *now).put(out);
        queues.put(out);
        channels.put(out);
        teams.put(out);
        team_rules.put(out);
        team_days.put(out);
        sites.put(out);
        reasons.put(out);
        skill_sets.put(out);
        out.number(rows.len() as u64);
        for (quarter, slices) in rows {
            quarter.put(out);
            out.number(slices.len() as u64);
            let mut sorted: Vec<_> = slices.iter().collect();
            sorted.sort_unstable_by_key(|(slice, _)| **slice);
            for (slice, counts) in sorted {
                slice.put(out);
                counts.put(out);
            }
        }
        cells.put(out);
        (*minute, *day).put(out);
        put_contacts(self, out);
        legs.put(out);
        agents.put(out);
        recontacts.put(out);
        (*scheduled, *direct).put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut books = Books::new(Wire::get(from)?);
        books.policy = Wire::get(from)?;
        books.calendar = Calendar::new(&books.policy.time_zone);
        (books.sequence, books.now) = Wire::get(from)?;
        books.queues = Wire::get(from)?;
        books.channels = Wire::get(from)?;
        books.teams = Wire::get(from)?;
        books.team_rules = Wire::get(from)?;
        books.team_days = Wire::get(from)?;
        books.sites = Wire::get(from)?;
        books.reasons = Wire::get(from)?;
        books.skill_sets = Wire::get(from)?;
        books.skill_places = books.skill_sets.iter().cloned().zip(0..).skip(1).collect();
        for _ in 0..from.number()? {
            let quarter = u64::get(from)?;
            let slices: Vec<(Slice, Counts)> = Wire::get(from)?;
            books.row_count += slices.len();
            books.rows.insert(quarter, slices.into_iter().collect());
        }
        books.cells = Wire::get(from)?;
        books.index = books.cells.iter().map(|cell| cell.key).zip(0..).collect();
        (books.minute, books.day) = Wire::get(from)?;
        get_contacts(&mut books, from)?;
        books.legs = Wire::get(from)?;
        books.agents = Wire::get(from)?;
        books.recontacts = Wire::get(from)?;
        for at in 0..books.agents.len() {
            let live = books.agents[at].as_ref().filter(|clock| !clock.deleted);
            let Some(profile) = live.map(|clock| clock.profile.clone()) else { continue };
            let schedule = books.schedule_of(&profile);
            books.agents[at].iter_mut().for_each(|clock| clock.set_schedule(schedule.clone()));
        }
        (books.scheduled, books.direct) = Wire::get(from)?;
        Ok(books)
    }
}
