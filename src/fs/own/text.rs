//! What the mount's own files show, made when one is opened. Of a secret they show what the main
//! tree does: what is stored, and over it what this mount has not stored yet.

use super::super::error::{Errno, FsError, FsResult};
use super::super::file::{Content, Name};
use super::super::inode::{Ino, Place};
use super::super::open::{Handle, OWN_FILE, OpenHow, Opened};
use super::super::tree::NOT_THERE;
use super::super::{Fs, LOCK};
use super::{OTPAUTH, Own, OwnFile, Section};
use crate::crypto::{Growing, SecretBytes, Totp, TotpError};
use crate::store::Id;
use crate::wallet::Field;
use crate::wallet::export::{Leaving, LeavingField, json_of_one};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The JSON of a code, keys in this order.
#[derive(Serialize)]
struct ShownCode<'a> {
    code: &'a str,
    seconds_left: u64,
    period: u64,
}

impl Fs {
    /// Opens one of the mount's own files.
    pub(in crate::fs) async fn open_own(
        &self,
        ino: Ino,
        own: &Own,
        how: OpenHow,
        tid: u32,
    ) -> FsResult<Opened> {
        if !own.is_file() {
            return Err(FsError::new(Errno::EISDIR, "a directory"));
        }
        if how.write || how.truncate {
            return Err(OWN_FILE);
        }
        let text = match own {
            Own::Secret(section, secret) => {
                self.freshen_to_open(tid, false).await?;
                self.text_of(*section, *secret).await?
            }
            Own::RemovedField(place) => {
                self.freshen_to_open(tid, false).await?;
                self.removed_value(place).await?
            }
            Own::PastValue(place, name) => {
                self.freshen_to_open(tid, false).await?;
                self.past_value(place, name).await?
            }
            _ => SecretBytes::new((self.options.status)().into_bytes()),
        };
        let fh = self.fh();
        let file = OwnFile {
            ino,
            text,
            mapped: AtomicBool::new(false),
        };
        self.handles().insert(fh, Arc::new(Handle::Own(file)));
        Ok(Opened { fh, flush: false })
    }

    /// Why the last one-time code that was asked for could not be made; `None` if it could.
    pub fn totp_error(&self) -> Option<TotpError> {
        *self.totp_error.lock().expect(LOCK)
    }

    async fn text_of(&self, section: Section, secret: Id) -> FsResult<SecretBytes> {
        let whole = self.whole(secret).await?;
        match section {
            Section::Json => Ok(text(json_of_one(&whole))),
            Section::Totp | Section::TotpJson => self.code(section, &whole),
            // It shows no secret as one file.
            Section::History | Section::Trash => Err(NOT_THERE),
        }
    }

    /// A secret as the main tree shows it, opened.
    async fn whole(&self, secret: Id) -> FsResult<Leaving> {
        let mut whole = self.wallet.open_secret(secret).await?;
        for field in self.fields_in_memory(secret) {
            let place = Place { secret, field };
            let Some(file) = self.in_memory(&place) else {
                continue;
            };
            let state = file.state();
            let (Name::Stored(_), mtime_ns) = (&state.name, state.mtime_ns) else {
                continue;
            };
            if let Content::Plain(buffer) = &state.content {
                let value = buffer.to_value();
                let found = LeavingField { value, mtime_ns };
                whole.fields.insert(place.field, found);
            } else if let Some(stored) = whole.fields.get_mut(&place.field) {
                stored.mtime_ns = mtime_ns;
            }
        }
        Ok(whole)
    }

    /// The one-time code of this moment.
    fn code(&self, section: Section, whole: &Leaving) -> FsResult<SecretBytes> {
        let otpauth = whole.fields.get(&Field::Info(OTPAUTH.into()));
        let otpauth = otpauth.ok_or(NOT_THERE)?;
        let totp = Totp::parse(otpauth.value.expose());
        *self.totp_error.lock().expect(LOCK) = totp.as_ref().err().copied();
        let totp = totp.map_err(|e| {
            // An errno alone would not tell what to correct.
            tracing::warn!("no one-time code: the otpauth of a secret is not one: {e}");
            FsError::new(Errno::EINVAL, "the secret's otpauth describes no codes")
        })?;
        let seconds = self.options.clock.wall_ns().div_euclid(1_000_000_000);
        // No clock of a computer stands before 1970 for long.
        let code = totp.code(u64::try_from(seconds).unwrap_or(0));
        let mut written = Growing::default();
        match section {
            Section::TotpJson => {
                let shown = ShownCode {
                    code: &code.text,
                    seconds_left: code.seconds_left,
                    period: totp.period(),
                };
                serde_json::to_writer(&mut written, &shown).expect("memory takes everything");
            }
            _ => written.extend(code.text.as_bytes()),
        }
        written.extend(b"\n");
        Ok(text(written))
    }
}

/// The bytes that were written.
fn text(written: Growing) -> SecretBytes {
    SecretBytes::copy_of(written.expose())
}
