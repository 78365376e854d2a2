//! The head's two parts: [`HeadMeta`], in clear, which everything needs before a key is there, and
//! [`HeadData`], which is sealed.
//!
//! Nothing in meta is believed for being there: its key derivation must lie within bounds, its slots
//! are authenticated by what they wrap, and all of it by the seal of data.

use super::cbor::{self, MapWriter, Unknown, array_len, required};
use super::recent::Recent;
use super::{CryptoError, FORMAT, KdfParams};
use bytes::Bytes;
use minicbor::{Decoder, Encoder};

/// Slots of a head: at least one, at most this many, so that a hostile store cannot ask for work
/// without end.
pub const MAX_SLOTS: usize = 8;
/// Bytes of the whole meta.
const MAX_META: usize = 64 << 10;
/// Bytes of a slot's public part.
const MAX_PUBLIC: usize = 1 << 10;
/// Bytes of a wrapped keyring.
const MAX_WRAPPED: usize = 8 << 10;
/// Required features, and bytes of the name of one.
const MAX_FEATURES: u64 = 64;
const MAX_FEATURE: usize = 64;

/// The feature of a wallet that keeps removed secrets. Whoever does not know it would take them for
/// others.
const TRASH: &str = "trash";

/// The kind of slot that takes both passwords at once.
const BOTH_PASSWORDS: u64 = 1;
/// The kind of slot that takes the recovery key.
const RECOVERY: u64 = 2;

mod key {
    pub(super) const FORMAT: u64 = 1;
    pub(super) const WALLET_ID: u64 = 2;
    pub(super) const DEVICE_SALT: u64 = 3;
    pub(super) const KDF: u64 = 4;
    pub(super) const SLOTS: u64 = 5;
    pub(super) const FEATURES: u64 = 6;

    pub(super) const SLOT_PUBLIC: u64 = 1;
    pub(super) const SLOT_NONCE: u64 = 2;
    pub(super) const SLOT_WRAPPED: u64 = 3;
    pub(super) const SLOT_PROOF: u64 = 4;

    pub(super) const PUBLIC_KIND: u64 = 1;
    pub(super) const PUBLIC_SALT: u64 = 2;
    pub(super) const PUBLIC_KDF: u64 = 3;

    pub(super) const DIGEST: u64 = 1;
    pub(super) const COUNT: u64 = 2;
    pub(super) const CREATED: u64 = 3;
    pub(super) const COMMITTED: u64 = 4;
    pub(super) const RECENT: u64 = 5;
}

/// The head's meta: public, authenticated by the seal of the head's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadMeta {
    /// The wallet, for ever, whatever its name and its store.
    pub wallet_id: [u8; 16],
    /// Salt of the device key.
    pub device_salt: [u8; 16],
    /// Cost of the device key.
    pub kdf: KdfParams,
    /// The ways in: 1 to [`MAX_SLOTS`].
    pub slots: Vec<Slot>,
    /// Whether there may be secrets that are marked as removed: the feature `trash`.
    pub trash: bool,
    /// Keys of later versions.
    pub unknown: Unknown,
}

/// One way in: the keyring, wrapped under what both passwords or the recovery key give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// CBOR of kind, salt and cost; authenticated as these very bytes.
    pub(super) public: Vec<u8>,
    pub(super) nonce: [u8; 12],
    pub(super) wrapped: Vec<u8>,
    pub(super) proof: [u8; 32],
    pub(super) unknown: Unknown,
}

/// The public part of a slot.
pub(super) enum SlotPublic {
    /// Takes both passwords.
    BothPasswords { salt: [u8; 16], kdf: KdfParams },
    /// Takes the recovery key.
    Recovery { salt: [u8; 16] },
    /// Of a kind that this version does not know: such a slot is kept, and opens nothing.
    Unknown,
}

impl HeadMeta {
    /// The bytes to store.
    pub fn encode(&self) -> Bytes {
        let bytes = cbor::write(|e| {
            let mut map = MapWriter::begin(e, 6, &self.unknown)?;
            map.key(key::FORMAT)?.u8(FORMAT)?;
            map.key(key::WALLET_ID)?.bytes(&self.wallet_id)?;
            map.key(key::DEVICE_SALT)?.bytes(&self.device_salt)?;
            write_kdf(map.key(key::KDF)?, self.kdf)?;
            let e = map.key(key::SLOTS)?.array(self.slots.len() as u64)?;
            self.slots.iter().try_for_each(|slot| slot.write(e))?;
            let e = map.key(key::FEATURES)?.array(u64::from(self.trash))?;
            if self.trash {
                e.str(TRASH)?;
            }
            map.end()
        });
        bytes.into()
    }

    /// Reads what a store gave. An unknown format or required feature is told before anything else
    /// that may be wrong; key derivation outside the bounds is refused here already.
    pub fn decode(bytes: &[u8]) -> Result<HeadMeta, CryptoError> {
        if bytes.len() > MAX_META {
            return Err(CryptoError::Malformed("a head of more than 64 KiB"));
        }
        let trash = check_understood(bytes)?;
        let (mut wallet_id, mut device_salt, mut kdf) = (None, None, None);
        let mut slots = Vec::new();
        let unknown = cbor::read(bytes, |key, d| {
            match key {
                key::FORMAT | key::FEATURES => d.skip()?, // check_understood has read them
                key::WALLET_ID => wallet_id = Some(cbor::bytes(d)?),
                key::DEVICE_SALT => device_salt = Some(cbor::bytes(d)?),
                key::KDF => kdf = Some(read_kdf(d)?),
                key::SLOTS => slots = read_slots(d)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(HeadMeta {
            wallet_id: required(wallet_id)?,
            device_salt: required(device_salt)?,
            kdf: required(kdf)?,
            slots: required((!slots.is_empty()).then_some(slots))?,
            trash,
            unknown,
        })
    }
}

/// Refuses a format or a required feature that this version does not know. Gives whether the
/// feature [`TRASH`] is there, the only one that it knows.
fn check_understood(bytes: &[u8]) -> Result<bool, CryptoError> {
    let (mut format, mut features) = (None, None);
    cbor::read(bytes, |key, d| {
        match key {
            key::FORMAT => format = Some(d.u64()?),
            key::FEATURES => features = Some(d.position()),
            _ => return Ok(false),
        }
        if key == key::FEATURES {
            d.skip()?;
        }
        Ok(true)
    })?;
    match required(format)? {
        1 => {}
        other => return Err(CryptoError::UnknownFormat(other)),
    }
    let mut d = Decoder::new(bytes);
    d.set_position(required(features)?);
    let count = array_len(&mut d)?;
    if count > MAX_FEATURES {
        return Err(CryptoError::Malformed("too many required features"));
    }
    let mut trash = false;
    for _ in 0..count {
        let name = d.str()?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > MAX_FEATURE || !name.bytes().all(plain) {
            return Err(CryptoError::Malformed(
                "a required feature without a proper name",
            ));
        }
        if name != TRASH {
            return Err(CryptoError::UnknownFeature(name.into()));
        }
        if trash {
            return Err(CryptoError::Malformed("a required feature named twice"));
        }
        trash = true;
    }
    Ok(trash)
}

impl Slot {
    fn write(&self, e: &mut Encoder<cbor::Sink>) -> cbor::Written {
        let mut map = MapWriter::begin(e, 4, &self.unknown)?;
        map.key(key::SLOT_PUBLIC)?.bytes(&self.public)?;
        map.key(key::SLOT_NONCE)?.bytes(&self.nonce)?;
        map.key(key::SLOT_WRAPPED)?.bytes(&self.wrapped)?;
        map.key(key::SLOT_PROOF)?.bytes(&self.proof)?;
        map.end()
    }

    fn read(d: &mut Decoder<'_>) -> Result<Slot, CryptoError> {
        let (mut public, mut nonce, mut wrapped, mut proof) = (None, None, None, None);
        let unknown = cbor::read_map(d, |key, d| {
            match key {
                key::SLOT_PUBLIC => public = Some(bounded(d, MAX_PUBLIC)?),
                key::SLOT_NONCE => nonce = Some(cbor::bytes(d)?),
                key::SLOT_WRAPPED => wrapped = Some(bounded(d, MAX_WRAPPED)?),
                key::SLOT_PROOF => proof = Some(cbor::bytes(d)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let slot = Slot {
            public: required(public)?,
            nonce: required(nonce)?,
            wrapped: required(wrapped)?,
            proof: required(proof)?,
            unknown,
        };
        slot.public()?;
        Ok(slot)
    }

    /// What the slot takes.
    pub(super) fn public(&self) -> Result<SlotPublic, CryptoError> {
        let (mut kind, mut salt, mut kdf) = (None, None, None);
        cbor::read(&self.public, |key, d| {
            match (key, kind) {
                (key::PUBLIC_KIND, _) => kind = Some(d.u64()?),
                // Kind has the lowest key, so it has been read; what follows is its own.
                (key::PUBLIC_SALT, Some(BOTH_PASSWORDS | RECOVERY)) => {
                    salt = Some(cbor::bytes(d)?);
                }
                (key::PUBLIC_KDF, Some(BOTH_PASSWORDS)) => kdf = Some(read_kdf(d)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(match required(kind)? {
            BOTH_PASSWORDS => SlotPublic::BothPasswords {
                salt: required(salt)?,
                kdf: required(kdf)?,
            },
            RECOVERY => SlotPublic::Recovery {
                salt: required(salt)?,
            },
            _ => SlotPublic::Unknown,
        })
    }

    /// Whether the slot takes the recovery key.
    pub fn is_recovery(&self) -> bool {
        matches!(self.public(), Ok(SlotPublic::Recovery { .. }))
    }

    /// The cost of a slot that takes both passwords.
    pub fn kdf(&self) -> Option<KdfParams> {
        match self.public() {
            Ok(SlotPublic::BothPasswords { kdf, .. }) => Some(kdf),
            _ => None,
        }
    }
}

impl SlotPublic {
    /// The bytes of a slot's public part. Only slots of known kinds are made.
    pub(super) fn encode(&self) -> Vec<u8> {
        let none = Unknown::default();
        cbor::write(|e| match self {
            SlotPublic::BothPasswords { salt, kdf } => {
                let mut map = MapWriter::begin(e, 3, &none)?;
                map.key(key::PUBLIC_KIND)?.u64(BOTH_PASSWORDS)?;
                map.key(key::PUBLIC_SALT)?.bytes(salt)?;
                write_kdf(map.key(key::PUBLIC_KDF)?, *kdf)?;
                map.end()
            }
            SlotPublic::Recovery { salt } => {
                let mut map = MapWriter::begin(e, 2, &none)?;
                map.key(key::PUBLIC_KIND)?.u64(RECOVERY)?;
                map.key(key::PUBLIC_SALT)?.bytes(salt)?;
                map.end()
            }
            SlotPublic::Unknown => unreachable!("a slot of an unknown kind is kept as it came"),
        })
    }
}

fn read_slots(d: &mut Decoder<'_>) -> Result<Vec<Slot>, CryptoError> {
    let count = array_len(d)?;
    if count > MAX_SLOTS as u64 {
        return Err(CryptoError::Malformed("more than 8 slots"));
    }
    (0..count).map(|_| Slot::read(d)).collect()
}

fn bounded(d: &mut Decoder<'_>, most: usize) -> Result<Vec<u8>, CryptoError> {
    let bytes = d.bytes()?;
    if bytes.len() > most {
        return Err(CryptoError::Malformed("a part of a slot is too long"));
    }
    Ok(bytes.to_vec())
}

fn write_kdf(e: &mut Encoder<cbor::Sink>, kdf: KdfParams) -> cbor::Written {
    e.array(3)?
        .u32(kdf.memory_kib)?
        .u32(kdf.passes)?
        .u32(kdf.lanes)?;
    Ok(())
}

fn read_kdf(d: &mut Decoder<'_>) -> Result<KdfParams, CryptoError> {
    if array_len(d)? != 3 {
        return Err(CryptoError::Malformed(
            "key derivation of other than three parameters",
        ));
    }
    let kdf = KdfParams {
        memory_kib: d.u32()?,
        passes: d.u32()?,
        lanes: d.u32()?,
    };
    kdf.check()?;
    Ok(kdf)
}

/// The head's data, once opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadData {
    /// XOR over the secrets' items of their digest terms.
    pub digest: [u8; 32],
    /// Number of secrets.
    pub count: u64,
    /// When the wallet was made: nanoseconds since 1970.
    pub created_ns: u64,
    /// When this generation was committed: nanoseconds since 1970.
    pub committed_ns: u64,
    /// What the newest commits changed.
    pub recent: Recent,
    /// Keys of later versions.
    pub unknown: Unknown,
}

impl HeadData {
    pub(crate) fn encode(&self) -> Vec<u8> {
        cbor::write(|e| {
            let keys = 4 + usize::from(!self.recent.is_empty());
            let mut map = MapWriter::begin(e, keys, &self.unknown)?;
            map.key(key::DIGEST)?.bytes(&self.digest)?;
            map.key(key::COUNT)?.u64(self.count)?;
            map.key(key::CREATED)?.u64(self.created_ns)?;
            map.key(key::COMMITTED)?.u64(self.committed_ns)?;
            if !self.recent.is_empty() {
                self.recent.write(map.key(key::RECENT)?)?;
            }
            map.end()
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<HeadData, CryptoError> {
        let (mut digest, mut count, mut created_ns, mut committed_ns) = (None, None, None, None);
        let mut recent = Recent::default();
        let unknown = cbor::read(bytes, |key, d| {
            match key {
                key::DIGEST => digest = Some(cbor::bytes(d)?),
                key::COUNT => count = Some(d.u64()?),
                key::CREATED => created_ns = Some(d.u64()?),
                key::COMMITTED => committed_ns = Some(d.u64()?),
                key::RECENT => recent = Recent::read(d)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(HeadData {
            digest: required(digest)?,
            count: required(count)?,
            created_ns: required(created_ns)?,
            committed_ns: required(committed_ns)?,
            recent,
            unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot() -> Slot {
        let public = SlotPublic::BothPasswords {
            salt: [4; 16],
            kdf: KdfParams::LEAST,
        };
        Slot {
            public: public.encode(),
            nonce: [5; 12],
            wrapped: vec![6; 64],
            proof: [7; 32],
            unknown: Unknown::default(),
        }
    }

    fn meta() -> HeadMeta {
        HeadMeta {
            wallet_id: [1; 16],
            device_salt: [2; 16],
            kdf: KdfParams::DEFAULT,
            slots: vec![slot()],
            trash: false,
            unknown: Unknown::default(),
        }
    }

    /// The one place of `from` in the encoding of [`meta`] replaced by `to`.
    fn with(from: &[u8], to: &[u8]) -> Result<HeadMeta, CryptoError> {
        let bytes = meta().encode();
        let places: Vec<_> = (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(from))
            .collect();
        assert_eq!(places.len(), 1, "{from:x?}");
        let (before, after) = (&bytes[..places[0]], &bytes[places[0] + from.len()..]);
        HeadMeta::decode(&[before, to, after].concat())
    }

    #[test]
    fn meta_returns_as_it_was_with_keys_of_later_versions() {
        let plain = meta();
        assert_eq!(HeadMeta::decode(&plain.encode()), Ok(plain));
        // Key 7 of a later version in the head, key 9 in the slot.
        let mut bytes = meta().encode().to_vec();
        bytes[0] = 0xa7;
        bytes.extend(b"\x07\x18\x2a");
        let proof = [0x04, 0x58, 0x20].iter().chain(&[7; 32]).copied();
        let proof: Vec<u8> = proof.collect();
        let at = bytes.windows(proof.len()).position(|w| w == proof).unwrap();
        bytes.splice(at + proof.len()..at + proof.len(), *b"\x09\xf6");
        let slot_at = bytes.windows(3).position(|w| w == b"\x05\x81\xa4").unwrap();
        bytes[slot_at + 2] = 0xa5;
        let read = HeadMeta::decode(&bytes).unwrap();
        assert_eq!(format!("{:?}", read.unknown), "1 unknown keys");
        assert_eq!(format!("{:?}", read.slots[0].unknown), "1 unknown keys");
        assert_eq!(read.encode(), bytes);
    }

    #[test]
    fn an_unknown_format_or_feature_is_refused_by_name() {
        let refused = |bytes: &[u8]| HeadMeta::decode(bytes).unwrap_err();
        // Format first, even if all else is of that format and means nothing here.
        assert_eq!(refused(b"\xa1\x01\x02"), CryptoError::UnknownFormat(2));
        assert_eq!(
            with(b"\x06\x80", b"\x06\x81\x65glass"),
            Err(CryptoError::UnknownFeature("glass".into()))
        );
        // Before what only this version would find wrong.
        assert_eq!(
            refused(b"\xa2\x01\x01\x06\x82\x61a\x61b"),
            CryptoError::UnknownFeature("a".into())
        );
        for name in [&b"\x06\x81\x60"[..], b"\x06\x81\x63a\nb", b"\x06\x81\x01"] {
            let refused = with(b"\x06\x80", name);
            assert!(matches!(refused, Err(CryptoError::Malformed(_))));
        }
    }

    #[test]
    fn the_one_feature_that_is_known_is_written_where_it_is() {
        let keeping = HeadMeta {
            trash: true,
            ..meta()
        };
        let read = with(b"\x06\x80", b"\x06\x81\x65trash").unwrap();
        assert_eq!(read, keeping);
        assert_eq!(HeadMeta::decode(&keeping.encode()), Ok(keeping));
        // Beside one that is not, and twice.
        let both = [
            &b"\x06\x82\x65trash\x65glass"[..],
            b"\x06\x82\x65glass\x65trash",
        ];
        for features in both {
            let refused = with(b"\x06\x80", features);
            assert_eq!(refused, Err(CryptoError::UnknownFeature("glass".into())));
        }
        let twice = with(b"\x06\x80", b"\x06\x82\x65trash\x65trash");
        assert!(matches!(twice, Err(CryptoError::Malformed(_))));
    }

    #[test]
    fn what_a_store_may_ask_for_is_bounded() {
        let malformed = |read: Result<HeadMeta, _>| matches!(read, Err(CryptoError::Malformed(_)));
        let slots = |n| HeadMeta {
            slots: vec![slot(); n],
            ..meta()
        };
        assert!(HeadMeta::decode(&slots(MAX_SLOTS).encode()).is_ok());
        assert!(malformed(HeadMeta::decode(&slots(MAX_SLOTS + 1).encode())));
        assert!(malformed(HeadMeta::decode(&slots(0).encode())));
        for (wrapped, fits) in [(MAX_WRAPPED, true), (MAX_WRAPPED + 1, false)] {
            let mut head = meta();
            head.slots[0].wrapped = vec![0; wrapped];
            assert_eq!(HeadMeta::decode(&head.encode()).is_ok(), fits);
        }
        assert!(malformed(HeadMeta::decode(&vec![0; MAX_META + 1])));
        // The head's own derivation, and the slot's, which stands in a byte string.
        let absurd = KdfParams {
            passes: 17,
            ..KdfParams::DEFAULT
        };
        let refused = with(b"\x1a\x00\x01\x00\x00\x03", b"\x1a\x00\x01\x00\x00\x11");
        assert_eq!(refused, Err(CryptoError::KdfOutOfBounds(absurd)));
        let refused = with(b"\x19\x4c\x00\x02", b"\x19\x4c\x00\x01");
        assert!(matches!(refused, Err(CryptoError::KdfOutOfBounds(_))));
    }

    #[test]
    fn a_slot_of_an_unknown_kind_is_kept_and_opens_nothing() {
        let mut other = slot();
        other.public = b"\xa2\x01\x03\x02\x63any".to_vec();
        let head = HeadMeta {
            slots: vec![other, slot()],
            ..meta()
        };
        let read = HeadMeta::decode(&head.encode()).unwrap();
        assert_eq!(read, head);
        assert!(matches!(read.slots[0].public(), Ok(SlotPublic::Unknown)));
        assert_eq!(read.slots[1].kdf(), Some(KdfParams::LEAST));
    }

    #[test]
    fn every_key_of_meta_and_data_is_required() {
        let data = HeadData {
            digest: [1; 32],
            count: 2,
            created_ns: 3,
            committed_ns: u64::MAX,
            recent: Recent::default(),
            unknown: Unknown::default(),
        };
        assert_eq!(HeadData::decode(&data.encode()), Ok(data.clone()));
        let told = HeadData {
            recent: Recent::default().followed(2, Some(vec![[1; 16]; 10])),
            ..data.clone()
        };
        assert_eq!(HeadData::decode(&told.encode()), Ok(told.clone()));
        assert_eq!(super::super::padding::padded_len(told.encode().len()), 256);
        let names = |bytes: &[u8]| cbor::read(bytes, |_, _| Ok(false)).unwrap().keys();
        for key in names(&data.encode()) {
            let bytes = cbor::read(&data.encode(), |_, _| Ok(false)).unwrap();
            assert!(HeadData::decode(&bytes.without(key)).is_err(), "{key}");
        }
        let bytes = meta().encode();
        for key in names(&bytes) {
            let bytes = cbor::read(&bytes, |_, _| Ok(false)).unwrap();
            assert!(HeadMeta::decode(&bytes.without(key)).is_err(), "{key}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = HeadMeta::decode(&bytes);
            let _ = HeadData::decode(&bytes);
        }

        #[test]
        fn a_changed_byte_is_refused_or_means_itself(at in any::<prop::sample::Index>(), to: u8) {
            let mut bytes = meta().encode().to_vec();
            *at.get_mut(&mut bytes) = to;
            if let Ok(head) = HeadMeta::decode(&bytes) {
                prop_assert_eq!(head.encode(), bytes);
            }
        }
    }
}
