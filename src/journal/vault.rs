//! The keys of customers: what identifies one is in the journal only under a key of his own, and the keys are in a file of
//! their own, which is not part of the chain and not of a dump. To forget a customer is to destroy his key.
//!
//! A key is found by a keyed hash of tenant and customer, so the journal and the file name nobody. An entry of the file
//! that is all zeros is free; destroying a key is writing zeros over it. A key is on the disk before anything under it is.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::disk::{Disk, DiskFile};
use super::frame::array;
use crate::wire::{Seal, Writer};

/// The file of keys.
pub const KEYS: &str = "keys";
const MAGIC: [u8; 8] = *b"USHRKEYS";
const HEADER: usize = 64;
const ENTRY: usize = 64;
/// Entries made room for at a time.
const ROOM: usize = 1_024;

/// How a customer's key is named.
pub type KeyId = [u8; 16];
type Secret = [u8; 32];

#[derive(Clone, Copy)]
struct Entry {
    slot: u64,
    serial: u64,
    secret: Secret,
}

struct Held {
    salt: [u8; 32],
    keys: BTreeMap<KeyId, Entry>,
    /// Slots ever used; free ones below it, last first.
    slots: u64,
    free: Vec<u64>,
    serial: u64,
    /// Keys that are not in the file yet.
    fresh: Vec<KeyId>,
    /// Slots to be written over.
    gone: Vec<u64>,
}

/// The keys of customers.
pub struct Vault {
    disk: Arc<dyn Disk>,
    chance: SystemRandom,
    held: Mutex<Held>,
    /// The file, and the entries it has room for. Apart from the keys: nobody who seals waits for the disk.
    file: Mutex<Option<(Box<dyn DiskFile>, u64)>>,
}

impl Vault {
    /// Reads the keys there are.
    ///
    /// # Errors
    /// When they cannot be read, or are not keys.
    pub fn open(disk: Arc<dyn Disk>) -> io::Result<Vault> {
        let chance = SystemRandom::new();
        let held = match disk.read(KEYS) {
            Ok(bytes) => read(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Held::new(random(&chance)?),
            Err(error) => return Err(error),
        };
        Ok(Vault { disk, chance, held: Mutex::new(held), file: Mutex::new(None) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held().keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes new keys durable: before anything under them is.
    ///
    /// # Errors
    /// Then they are not, and will be tried again.
    pub fn save(&self) -> io::Result<()> {
        let (fresh, most, salt) = {
            let mut held = self.held();
            if held.fresh.is_empty() {
                return Ok(());
            }
            let ids = std::mem::take(&mut held.fresh);
            let fresh: Vec<(KeyId, Entry)> = ids.iter().map(|id| (*id, held.keys[id])).collect();
            (fresh, held.slots, held.salt)
        };
        let saved = self.with_file(salt, most, |file| {
            fresh.iter().try_for_each(|(id, entry)| file.write(place(entry.slot), &encode(id, entry)))?;
            file.sync()
        });
        if saved.is_err() {
            self.held().fresh.extend(fresh.iter().map(|(id, _)| *id));
        }
        saved
    }

    /// Destroys on the disk the keys that were forgotten.
    ///
    /// # Errors
    /// Then they may still be there, and will be tried again.
    pub fn shred(&self) -> io::Result<()> {
        let (gone, most, salt) = {
            let mut held = self.held();
            if held.gone.is_empty() {
                return Ok(());
            }
            (std::mem::take(&mut held.gone), held.slots, held.salt)
        };
        let shredded = self.with_file(salt, most, |file| {
            gone.iter().try_for_each(|slot| file.write(place(*slot), &[0; ENTRY]))?;
            file.sync()
        });
        let mut held = self.held();
        match shredded.is_ok() {
            true => held.free.extend(gone),
            false => held.gone.extend(gone),
        }
        shredded
    }

    /// Takes back what was forgotten and not destroyed: what said so was lost.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reload(&self) -> io::Result<()> {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
        match self.disk.read(KEYS) {
            Ok(bytes) => {
                let mut held = read(&bytes)?;
                held.serial = held.serial.max(self.held().serial);
                *self.held() = held;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether there are keys to be destroyed on the disk.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.held().gone.is_empty()
    }

    /// The file, with room for that many entries.
    fn with_file(
        &self,
        salt: [u8; 32],
        most: u64,
        work: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let worked = (|| {
            if file.is_none() {
                *file = Some(self.file_of(salt)?);
            }
            let Some((file, room)) = file.as_mut() else { return Ok(()) };
            while *room < most {
                file.write(place(*room), &vec![0; ENTRY * ROOM])?;
                *room += ROOM as u64;
            }
            work(file.as_mut())
        })();
        if worked.is_err() {
            // Its descriptor is not asked again.
            *file = None;
        }
        worked
    }

    fn file_of(&self, salt: [u8; 32]) -> io::Result<(Box<dyn DiskFile>, u64)> {
        match self.disk.open(KEYS) {
            Ok(file) => {
                let room = file.length()?.saturating_sub(HEADER as u64) / ENTRY as u64;
                Ok((file, room))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let part = format!("{KEYS}.part");
                let mut file = self.disk.create(&part)?;
                let mut bytes = vec![0; HEADER + ENTRY * ROOM];
                bytes[..8].copy_from_slice(&MAGIC);
                bytes[8..40].copy_from_slice(&salt);
                let crc = crc32fast::hash(&bytes[..60]);
                bytes[60..64].copy_from_slice(&crc.to_le_bytes());
                file.write(0, &bytes)?;
                file.sync()?;
                self.disk.rename(&part, KEYS)?;
                self.disk.sync()?;
                Ok((file, ROOM as u64))
            }
            Err(error) => Err(error),
        }
    }
}

/// The keys there are, and no new ones: for what is written a second time. Whoever was forgotten since stays so.
pub(super) struct Known(pub(super) Arc<Vault>);

impl Seal for Known {
    fn seal(&self, tenant: &str, customer: &str, plain: Vec<u8>, out: &mut Writer) {
        let (id, secret) = {
            let held = self.0.held();
            let id = held.id(tenant, customer);
            (id, held.keys.get(&id).map(|entry| entry.secret))
        };
        match secret {
            Some(secret) => put_sealed(&self.0.chance, (&id, &secret), plain, out),
            None => {
                out.bytes.extend_from_slice(&id);
                out.bytes.extend_from_slice(&[0; NONCE_LEN]);
                out.blob(&[]);
            }
        }
    }

    fn reveal(&self, id: &KeyId, nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.reveal(id, nonce, sealed)
    }

    fn forget(&self, tenant: &str, customer: &str) {
        self.0.forget(tenant, customer);
    }
}

impl Seal for Vault {
    /// Panics when the system gives no random numbers any more.
    fn seal(&self, tenant: &str, customer: &str, plain: Vec<u8>, out: &mut Writer) {
        let mut held = self.held();
        let id = held.id(tenant, customer);
        let secret = match held.keys.get(&id) {
            Some(entry) => entry.secret,
            None => {
                let secret = random(&self.chance).expect("the system gives random numbers");
                held.add(id, secret);
                secret
            }
        };
        drop(held);
        put_sealed(&self.chance, (&id, &secret), plain, out);
    }

    fn reveal(&self, id: &KeyId, nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<Vec<u8>> {
        let secret = self.held().keys.get(id)?.secret;
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = key(&secret).open_in_place(nonce, Aad::from(*id), &mut bytes).ok()?.len();
        bytes.truncate(plain);
        Some(bytes)
    }

    /// [`Vault::shred`] makes it so on the disk.
    fn forget(&self, tenant: &str, customer: &str) {
        let mut held = self.held();
        let id = held.id(tenant, customer);
        if let Some(entry) = held.keys.remove(&id) {
            match held.fresh.iter().position(|fresh| *fresh == id) {
                Some(at) => drop(held.fresh.swap_remove(at)),
                None => held.gone.push(entry.slot),
            }
        }
    }
}

impl Held {
    fn new(salt: [u8; 32]) -> Held {
        let (keys, free, fresh, gone) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        Held { salt, keys, slots: 0, free, serial: 0, fresh, gone }
    }

    /// Tenant and customer with their lengths, so that no two pairs read the same.
    fn id(&self, tenant: &str, customer: &str) -> KeyId {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.salt));
        context.update(&(tenant.len() as u64).to_le_bytes());
        context.update(tenant.as_bytes());
        context.update(customer.as_bytes());
        array(&context.sign().as_ref()[..16])
    }

    fn add(&mut self, id: KeyId, secret: Secret) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        self.serial += 1;
        self.keys.insert(id, Entry { slot, serial: self.serial, secret });
        self.fresh.push(id);
    }
}

fn place(slot: u64) -> u64 {
    HEADER as u64 + slot * ENTRY as u64
}

fn encode(id: &KeyId, entry: &Entry) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..16].copy_from_slice(id);
    bytes[16..48].copy_from_slice(&entry.secret);
    bytes[48..56].copy_from_slice(&entry.serial.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads the file. An entry that is torn was never used: what is under it was to be written after it.
fn read(bytes: &[u8]) -> io::Result<Held> {
    let whole = bytes.len() >= HEADER && bytes[..8] == MAGIC;
    if !whole || crc32fast::hash(&bytes[..60]).to_le_bytes() != bytes[60..64] {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the file {KEYS} is not one of keys")));
    }
    let mut held = Held::new(array(&bytes[8..40]));
    for (slot, entry) in (0..).zip(bytes[HEADER..].chunks_exact(ENTRY)) {
        if entry.iter().all(|&byte| byte == 0) {
            held.free.push(slot);
        } else if crc32fast::hash(&entry[..60]).to_le_bytes() != entry[60..] {
            held.gone.push(slot);
        } else {
            let (id, serial) = (array(&entry[..16]), u64::from_le_bytes(array(&entry[48..56])));
            let read = Entry { slot, serial, secret: array(&entry[16..48]) };
            held.serial = held.serial.max(serial);
            // Of two the older was forgotten, and the end came before it was destroyed.
            let older = match held.keys.get(&id).copied() {
                Some(known) if known.serial > serial => Some(slot),
                known => {
                    held.keys.insert(id, read);
                    known.map(|known| known.slot)
                }
            };
            held.gone.extend(older);
        }
        held.slots = slot + 1;
    }
    held.free.reverse();
    Ok(held)
}

/// Writes a customer's part under his key, with the key's name.
fn put_sealed(chance: &SystemRandom, (id, secret): (&KeyId, &Secret), mut plain: Vec<u8>, out: &mut Writer) {
    let nonce: [u8; NONCE_LEN] = random(chance).expect("the system gives random numbers");
    key(secret)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(*id), &mut plain)
        .expect("a customer's part is far below the cipher's bound");
    out.bytes.extend_from_slice(id);
    out.bytes.extend_from_slice(&nonce);
    out.blob(&plain);
}

fn key(secret: &Secret) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).expect("a key of the cipher's length"))
}

fn random<const N: usize>(chance: &SystemRandom) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    chance.fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(bytes)
}
