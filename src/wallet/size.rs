//! How large a secret's item becomes, without its values: asked at every `write`, long before
//! anything is sealed.

use super::Wallet;
use super::name;
use super::record::{Field, FieldMeta, Meta};
use super::seal::item_size;
use crate::crypto::Vault;
use crate::store::Id;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Wallet {
    /// Whether a secret would stay within the store's limit for an item, padding counted, with these
    /// sizes of values in bytes (`None`: the field is removed). A secret that is not there, since
    /// another device has removed it, is taken for an empty one with the longest names; in a locked
    /// wallet nothing fits. History is not counted, which gives way to values, nor what a later version keeps in the
    /// data beside values: the commit counts that.
    pub fn fits(&self, id: Id, sizes: &[(Field, Option<u64>)]) -> bool {
        let mut meta = {
            let held = self.held();
            match held.snapshot.secret(id) {
                _ if held.vault.is_none() => return false,
                Some(secret) => secret.meta.clone(),
                None => largest_empty(),
            }
        };
        for (field, size) in sizes {
            match size {
                Some(size) => drop(meta.fields.insert(field.clone(), longest(*size))),
                None => drop(meta.fields.remove(field)),
            }
        }
        self.meta_fits(id, &meta)
    }

    /// Whether a secret of these names that is still to be made would stay within the store's limit
    /// for an item, padding counted, with values of these sizes in bytes.
    pub fn new_fits<'a>(
        &self,
        domain: &str,
        access: &str,
        sizes: impl IntoIterator<Item = (&'a Field, u64)>,
    ) -> bool {
        let fields = sizes
            .into_iter()
            .map(|(field, size)| (field.clone(), longest(size)));
        let meta = Meta {
            domain: domain.into(),
            access: access.into(),
            created_ns: i64::MIN,
            data_hash: [0; 32],
            removed_ns: None,
            fields: fields.collect(),
            unknown: Default::default(),
        };
        self.meta_fits(Id::Secret([0; 16]), &meta)
    }

    fn meta_fits(&self, id: Id, meta: &Meta) -> bool {
        let Some(data) = data_len(&meta.fields) else {
            return false;
        };
        let size = item_size(id, meta, &*self.store) + Vault::sealed_len(data);
        size <= self.store.limits().item_bytes
    }
}

/// What a secret without fields takes at most.
fn largest_empty() -> Meta {
    let name: Arc<str> = "x".repeat(name::MAX).into();
    Meta {
        domain: name.clone(),
        access: name,
        created_ns: i64::MIN,
        data_hash: [0; 32],
        removed_ns: None,
        fields: BTreeMap::new(),
        unknown: Default::default(),
    }
}

/// What is known of a field of this size, in the longest encoding of what is not known yet.
fn longest(size: u64) -> FieldMeta {
    FieldMeta {
        size,
        mtime_ns: i64::MIN,
        mode: 0o700,
        rev: u64::MAX,
    }
}

/// Bytes of the plaintext of data with values of these sizes; `None` if no machine could hold it.
fn data_len(fields: &BTreeMap<Field, FieldMeta>) -> Option<usize> {
    let mut len: u64 = 1; // the map's head: 3 entries at most
    let mut infos = 0;
    for (field, meta) in fields {
        len = len
            .checked_add(head_len(meta.size))?
            .checked_add(meta.size)?;
        match field {
            Field::Uid | Field::Pwd => len += 1,
            Field::Info(key) => {
                len += head_len(key.len() as u64) + key.len() as u64;
                infos += 1;
            }
        }
    }
    if infos > 0 {
        len += 1 + head_len(infos);
    }
    // A sum with padding must not overflow either.
    usize::try_from(len)
        .ok()
        .filter(|len| *len < isize::MAX as usize / 2)
}

/// Bytes of the head of a CBOR item (RFC 8949, section 3).
fn head_len(argument: u64) -> u64 {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretBytes;
    use crate::wallet::record::Data;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = Field> {
        prop_oneof![
            Just(Field::Uid),
            Just(Field::Pwd),
            "[a-z]{1,300}".prop_map(|key| Field::Info(key.into())),
        ]
    }

    proptest! {
        #[test]
        fn the_length_foretold_is_that_of_the_encoding(
            sizes in prop::collection::btree_map(field(), 0usize..70_000, 0..30)
        ) {
            let mut data = Data::default();
            let mut fields = BTreeMap::new();
            for (field, size) in sizes {
                data.values.insert(field.clone(), SecretBytes::new(vec![0; size]));
                let meta = FieldMeta { size: size as u64, mtime_ns: 0, mode: 0, rev: 0 };
                fields.insert(field, meta);
            }
            prop_assert_eq!(data_len(&fields), Some(data.encode().len()));
        }
    }

    #[test]
    fn absurd_sizes_have_no_length() {
        let meta = FieldMeta {
            size: u64::MAX,
            mtime_ns: 0,
            mode: 0,
            rev: 0,
        };
        let two = BTreeMap::from([(Field::Uid, meta), (Field::Pwd, meta)]);
        assert_eq!(data_len(&two), None);
        let one = BTreeMap::from([(
            Field::Uid,
            FieldMeta {
                size: u64::MAX / 2,
                ..meta
            },
        )]);
        assert_eq!(data_len(&one), None);
    }
}
