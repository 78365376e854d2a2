//! [`Edit`]: a change of the wallet, whole in one commit, and what it expects to find.

use super::record::Field;
use crate::crypto::SecretBytes;
use crate::store::Id;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A change of the wallet: it happens whole, in one commit, or not at all.
#[derive(Clone)]
pub enum Edit {
    /// Changes of fields, of as many secrets as one commit takes, done in this order. Refused with
    /// [`super::WalletError::NotFound`] when a secret, or a field that is changed or moved, is not
    /// there.
    Fields(Vec<FieldEdit>),
    /// A new secret without fields. [`Applied::created`] is its id.
    Create {
        /// Its domain.
        domain: Arc<str>,
        /// Its access: free in the domain, or [`super::WalletError::Exists`].
        access: Arc<str>,
    },
    /// Whole secrets, as many as one commit takes, each name once, else
    /// [`super::WalletError::Exists`]. One that is there already does as its
    /// [`SecretPut::there`] says.
    Secrets(Vec<SecretPut>),
    /// Removes a secret without fields; one with fields is [`super::WalletError::NotEmpty`]. With
    /// [`super::Options::trash`] it is kept for that time if its fields held something before. What
    /// was kept long enough goes in the same commit, as far as there is room.
    Remove {
        /// The secret.
        secret: Id,
    },
    /// Gives a secret another name. It keeps its id, its fields and their values.
    Move {
        /// The secret.
        secret: Id,
        /// Its new domain.
        domain: Arc<str>,
        /// Its new access: free, or held by `replace`, else [`super::WalletError::Exists`].
        access: Arc<str>,
        /// A secret without fields that holds the new name and goes in the same commit, as by
        /// [`Edit::Remove`].
        replace: Option<Id>,
    },
    /// Brings a secret back that was removed and is kept. Each field that is gone has the newest value
    /// again that it held before.
    BringBack {
        /// The secret; without such a one among those that were removed it is
        /// [`super::WalletError::NotFound`].
        secret: Id,
        /// As of [`Edit::Move`].
        domain: Arc<str>,
        /// As of [`Edit::Move`].
        access: Arc<str>,
        /// As of [`Edit::Move`].
        replace: Option<Id>,
    },
    /// Deletes for good what a field of a secret that was removed would come back with, and what it
    /// held before that. [`super::WalletError::NotFound`] if there is nothing.
    DiscardField {
        /// The secret, among those that were removed.
        secret: Id,
        /// The field.
        field: Field,
    },
    /// Deletes for good a secret that was removed; while there is something that it would come back
    /// with it is [`super::WalletError::NotEmpty`].
    Discard {
        /// The secret, among those that were removed.
        secret: Id,
    },
    /// Deletes secrets that were removed and kept long enough, as many as one commit takes.
    Expire,
    /// Seals secrets anew, under the newest key; nothing of them changes.
    Reseal(Vec<Id>),
    /// Gives every secret of a domain another domain.
    MoveDomain {
        /// The domain; without secrets it is [`super::WalletError::NotFound`].
        from: Arc<str>,
        /// The new one; with secrets it is [`super::WalletError::Exists`].
        to: Arc<str>,
    },
}

/// A secret that is put whole.
#[derive(Clone)]
pub struct SecretPut {
    /// Its domain.
    pub domain: Arc<str>,
    /// Its access.
    pub access: Arc<str>,
    /// Its fields.
    pub fields: BTreeMap<Field, FieldPut>,
    /// What becomes of a secret that has the name already.
    pub there: There,
}

/// A field of a secret that is put whole.
#[derive(Clone)]
pub struct FieldPut {
    /// The bytes, exact.
    pub value: Arc<SecretBytes>,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Owner's permission bits (others are dropped).
    pub mode: u32,
}

/// What becomes of a secret that is there already when one of its name is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// It stays as it is, and nothing is put.
    Kept,
    /// The fields that are put replace its own of the same names; its other fields stay.
    Overwritten,
}

/// A change of one field.
#[derive(Clone)]
pub struct FieldEdit {
    /// The secret it belongs to.
    pub secret: Id,
    /// The field.
    pub field: Field,
    /// What the field must be, or [`super::WalletError::FieldMoved`].
    pub expect: Expected,
    /// What becomes of it.
    pub change: FieldChange,
}

/// What an edit expects of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Any,
    /// That it does not exist.
    Absent,
    /// That its value last changed at this generation ([`super::FieldMeta::rev`]).
    Rev(u64),
}

/// What becomes of a field.
#[derive(Clone)]
pub enum FieldChange {
    /// Holds this value, made if it does not exist. A value that is there already is no conflict,
    /// so that a commit can be repeated after its outcome was lost; except an empty one where
    /// [`Expected::Absent`], else two devices could each believe to have made a lock file.
    Put {
        /// The bytes, exact.
        value: Arc<SecretBytes>,
        /// Modification time, nanoseconds since 1970.
        mtime_ns: i64,
        /// Owner's permission bits (others are dropped).
        mode: u32,
    },
    /// Other attributes, the same value.
    Attributes {
        /// Modification time, nanoseconds since 1970, or as it is.
        mtime_ns: Option<i64>,
        /// Owner's permission bits (others are dropped), or as they are.
        mode: Option<u32>,
    },
    /// Does not exist any more.
    Remove,
    /// Its value and attributes become those of another field, which they replace.
    MoveTo {
        /// The other field's secret.
        secret: Id,
        /// The other field.
        field: Field,
        /// What the other field must be, or [`super::WalletError::FieldMoved`] of it.
        expect: Expected,
    },
}

/// An edit that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The generation that holds it. An edit that changes nothing commits nothing and gives the
    /// generation at hand.
    pub generation: u64,
    /// The secret that [`Edit::Create`] made.
    pub created: Option<Id>,
    /// The `rev` that the field of the edit's first [`FieldChange::Put`] or
    /// [`FieldChange::MoveTo`] has now: what a later edit of it expects.
    pub rev: Option<u64>,
}
