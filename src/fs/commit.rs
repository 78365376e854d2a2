//! When content is stored, and what becomes of it if it cannot be.
//!
//! Content is committed whole: by fsync; by a close in the process that opened the file, once
//! something was done to it since; by any close once that process has ended; by the release at the
//! latest. So a shell's `dup2` before the write, and a child that inherited the descriptor, commit
//! nothing, and `echo x > f` is one commit. Content that could not be stored is kept, shown, and
//! tried again when somebody looks and at the lock.

use super::buffer::Buffer;
use super::error::{Errno, FsError, FsResult};
use super::file::{Content, File, Home, Name};
use super::inode::Place;
use super::io::{TOO_LARGE, writable};
use super::open::Handle;
use super::tree::field_name;
use super::{Fh, Fs};
use crate::crypto::SecretBytes;
use crate::store::Id;
use crate::wallet::{
    Applied, Body, Edit, Expected, Field, FieldChange, FieldEdit, WalletError, utc,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Content that exists in a mount only.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Unsaved {
    /// Files with content that was not committed yet.
    pub drafts: usize,
    /// Files whose commit failed.
    pub failed: usize,
    /// Scratch files.
    pub scratch: usize,
}

/// What one commit takes of a file.
struct Work {
    place: Place,
    expect: Expected,
    /// Up to where the file is stored once it is done.
    seq: u64,
    change: FieldChange,
    value: Option<Arc<SecretBytes>>,
    mtime_ns: i64,
    mode: u32,
}

impl Fs {
    /// A descriptor of the handle is closed, by the thread `tid`.
    pub async fn flush(&self, fh: Fh, tid: u32) -> FsResult<()> {
        let handle = self.handle(fh)?;
        let Handle::File(file_handle) = &*handle else {
            return Ok(());
        };
        if !file_handle.write {
            return Ok(());
        }
        let owes = {
            let state = file_handle.file.state();
            state.unsaved() && file_handle.owes(&state)
        };
        if !owes || !self.closes_for_good(file_handle.opener, tid) {
            return Ok(());
        }
        self.commit(&file_handle.file).await
    }

    /// Stores what the handle's file has unsaved.
    pub async fn fsync(&self, fh: Fh) -> FsResult<()> {
        let handle = self.handle(fh)?;
        match (writable(&handle), handle.file()) {
            (Ok(handle), _) => self.commit(&handle.file).await,
            // A reader's finds nothing of its own to store, but attributes may wait.
            (Err(_), Some(file)) if file.state().writers == 0 => self.commit(file).await,
            (Err(_), _) => Ok(()),
        }
    }

    /// What exists in this mount only.
    pub fn unsaved(&self) -> Unsaved {
        let mut unsaved = Unsaved::default();
        for file in self.unsaved_files().iter() {
            match file.state().failed {
                Some(_) => unsaved.failed += 1,
                None => unsaved.drafts += 1,
            }
        }
        let files = self.files();
        let scratch = files
            .values()
            .filter(|f| matches!(f.state().name, Name::Scratch(_)));
        unsaved.scratch = scratch.count();
        unsaved
    }

    /// Why files could not be stored, and how many for each reason, in the order of the reasons.
    pub fn failures(&self) -> BTreeMap<String, usize> {
        let mut failures = BTreeMap::new();
        for file in self.unsaved_files().iter() {
            if let Some(e) = &file.state().failed {
                *failures.entry(e.why.to_string()).or_default() += 1;
            }
        }
        failures
    }

    /// Tries to store everything that is unsaved, and gives the number of files that could not be.
    /// Commits under way are waited for.
    pub async fn store_unsaved(&self) -> usize {
        let files = self.unsaved_files().clone();
        for file in files {
            if let Err(e) = self.commit(&file).await {
                tracing::warn!("a file could not be stored: {e}");
            }
        }
        self.unsaved_files().len()
    }

    /// Stores what `file` has unsaved, in one commit.
    pub(super) async fn commit(&self, file: &Arc<File>) -> FsResult<()> {
        let _turn = file.turn.lock().await;
        self.commit_in_turn(file).await
    }

    /// As [`Fs::commit`], by a caller who has the file's turn.
    pub(super) async fn commit_in_turn(&self, file: &Arc<File>) -> FsResult<()> {
        if file.state().is_cut_short() {
            return Err(TOO_LARGE);
        }
        let Some(work) = self.work(file) else {
            return Ok(());
        };
        let edit = |expect| field_edit(&work, expect, work.change.clone());
        let first = edit(work.expect);
        let mut outcome = self.apply_with_waiting(file, &work.place, first).await;
        if let Err(WalletError::FieldMoved { .. }) = outcome
            && let Some(own) = self.own_earlier(file, &work).await
        {
            outcome = self.wallet.apply(Edit::Fields(vec![edit(own)])).await;
        }
        match outcome {
            Ok(applied) => {
                self.note_stored(file, work.seq, applied.rev, &work.place);
                Ok(())
            }
            Err(WalletError::FieldMoved { .. } | WalletError::NotFound) => {
                self.keep_beside(file, work).await
            }
            Err(e) => {
                if let (WalletError::Store(_), Some(_)) = (&e, &work.value) {
                    file.state().doubt(work.change);
                }
                Err(self.note_failed(file, e.into()))
            }
        }
    }

    /// What moved the field may be an earlier content of this very file, whose commit was made
    /// without this device hearing of it: then it is no other device's, and this is what to expect
    /// in its place. Putting it again changes nothing if it is there, and is refused if it is not.
    async fn own_earlier(&self, file: &File, work: &Work) -> Option<Expected> {
        let in_doubt = file.state().in_doubt.clone();
        for put in in_doubt.iter().rev() {
            if let Some(own) = self.own_empty(work, put) {
                return Some(own);
            }
            let edit = field_edit(work, work.expect, put.clone());
            if let Ok(applied) = self.wallet.apply(Edit::Fields(vec![edit])).await {
                return applied.rev.map(Expected::Rev);
            }
        }
        None
    }

    /// What to expect of a field that is this empty `put`, whose commit was made unheard of. An empty
    /// value tells nobody's from another's, as others do: its time, to the nanosecond, does.
    fn own_empty(&self, work: &Work, put: &FieldChange) -> Option<Expected> {
        let FieldChange::Put {
            value,
            mtime_ns,
            mode,
        } = put
        else {
            return None;
        };
        let view = self.wallet.view();
        let there = view
            .secret(work.place.secret)?
            .meta
            .fields
            .get(&work.place.field)?;
        let same = there.size == 0 && there.mtime_ns == *mtime_ns && there.mode == *mode;
        (value.is_empty() && same).then_some(Expected::Rev(there.rev))
    }

    /// Makes `edit` of `file`, together with the attributes that wait in its secret.
    async fn apply_with_waiting(
        &self,
        file: &Arc<File>,
        place: &Place,
        edit: FieldEdit,
    ) -> Result<Applied, WalletError> {
        let waiting = self.waiting_beside(file, place);
        let mut taken = Vec::with_capacity(waiting.len());
        let mut edits = vec![edit.clone()];
        for (other, there) in &waiting {
            // One whose turn is taken is at the store already.
            let Ok(turn) = other.turn.try_lock() else {
                continue;
            };
            let Some((seq, change)) = self.unsaved_attributes(other) else {
                continue;
            };
            edits.push(FieldEdit {
                secret: there.secret,
                field: there.field.clone(),
                expect: Expected::Any,
                change,
            });
            taken.push((other, there, seq, turn));
        }
        let alone = taken.is_empty();
        match self.wallet.apply(Edit::Fields(edits)).await {
            Ok(applied) => {
                for (other, there, seq, turn) in taken {
                    self.note_stored(other, seq, None, there);
                    drop(turn);
                    self.drop_if_idle(other);
                }
                Ok(applied)
            }
            // It may be the others' fault, and nothing was changed.
            Err(WalletError::FieldMoved { .. } | WalletError::NotFound | WalletError::TooLarge)
                if !alone =>
            {
                drop(taken);
                self.wallet.apply(Edit::Fields(vec![edit])).await
            }
            Err(e) => Err(e),
        }
    }

    /// A commit that failed is tried again, by nobody's call.
    pub(super) fn try_again(&self, file: &Arc<File>) {
        // Somebody is at it already, or this is the end of the mount.
        let (Ok(_), Some(fs)) = (file.turn.try_lock(), self.me.upgrade()) else {
            return;
        };
        let file = file.clone();
        self.options.runtime.spawn(async move {
            if fs.commit(&file).await.is_ok() {
                tracing::info!("a file that could not be stored before is stored now");
                fs.drop_if_idle(&file);
            }
        });
    }

    /// Content of which a part was refused is no content once nobody can complete it: the name shows
    /// again what the store has.
    pub(super) fn give_up_if_cut_short(&self, file: &Arc<File>) {
        let (seq, place) = {
            let state = file.state();
            match &state.name {
                Name::Stored(place) if state.is_cut_short() && state.writers == 0 => {
                    (state.seq, place.clone())
                }
                _ => return,
            }
        };
        self.supersede(file, seq, &place);
    }

    /// Keeps `file` among those that the store lacks, if it is one.
    pub(super) fn note_unsaved(&self, file: &Arc<File>) {
        if !file.state().unsaved() {
            return;
        }
        let mut unsaved = self.unsaved_files();
        if !unsaved.iter().any(|other| Arc::ptr_eq(other, file)) {
            unsaved.push(file.clone());
        }
    }

    /// The store has `file` up to `seq`, at `place`. Once it has all of it, the plaintext goes.
    pub(super) fn note_stored(&self, file: &Arc<File>, seq: u64, rev: Option<u64>, place: &Place) {
        let body = self.wallet.cached_body(place.secret);
        {
            let mut state = file.state();
            state.stored(seq, rev);
            if !state.unsaved()
                && let Content::Plain(_) = state.content
                && let Some(body) = body
                && let Some(size) = self.is_body_of(&body, place, state.base)
            {
                state.content = Content::Sealed(body, place.field.clone(), size);
            }
        }
        if rev.is_some() {
            self.note_lately(place);
        }
        self.note_clean(file);
    }

    /// Takes `file` from those that the store lacks, unless it was changed again meanwhile.
    pub(super) fn note_clean(&self, file: &Arc<File>) {
        self.unsaved_files()
            .retain(|f| !Arc::ptr_eq(f, file) || f.state().unsaved());
    }

    pub(super) fn open_value(&self, body: &Body, field: &Field) -> FsResult<Buffer> {
        Ok(Buffer::of(&self.wallet.value(body, field)?))
    }

    /// The size of the field at `place`, if `body` holds its value as of `base`.
    fn is_body_of(&self, body: &Body, place: &Place, base: Expected) -> Option<u64> {
        let view = self.wallet.view();
        let secret = view.secret(place.secret)?;
        let field = secret.meta.fields.get(&place.field)?;
        (body.hash == secret.meta.data_hash && base == Expected::Rev(field.rev))
            .then_some(field.size)
    }

    /// Whether a close by the thread `tid` is the opener's own, or the opener has ended.
    fn closes_for_good(&self, opener: Option<super::Process>, tid: u32) -> bool {
        let Some(opener) = opener else { return true };
        let processes = &self.options.processes;
        opener.0 == tid || processes.of_thread(tid) == Some(opener) || !processes.runs(opener)
    }

    /// What a commit of `file` takes to the store, as of now.
    fn work(&self, file: &File) -> Option<Work> {
        let state = file.state();
        if !state.unsaved() {
            return None;
        }
        let Name::Stored(place) = state.name.clone() else {
            return None;
        };
        let value = match &state.content {
            Content::Plain(buffer) if state.value_seq > state.stored_seq => {
                Some(Arc::new(buffer.to_value()))
            }
            _ => None,
        };
        let (mtime_ns, mode) = (state.mtime_ns, state.mode);
        let change = match &value {
            Some(value) => FieldChange::Put {
                value: value.clone(),
                mtime_ns,
                mode,
            },
            None => FieldChange::Attributes {
                mtime_ns: Some(mtime_ns),
                mode: Some(mode),
            },
        };
        let expect = if value.is_some() {
            state.base
        } else {
            Expected::Any
        };
        Some(Work {
            place,
            expect,
            seq: state.seq,
            change,
            value,
            mtime_ns,
            mode,
        })
    }

    fn note_failed(&self, file: &File, e: FsError) -> FsError {
        file.state().failed = Some(e.clone());
        e
    }

    /// Another device changed or removed the field meanwhile: its content stays, and this one is
    /// stored beside it as `NAME.conflict-<UTC time>`. The writer learns of it: ESTALE.
    async fn keep_beside(&self, file: &Arc<File>, work: Work) -> FsResult<()> {
        let stale = FsError::new(
            Errno::ESTALE,
            "another device changed this file; the content is kept beside it",
        );
        if let Some(value) = work.value {
            let put = FieldChange::Put {
                value,
                mtime_ns: work.mtime_ns,
                mode: work.mode,
            };
            let mut place = work.place.clone();
            let mut kept = self.put_beside(&place, put.clone()).await;
            if let Err(WalletError::NotFound) = kept {
                // The whole secret is gone: it is made again, for this content alone.
                kept = match self.make_again(&file.home).await {
                    Ok(secret) => {
                        place.secret = secret;
                        self.put_beside(&place, put).await
                    }
                    Err(e) => Err(e),
                };
            }
            if let Err(e) = kept {
                return Err(self.note_failed(file, e.into()));
            }
        }
        self.supersede(file, work.seq, &work.place);
        tracing::warn!("{stale}");
        Err(stale)
    }

    /// What `file` had up to `seq` is no longer meant for its name, which shows what the store has.
    pub(super) fn supersede(&self, file: &Arc<File>, seq: u64, place: &Place) {
        {
            let mut state = file.state();
            state.stored(seq, None);
            state.superseded = true;
        }
        self.note_clean(file);
        self.part(file, place);
    }

    /// The secret of this name, made now if there is none.
    async fn make_again(&self, home: &Home) -> Result<Id, WalletError> {
        let Home { domain, access } = home.clone();
        let found = |fs: &Fs| fs.wallet.view().find(&domain, &access);
        if let Some(secret) = found(self) {
            return Ok(secret);
        }
        let edit = Edit::Create {
            domain: domain.clone(),
            access: access.clone(),
        };
        match self.wallet.apply(edit).await {
            Ok(applied) => applied.created.ok_or(WalletError::NotFound),
            Err(WalletError::Exists) => found(self).ok_or(WalletError::NotFound),
            Err(e) => Err(e),
        }
    }

    async fn put_beside(&self, place: &Place, put: FieldChange) -> Result<(), WalletError> {
        let time = utc(self.options.clock.wall_ns());
        for attempt in 1..=9 {
            let field = Field::Info(conflict_key(&place.field, &time, attempt).into());
            let edit = FieldEdit {
                secret: place.secret,
                field,
                expect: Expected::Absent,
                change: put.clone(),
            };
            match self.wallet.apply(Edit::Fields(vec![edit])).await {
                Ok(_) => return Ok(()),
                Err(WalletError::FieldMoved { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        // Other devices took every name for the content beside the file.
        Err(WalletError::Contended)
    }
}

fn field_edit(work: &Work, expect: Expected, change: FieldChange) -> FieldEdit {
    FieldEdit {
        secret: work.place.secret,
        field: work.place.field.clone(),
        expect,
        change,
    }
}

/// The key of the info field that keeps content which lost to another device's, short enough to be
/// shown.
fn conflict_key(field: &Field, time: &str, attempt: u32) -> String {
    let again = if attempt == 1 {
        String::new()
    } else {
        format!("-{attempt}")
    };
    let suffix = format!(".conflict-{time}{again}");
    let mut key = match field {
        Field::Uid => "uid".to_owned(),
        Field::Pwd => "pwd".to_owned(),
        Field::Info(key) => key.to_string(),
    };
    let shown = |key: &str| field_name(&Field::Info(format!("{key}{suffix}").into())).len();
    while shown(&key) > super::names::NAME_MAX {
        key.pop();
    }
    key + &suffix
}
