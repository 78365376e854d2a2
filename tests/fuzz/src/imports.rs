//! What other managers leave.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::sync::{Arc, LazyLock};
use walletfs::crypto::{OsRandom, SecretBytes, SecretWalletKey};
use walletfs::fuzzing;
use walletfs::wallet::import::csv::Dialect;
use walletfs::wallet::import::kdbx::Credentials;
use walletfs::wallet::import::naming::{self, Named};
use walletfs::wallet::import::{
    self, Found, MOST_BYTES, MOST_FIELDS, MOST_SECRETS, Source, SourceError,
};
use walletfs::wallet::{Field, name};
use zip::write::SimpleFileOptions;

/// How many times as large as what they were read from values may be: a value may stand there
/// twice, and what is no text is written otherwise.
const MORE: usize = 4;

/// A table, as each program's.
pub fn csv(bytes: &[u8]) {
    for dialect in [
        Dialect::Generic,
        Dialect::Chrome,
        Dialect::Firefox,
        Dialect::OnePassword,
    ] {
        taken(import::csv::read(bytes, dialect), bytes.len());
    }
}

/// walletfs's own JSON.
pub fn json(bytes: &[u8]) {
    taken(import::json::read(bytes), bytes.len());
}

/// Bitwarden's JSON.
pub fn bitwarden(bytes: &[u8]) {
    taken(import::bitwarden::read(bytes), bytes.len());
}

/// A 1PUX archive: the bytes as they are, and an archive that has them as its document and as an
/// attached file.
pub fn onepux(bytes: &[u8]) {
    // What is packed may unpack to the largest source there is.
    taken(import::onepux::read(bytes), MOST_BYTES);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for entry in ["export.data", "files/d__f"] {
        archive.start_file(entry, options).expect("two names");
        archive.write_all(bytes).expect("memory takes everything");
    }
    let archive = archive.finish().expect("memory takes everything");
    // Each item may attach the file anew.
    let most = bytes.len() * bytes.len();
    taken(import::onepux::read(&archive.into_inner()), most);
}

/// KeePass's XML.
pub fn keepass(bytes: &[u8]) {
    taken(import::keepass::read(bytes), MOST_BYTES);
}

/// A KDBX file, its head, and what it holds once it is decrypted: behind the signatures no change
/// of a byte is accepted.
pub fn kdbx(bytes: &[u8]) {
    let credentials = Credentials {
        password: SecretBytes::new(b"Kee Pass#1".to_vec()),
        key_file: None,
    };
    taken(import::kdbx::read(bytes, &credentials), MOST_BYTES);
    let _ = fuzzing::kdbx_head(bytes);
    if let Some(source) = fuzzing::kdbx_body(bytes) {
        taken(Ok(source), MOST_BYTES);
    }
}

/// An entry of pass, whose path are its first line's parts.
pub fn pass(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |byte| *byte == b'\n');
    let path = String::from_utf8_lossy(halves.next().unwrap_or_default());
    let path: Vec<String> = path.split('/').map(str::to_owned).collect();
    let plain = SecretBytes::new(halves.next().unwrap_or_default().to_vec());
    let found = import::pass::entry("entry".into(), &path, plain, Some(1));
    taken(found.map(source_of), bytes.len());
}

/// A directory: each line is a path, and what follows a blank the content.
pub fn tree(bytes: &[u8]) {
    use walletfs::fs::names;
    let entries = bytes.split(|byte| *byte == b'\n').map(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b' ');
        let path = parts.next().unwrap_or_default();
        import::tree::Entry {
            path: path
                .split(|byte| *byte == b'/')
                .map(<[u8]>::to_vec)
                .collect(),
            content: parts
                .next()
                .map(|content| SecretBytes::new(content.to_vec())),
            mtime_ns: 1,
            mode: 0o600,
        }
    });
    let decode = |level, name: &[u8]| {
        let level = match level {
            import::tree::Level::Domain => names::Level::Domain,
            import::tree::Level::Secret => names::Level::Access,
            import::tree::Level::Key => names::Level::Info,
        };
        names::decode(level, name).ok()
    };
    taken(
        import::tree::read(entries.collect(), "top", &decode),
        bytes.len(),
    );
}

const DEVICE_KEY: &str = "-g_zSEciv5lzKgPFqMzaENSonNqFb-C6ek16QsAgnC0=";

/// The key of the secret-wallet in `tests/vectors`, whose values are among the seeds.
static KEY: LazyLock<SecretWalletKey> = LazyLock::new(|| {
    let secret = |text: &str| SecretBytes::new(text.as_bytes().to_vec());
    SecretWalletKey::derive(&secret(DEVICE_KEY), &secret("Memorable#1")).expect("both are Latin-1")
});

/// What the Python program secret-wallet saves, read open and sealed; and a value, opened and sealed.
pub fn secret_wallet(bytes: &[u8]) {
    use import::secret_wallet::Records;
    for key in [None, Some(&*KEY)] {
        if let Ok(records) = Records::from_json(bytes) {
            let sealing = records.sealing();
            let opens = records.open_with(&KEY);
            assert!(opens || sealing.sealed > 0, "a key of nothing is refused");
            taken(records.into_source(key), bytes.len());
        }
    }
    if let Ok(token) = std::str::from_utf8(bytes) {
        let _ = KEY.open(token);
    }
    if let Some(token) = KEY.seal(bytes, 1, &OsRandom) {
        let opened = KEY.open(&token).expect("it was just sealed");
        assert!(opened.expose() == bytes, "another value than was sealed");
    }
}

fn source_of(found: Found) -> Source {
    let mut source = Source::default();
    source.push(found).expect("one secret is not too many");
    source
}

/// What was read of `most` bytes: bounded, and what is proposed for names that cannot be can be.
fn taken(source: Result<Source, SourceError>, most: usize) {
    let Ok(source) = source else {
        return;
    };
    assert!(source.secrets.len() <= MOST_SECRETS);
    let mut shared = BTreeSet::new();
    let (mut names, mut values) = (0, 0);
    for found in &source.secrets {
        assert!(found.fields.len() <= MOST_FIELDS);
        names += found.domain.len() + found.access.len();
        for (field, value) in &found.fields {
            if let Field::Info(key) = field {
                names += key.len();
            }
            if shared.insert(Arc::as_ptr(&value.value)) {
                values += value.value.len();
            }
        }
    }
    assert!(names <= MOST_BYTES, "{names} bytes of names");
    let bound = most.saturating_mul(MORE);
    assert!(values <= bound, "{values} bytes of values from {most}");
    let secrets = source.secrets.len();
    let judged = naming::judge(source, "nowhere");
    assert!(judged.secrets.len() + judged.repeated == secrets);
    let mut names = BTreeSet::new();
    for Named {
        domain,
        access,
        fields,
        ..
    } in &judged.secrets
    {
        assert!(name::check(domain).is_ok() && name::check(access).is_ok());
        assert!(names.insert((domain, access)), "two secrets of one name");
        for field in fields.keys() {
            assert!(!matches!(field, Field::Info(key) if name::check(key).is_err()));
        }
    }
}
