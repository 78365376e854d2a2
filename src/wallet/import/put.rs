//! Putting many secrets: commits as large as the store takes, one after the other. Each is whole, so
//! whatever ends the work leaves a wallet in which a second run finds what is done.

use super::naming::Named;
use crate::wallet::{Edit, FieldPut, SecretPut, There, Wallet, WalletError};
use std::ops::ControlFlow;

/// The mode of a field whose source has none.
const MODE: u32 = 0o600;

/// Why not all of it was put.
#[derive(Debug)]
pub struct Stopped {
    /// How many secrets are in the wallet, the first ones.
    pub done: usize,
    /// What went wrong; nothing if the caller stopped it.
    pub why: Option<WalletError>,
}

/// The edits that put these secrets. `now_ns` is the time of a field whose source has none.
pub fn puts<'a>(
    secrets: impl IntoIterator<Item = &'a Named>,
    there: There,
    now_ns: i64,
) -> Vec<SecretPut> {
    let put = |named: &Named| SecretPut {
        domain: named.domain.clone(),
        access: named.access.clone(),
        fields: named
            .fields
            .iter()
            .map(|(field, found)| {
                let put = FieldPut {
                    value: found.value.clone(),
                    mtime_ns: found.mtime_ns.unwrap_or(now_ns),
                    mode: found.mode.unwrap_or(MODE),
                };
                (field.clone(), put)
            })
            .collect(),
        there,
    };
    secrets.into_iter().map(put).collect()
}

impl Wallet {
    /// Puts secrets in commits of as many as the store takes: 1 commit for 99 of ordinary size.
    /// After each, `step` is told how many are put, and may stop it.
    ///
    /// # Errors
    ///
    /// [`Stopped`] with the number of secrets that are put. After [`WalletError::Store`] the next
    /// ones may be put too.
    pub async fn import(
        &self,
        puts: &[SecretPut],
        mut step: impl FnMut(usize) -> ControlFlow<()> + Send,
    ) -> Result<(), Stopped> {
        // One change is the head's.
        let most = self.store.limits().changes - 1;
        let mut size = most;
        let mut done = 0;
        while done < puts.len() {
            let next = size.min(puts.len() - done);
            let edit = Edit::Secrets(puts[done..done + next].to_vec());
            match self.apply(edit).await {
                Ok(_) => done += next,
                // Too many bytes: known before anything is sent.
                Err(WalletError::TooMany) if next > 1 => {
                    size = next.div_ceil(2);
                    continue;
                }
                Err(why) => {
                    let why = Some(why);
                    return Err(Stopped { done, why });
                }
            }
            size = (2 * size).min(most);
            if step(done).is_break() && done < puts.len() {
                return Err(Stopped { done, why: None });
            }
        }
        Ok(())
    }
}
