//! Items and DynamoDB's attribute maps. What comes from the service is checked before it is used.

use super::fault::{Fault, Retry};
use crate::store::{Bytes, Id, Item, StoreError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;

pub(super) type Attributes = HashMap<String, AttributeValue>;

/// Hash key: the wallet's name.
pub(super) const WALLET: &str = "wallet";
/// Range key: the item's id.
pub(super) const ID: &str = "id";
/// The item's version, a number.
pub(super) const VERSION: &str = "version";
const META: &str = "meta";
const DATA: &str = "data";

pub(super) fn key(wallet: &str, id: Id) -> Attributes {
    HashMap::from([
        (WALLET.into(), AttributeValue::S(wallet.into())),
        (ID.into(), AttributeValue::S(id.text().to_string())),
    ])
}

pub(super) fn number(version: u64) -> AttributeValue {
    AttributeValue::N(version.to_string())
}

pub(super) fn write(wallet: &str, item: &Item) -> Attributes {
    let mut attributes = key(wallet, item.id);
    attributes.insert(VERSION.into(), number(item.version));
    for (name, bytes) in [(META, &item.meta), (DATA, &item.data)] {
        attributes.insert(name.into(), AttributeValue::B(Blob::new(bytes.to_vec())));
    }
    attributes
}

pub(super) fn read(wallet: &str, mut attributes: Attributes) -> Result<Item, Fault> {
    let id = read_id(&attributes)?;
    match attributes.get(WALLET) {
        Some(AttributeValue::S(found)) if found == wallet => {}
        _ => return Err(invalid("an item of another wallet")),
    }
    let version = match attributes.get(VERSION) {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    };
    let mut bytes = |name| match attributes.remove(name) {
        Some(AttributeValue::B(blob)) => Ok(Bytes::from(blob.into_inner())),
        _ => Err(invalid("an item without its byte strings")),
    };
    Ok(Item {
        id,
        version: version.ok_or_else(|| invalid("an item without a version"))?,
        meta: bytes(META)?,
        data: bytes(DATA)?,
    })
}

pub(super) fn read_id(attributes: &Attributes) -> Result<Id, Fault> {
    match attributes.get(ID) {
        Some(AttributeValue::S(text)) => Id::parse(text),
        _ => None,
    }
    .ok_or_else(|| invalid("an id that is none"))
}

pub(super) fn invalid(what: &str) -> Fault {
    Fault::known(StoreError::Invalid(what.into()), Retry::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        Item {
            id: Id::Secret([7; 16]),
            version: u64::MAX,
            meta: Bytes::from_static(b"meta"),
            data: Bytes::new(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let read = read("w", write("w", &item())).map_err(|fault| fault.error);
        assert_eq!(read, Ok(item()));
    }

    #[test]
    fn what_walletfs_does_not_write_is_refused() {
        let wrong: [(&str, Option<AttributeValue>); 9] = [
            (WALLET, Some(AttributeValue::S("other".into()))),
            (WALLET, None),
            (ID, Some(AttributeValue::S("tail".into()))),
            (ID, None),
            (VERSION, Some(AttributeValue::N("-1".into()))),
            (VERSION, Some(AttributeValue::N("1.5".into()))),
            (VERSION, Some(AttributeValue::S("1".into()))),
            (META, Some(AttributeValue::S("text".into()))),
            (DATA, None),
        ];
        for (name, value) in wrong {
            let mut attributes = write("w", &item());
            match value.clone() {
                Some(value) => attributes.insert(name.into(), value),
                None => attributes.remove(name),
            };
            let fault = read("w", attributes).err().map(|fault| fault.error);
            assert!(
                matches!(fault, Some(StoreError::Invalid(_))),
                "{name} = {value:?}"
            );
        }
    }
}
