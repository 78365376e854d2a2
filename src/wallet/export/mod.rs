//! Secrets for other managers: opened, and written in their formats into memory that is wiped.
//!
//! Each format has a file of its own, and says which values it cannot hold; these are left out and
//! told of, never changed. Where the bytes go is the caller's business.

mod bitwarden;
mod csv;
mod json;
mod secret_wallet;

use super::{Body, Field, Wallet, WalletError};
use crate::crypto::{Growing, SecretBytes};
use crate::store::Id;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use bitwarden::bitwarden;
pub use csv::csv;
pub use json::{json, json_of_one};
pub use secret_wallet::{Form, secret_wallet};

/// Times that a secret is opened while another device keeps changing it.
const TRIES: u32 = 5;

/// A secret that leaves, open.
pub struct Leaving {
    /// Its domain.
    pub domain: Arc<str>,
    /// The access under which it is shown, so that two of one name stay two.
    pub access: Arc<str>,
    /// Its fields.
    pub fields: BTreeMap<Field, LeavingField>,
}

/// A field of a secret that leaves.
pub struct LeavingField {
    /// The bytes, exact.
    pub value: SecretBytes,
    /// Its modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// All that leaves.
pub struct Opened {
    /// By domain and access.
    pub secrets: Vec<Leaving>,
    /// How many secrets do not open.
    pub damaged: usize,
}

/// What was written.
pub struct Written {
    /// The whole of it.
    pub bytes: Growing,
    /// Fields that the format cannot hold: the secret's position, and the field.
    pub left_out: Vec<(usize, Field)>,
}

impl Wallet {
    /// Opens every secret: 1 get for each whose values are not in memory. `step` is told how many
    /// are open.
    ///
    /// # Errors
    ///
    /// As [`Wallet::body`], but that a secret which does not open is counted and left out.
    pub async fn open_all(
        &self,
        mut step: impl FnMut(usize) + Send,
    ) -> Result<Opened, WalletError> {
        let (ids, damaged): (Vec<Id>, usize) = {
            let view = self.view();
            let domains = view.domains();
            let ids = domains.flat_map(|domain| view.secrets(domain).map(|(_, id)| id));
            (ids.collect(), view.damaged().count())
        };
        let mut opened = Opened {
            secrets: Vec::with_capacity(ids.len()),
            damaged,
        };
        for (at, id) in ids.into_iter().enumerate() {
            match self.open_secret(id).await {
                Ok(secret) => opened.secrets.push(secret),
                Err(WalletError::Damaged(_)) => opened.damaged += 1,
                // Another device removed it meanwhile.
                Err(WalletError::NotFound) => {}
                Err(error) => return Err(error),
            }
            step(at + 1);
        }
        Ok(opened)
    }

    /// Opens one secret, all of one moment: 1 get if its values are not in memory.
    ///
    /// # Errors
    ///
    /// As [`Wallet::body`].
    pub async fn open_secret(&self, id: Id) -> Result<Leaving, WalletError> {
        for _ in 0..TRIES {
            let body = self.body(id).await?;
            if let Some(secret) = self.open_as_shown(&body)? {
                return Ok(secret);
            }
        }
        Err(WalletError::Contended)
    }

    /// The secret of this body; `None` if the snapshot shows another one by now.
    fn open_as_shown(&self, body: &Body) -> Result<Option<Leaving>, WalletError> {
        let id = body.id;
        let mut data = self.values(body)?;
        let view = self.view();
        let secret = view.secret(id).ok_or(WalletError::NotFound)?;
        if secret.meta.data_hash != body.hash {
            return Ok(None);
        }
        let mut fields = BTreeMap::new();
        for (field, known) in &secret.meta.fields {
            let value = data.values.remove(field).ok_or(WalletError::Damaged(id))?;
            let mtime_ns = known.mtime_ns;
            fields.insert(field.clone(), LeavingField { value, mtime_ns });
        }
        Ok(Some(Leaving {
            domain: secret.meta.domain.clone(),
            access: secret.shown.clone(),
            fields,
        }))
    }
}

impl Leaving {
    /// The text of a field; `None` if there is no such field, or it is no text.
    fn text(&self, field: &Field) -> Option<&str> {
        text(&self.fields.get(field)?.value)
    }

    /// The info keys.
    fn info(&self) -> impl Iterator<Item = (&Arc<str>, &LeavingField)> {
        self.fields.iter().filter_map(|(field, value)| match field {
            Field::Info(key) => Some((key, value)),
            Field::Uid | Field::Pwd => None,
        })
    }
}

/// A value as text, if it is one.
fn text(value: &SecretBytes) -> Option<&str> {
    std::str::from_utf8(value.expose()).ok()
}

/// Writes JSON, a line a secret.
fn to_json(document: &impl Serialize) -> Growing {
    let mut bytes = Growing::default();
    serde_json::to_writer(&mut bytes, document)
        .expect("memory takes everything, and every key is a text");
    bytes.extend(b"\n");
    bytes
}
