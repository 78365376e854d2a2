//! [`Head`]: the wallet's head, opened and therefore authentic, with the bytes it was opened from.

use super::WalletError;
use super::seen::Sighting;
use crate::crypto::{CryptoError, HeadData, HeadMeta, Vault};
use crate::store::{Bytes, Id, Item};
use sha2::{Digest, Sha256};

/// A head that opened.
#[derive(Clone)]
pub(super) struct Head {
    /// As the store holds it.
    pub(super) item: Item,
    /// Its sealed part.
    pub(super) data: HeadData,
    /// Whether it says that there may be secrets marked as removed.
    pub(super) trash: bool,
    /// As the record of heads seen keeps it.
    pub(super) sighting: Sighting,
}

impl Head {
    /// Opens what the store gave as the head.
    pub(super) fn open(vault: &Vault, item: Item) -> Result<Head, WalletError> {
        if item.id != Id::Head {
            return Err(integrity("the store gave another item for the head"));
        }
        let meta = HeadMeta::decode(&item.meta).map_err(refusal)?;
        if meta.wallet_id != vault.wallet_id() {
            return Err(integrity("the store gave the head of another wallet"));
        }
        let (data, epoch) = vault
            .open_head(item.version, &item.meta, &item.data)
            .map_err(refusal)?;
        // The commit that appends an epoch seals the head under it, and the keyring came with a head.
        if epoch != vault.newest_epoch() {
            return Err(integrity("the head is sealed under an old epoch"));
        }
        Ok(Head::new(vault, item, data, meta.trash))
    }

    /// The head that a commit puts, sealed for this generation. `changed`: the secrets whose items
    /// the commit changes, if what it begins from is what the head of the generation before vouched
    /// for. Then devices that have that one can catch up.
    pub(super) fn seal(
        vault: &Vault,
        generation: u64,
        meta: Bytes,
        mut data: HeadData,
        changed: Option<Vec<[u8; 16]>>,
    ) -> Head {
        data.recent = data.recent.followed(generation, changed);
        let trash = HeadMeta::decode(&meta).is_ok_and(|meta| meta.trash);
        let item = Item {
            id: Id::Head,
            version: generation,
            data: vault.seal_head(generation, &meta, &data),
            meta,
        };
        Head::new(vault, item, data, trash)
    }

    fn new(vault: &Vault, item: Item, data: HeadData, trash: bool) -> Head {
        let sighting = Sighting {
            wallet_id: vault.wallet_id(),
            generation: item.version,
            hash: hash(&item),
            committed_ns: data.committed_ns,
        };
        Head {
            item,
            data,
            trash,
            sighting,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.item.version
    }
}

/// SHA-256 of meta and data, each with its length before it, so that no byte can change sides.
fn hash(head: &Item) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [&head.meta, &head.data] {
        let len = u32::try_from(part.len()).expect("a head that opened is far below 4 GiB");
        hash.update(len.to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn integrity(what: &str) -> WalletError {
    WalletError::Integrity(what.into())
}

/// What does not open or parse was changed; what is of a later version is told as such.
fn refusal(e: CryptoError) -> WalletError {
    match e {
        CryptoError::NotAuthentic | CryptoError::BadPadding | CryptoError::Malformed(_) => {
            WalletError::Integrity(format!("the head does not open ({e})"))
        }
        e => e.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of 00000002 6162 00000001 63: a change of it is a change of what every device keeps.
    #[test]
    fn the_hash_keeps_meta_and_data_apart() {
        let head = |meta: &'static [u8], data: &'static [u8]| {
            hash(&Item {
                id: Id::Head,
                version: 1,
                meta: Bytes::from_static(meta),
                data: Bytes::from_static(data),
            })
        };
        let known = crate::crypto::sha256(b"\0\0\0\x02ab\0\0\0\x01c");
        assert_eq!(head(b"ab", b"c"), known);
        assert_ne!(head(b"a", b"bc"), known);
    }
}
