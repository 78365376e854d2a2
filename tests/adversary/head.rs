//! The head's public part, as a store that reads and writes CBOR sees it.

use crate::scene::Items;
use minicbor::{Decoder, Encoder};
use walletfs::store::{Bytes, Id};

/// The head's meta, each part free to be changed.
#[derive(Clone)]
pub(crate) struct RawHead {
    pub(crate) format: u64,
    pub(crate) wallet_id: Vec<u8>,
    pub(crate) device_salt: Vec<u8>,
    pub(crate) kdf: [u32; 3],
    pub(crate) slots: Vec<RawSlot>,
    pub(crate) features: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct RawSlot {
    pub(crate) kind: u64,
    pub(crate) salt: Vec<u8>,
    pub(crate) kdf: [u32; 3],
    pub(crate) nonce: Vec<u8>,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) proof: Vec<u8>,
}

impl RawHead {
    pub(crate) fn of(items: &Items) -> RawHead {
        let meta = &items[&Id::Head].meta;
        let mut d = Decoder::new(meta);
        key(&mut d, 1);
        let format = d.u64().unwrap();
        let bytes = |d: &mut Decoder<'_>, n| {
            key(d, n);
            d.bytes().unwrap().to_vec()
        };
        let wallet_id = bytes(&mut d, 2);
        let device_salt = bytes(&mut d, 3);
        key(&mut d, 4);
        let kdf = read_kdf(&mut d);
        key(&mut d, 5);
        assert_eq!(d.array().unwrap(), Some(1));
        let public = bytes(&mut d, 1);
        let slot = RawSlot::of(&public, [2, 3, 4].map(|n| bytes(&mut d, n)));
        key(&mut d, 6);
        let features = (0..d.array().unwrap().unwrap())
            .map(|_| d.str().unwrap().to_owned())
            .collect();
        RawHead {
            format,
            wallet_id,
            device_salt,
            kdf,
            slots: vec![slot],
            features,
        }
    }

    pub(crate) fn put(&self, items: &mut Items) {
        let mut e = Encoder::new(Vec::new());
        e.map(6).unwrap().u8(1).unwrap().u64(self.format).unwrap();
        e.u8(2).unwrap().bytes(&self.wallet_id).unwrap();
        e.u8(3).unwrap().bytes(&self.device_salt).unwrap();
        write_kdf(e.u8(4).unwrap(), self.kdf);
        e.u8(5).unwrap().array(self.slots.len() as u64).unwrap();
        for slot in &self.slots {
            e.map(4)
                .unwrap()
                .u8(1)
                .unwrap()
                .bytes(&slot.public())
                .unwrap();
            e.u8(2).unwrap().bytes(&slot.nonce).unwrap();
            e.u8(3).unwrap().bytes(&slot.wrapped).unwrap();
            e.u8(4).unwrap().bytes(&slot.proof).unwrap();
        }
        e.u8(6).unwrap().array(self.features.len() as u64).unwrap();
        for feature in &self.features {
            e.str(feature).unwrap();
        }
        let head = items.get_mut(&Id::Head).unwrap();
        head.meta = Bytes::from(e.into_writer());
    }
}

impl RawSlot {
    fn of(public: &[u8], [nonce, wrapped, proof]: [Vec<u8>; 3]) -> RawSlot {
        let mut d = Decoder::new(public);
        key(&mut d, 1);
        let kind = d.u64().unwrap();
        key(&mut d, 2);
        let salt = d.bytes().unwrap().to_vec();
        key(&mut d, 3);
        RawSlot {
            kind,
            salt,
            kdf: read_kdf(&mut d),
            nonce,
            wrapped,
            proof,
        }
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        e.map(3).unwrap().u8(1).unwrap().u64(self.kind).unwrap();
        e.u8(2).unwrap().bytes(&self.salt).unwrap();
        write_kdf(e.u8(3).unwrap(), self.kdf);
        e.into_writer()
    }
}

/// Reads the key of an entry, and the map's beginning before the first one.
fn key(d: &mut Decoder<'_>, expected: u64) {
    if d.datatype().unwrap() == minicbor::data::Type::Map {
        d.map().unwrap();
    }
    assert_eq!(d.u64().unwrap(), expected);
}

fn read_kdf(d: &mut Decoder<'_>) -> [u32; 3] {
    assert_eq!(d.array().unwrap(), Some(3));
    [(); 3].map(|()| d.u32().unwrap())
}

fn write_kdf(e: &mut Encoder<Vec<u8>>, kdf: [u32; 3]) {
    e.array(3).unwrap();
    for part in kdf {
        e.u32(part).unwrap();
    }
}
