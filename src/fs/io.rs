//! Reading and writing: no store is ever waited for here, since a file's sealed content is at hand
//! from the moment it is opened.

use super::error::{Errno, FsError, FsResult};
use super::file::{Content, File, Name};
use super::inode::Place;
use super::open::{FileHandle, Handle};
use super::{Fh, Fs};
use crate::crypto::SecretBytes;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The largest scratch file, in bytes: it lives in memory only.
const SCRATCH_MAX: u64 = 4 << 20;

/// A part of a value, wiped when dropped.
pub struct Slice {
    value: SecretBytes,
    range: Range<usize>,
}

impl Slice {
    /// A part of `bytes`, of which nothing else is copied.
    pub(super) fn part(bytes: &[u8], offset: u64, size: usize) -> Self {
        let part = &bytes[range(bytes.len(), offset, size)];
        Slice::of(SecretBytes::copy_of(part), 0, part.len())
    }

    fn of(value: SecretBytes, offset: u64, size: usize) -> Self {
        let range = range(value.len(), offset, size);
        Slice { value, range }
    }

    /// The bytes that were asked for, fewer at the end of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.value.expose()[self.range.clone()]
    }
}

impl Fs {
    /// Reads up to `size` bytes at `offset`. `mapped` says that the kernel fills its page cache
    /// with them (for a private mapping).
    pub fn read(&self, fh: Fh, offset: u64, size: usize, mapped: bool) -> FsResult<Slice> {
        let handle = self.handle(fh)?;
        let handle = match &*handle {
            Handle::Own(own) => return Ok(own.read(offset, size, mapped)),
            Handle::File(handle) => handle,
        };
        let (body, field) = {
            let mut state = handle.file.state();
            state.mapped |= mapped;
            match &state.content {
                _ if offset >= state.size() => return Ok(Slice::of(nothing(), 0, 0)),
                Content::Plain(buffer) => {
                    return Ok(Slice::part(buffer.bytes(), offset, size));
                }
                Content::Sealed(body, field, _) => (body.clone(), field.clone()),
            }
        };
        Ok(Slice::of(self.wallet.value(&body, &field)?, offset, size))
    }

    /// Writes `data` at `offset` (at the end, if the handle appends) and gives the number of bytes.
    pub fn write(&self, fh: Fh, offset: u64, data: &[u8]) -> FsResult<usize> {
        let handle = self.handle(fh)?;
        let handle = writable(&handle)?;
        self.write_at(handle, (!handle.append).then_some(offset), data)
    }

    /// Writes back what was written through a shared mapping: at `offset`, also by a handle that
    /// appends.
    pub fn write_mapped(&self, fh: Fh, offset: u64, data: &[u8]) -> FsResult<usize> {
        let handle = self.handle(fh)?;
        self.write_at(writable(&handle)?, Some(offset), data)
    }

    fn write_at(&self, handle: &FileHandle, at: Option<u64>, data: &[u8]) -> FsResult<usize> {
        let file = &handle.file;
        let others = self.unsaved_beside(file);
        {
            let mut state = file.state();
            let offset = at.unwrap_or(state.size());
            let fits = match offset.checked_add(data.len() as u64) {
                Some(end) if end > state.size() => self.refuse_too_large(&state.name, end, &others),
                Some(_) => Ok(()),
                None => Err(TOO_LARGE),
            };
            fits.map_err(|e| state.refused(e))?;
            let buffer = state.plain(|body, field| self.open_value(body, field))?;
            buffer.write(usize::try_from(offset).map_err(|_| TOO_LARGE)?, data);
            let seq = state.changed(self.options.clock.wall_ns());
            handle.wrote_seq.store(seq, Ordering::Relaxed);
        }
        self.note_unsaved(file);
        Ok(data.len())
    }

    /// Refuses content of `len` bytes that the store could not take together with what `others` of
    /// the same secret will take: EFBIG, before anything of it is kept.
    pub(super) fn refuse_too_large(
        &self,
        name: &Name,
        len: u64,
        others: &[(Place, u64)],
    ) -> FsResult<()> {
        let fits = match name {
            Name::Stored(place) => {
                let mut sizes = vec![(place.field.clone(), Some(len))];
                let same = others
                    .iter()
                    .filter(|(other, _)| other.secret == place.secret);
                sizes.extend(same.map(|(other, size)| (other.field.clone(), Some(*size))));
                self.wallet.fits(place.secret, &sizes)
            }
            Name::Scratch(_) | Name::Gone => len <= SCRATCH_MAX,
        };
        if fits { Ok(()) } else { Err(TOO_LARGE) }
    }

    /// Places and sizes of the files that the store lacks, `file` itself left out. Comes before the
    /// file's state is locked.
    pub(super) fn unsaved_beside(&self, file: &Arc<File>) -> Vec<(Place, u64)> {
        let unsaved = self.unsaved_files().clone();
        let others = unsaved.iter().filter(|other| !Arc::ptr_eq(other, file));
        let places = others.filter_map(|other| {
            let state = other.state();
            match &state.name {
                Name::Stored(place) => Some((place.clone(), state.size())),
                Name::Scratch(_) | Name::Gone => None,
            }
        });
        places.collect()
    }
}

/// The handle, if it was opened for writing.
pub(super) fn writable(handle: &Handle) -> FsResult<&FileHandle> {
    match handle {
        Handle::File(handle) if handle.write => Ok(handle),
        _ => Err(FsError::new(Errno::EBADF, "not open for writing")),
    }
}

fn nothing() -> SecretBytes {
    SecretBytes::new(Vec::new())
}

fn range(len: usize, offset: u64, size: usize) -> Range<usize> {
    let start = usize::try_from(offset).map_or(len, |offset| offset.min(len));
    start..start.saturating_add(size).min(len)
}

pub(super) const TOO_LARGE: FsError = FsError::new(
    Errno::EFBIG,
    "the secret would be larger than the store takes",
);
