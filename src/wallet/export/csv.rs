//! walletfs's own CSV (RFC 4180), a line a field, exact to the byte (see
//! [`crate::wallet::import::csv`]).

use super::{Growing, Leaving, Written, text};
use crate::wallet::Field;
use crate::wallet::import::csv::OWN;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Writes all there is.
pub fn csv(secrets: &[Leaving]) -> Written {
    let mut bytes = Growing::default();
    line(&mut bytes, &OWN);
    for secret in secrets {
        let (domain, access) = (&*secret.domain, &*secret.access);
        if secret.fields.is_empty() {
            line(&mut bytes, &[domain, access, "", "", "", ""]);
        }
        for (field, found) in &secret.fields {
            let (kind, key) = match field {
                Field::Uid => ("uid", ""),
                Field::Pwd => ("pwd", ""),
                Field::Info(key) => ("info", &**key),
            };
            match text(&found.value) {
                Some(text) => line(&mut bytes, &[domain, access, kind, key, text, ""]),
                None => {
                    let base64 = Zeroizing::new(STANDARD.encode(found.value.expose()));
                    line(&mut bytes, &[domain, access, kind, key, &base64, "base64"]);
                }
            }
        }
    }
    Written {
        bytes,
        left_out: Vec::new(),
    }
}

fn line(to: &mut Growing, cells: &[&str; 6]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            to.extend(b",");
        }
        quoted(to, cell);
    }
    to.extend(b"\r\n");
}

/// A cell, in quotes where it must be.
fn quoted(to: &mut Growing, cell: &str) {
    if !cell.contains(['"', ',', '\r', '\n']) {
        return to.extend(cell.as_bytes());
    }
    to.extend(b"\"");
    for (at, part) in cell.split('"').enumerate() {
        if at > 0 {
            to.extend(b"\"\"");
        }
        to.extend(part.as_bytes());
    }
    to.extend(b"\"");
}
