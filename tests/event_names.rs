//! The name an event is chosen by is the name its payload has: sessions filter before anything is converted.

#[allow(dead_code, unused_imports, reason = "each test uses its part of the tapes")]
mod tape;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use prost::Message as _;
use tape::{Batch, Run, Witness, hunt};
use usher::engine::state::State;
use usher::rpc::convert::event::{event, name, payload_names};

/// The names of the payloads of Event by field number, from the contract.
fn contract() -> BTreeMap<u32, String> {
    let files = prost_types::FileDescriptorSet::decode(usher_proto::FILE_DESCRIPTOR_SET).expect("a descriptor set");
    let messages =
        files.file.into_iter().filter(|file| file.package() == "usher.v1").flat_map(|file| file.message_type);
    let event = messages.into_iter().find(|message| message.name() == "Event").expect("the contract has Event");
    let payloads = event.field.into_iter().filter(|field| field.oneof_index.is_some());
    payloads.map(|field| (field.number() as u32, field.name().to_owned())).collect()
}

struct Names<'a> {
    contract: &'a BTreeMap<u32, String>,
    seen: &'a Mutex<BTreeSet<&'static str>>,
}

impl Witness for Names<'_> {
    fn see(&mut self, state: &State, batch: &Batch<'_>) -> Result<(), String> {
        for recorded in batch.events {
            let told = event("default", &state.publish(recorded)).and_then(|told| told.payload);
            let told = told.map(|payload| {
                let mut encoded = Vec::new();
                payload.encode(&mut encoded);
                let (number, _) = prost::encoding::decode_key(&mut encoded.as_slice()).expect("a payload has a key");
                &*self.contract[&number]
            });
            let named = name(&recorded.event);
            if named != told {
                return Err(format!("{:?} is named {named:?} and told as {told:?}", recorded.event));
            }
            self.seen.lock().map_err(|_| "another tape broke off")?.extend(named);
        }
        Ok(())
    }
}

#[test]
fn every_event_is_told_under_its_name() {
    let contract = contract();
    assert_eq!(contract.values().collect::<BTreeSet<_>>(), payload_names().iter().collect());
    let seen = Mutex::default();
    hunt(75, (2_000, 200), |tape| Run::tape(tape, &mut Names { contract: &contract, seen: &seen }).map(drop));
    let seen = seen.into_inner().expect("no tape broke off");
    assert!(seen.len() >= 30, "tapes make most events: {seen:?}");
}
