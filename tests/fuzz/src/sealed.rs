//! What a store gives, and a backup's file.

use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};
use walletfs::crypto::{
    HeadMeta, KdfParams, Keyring, MAX_SLOTS, Random, RecoveryKey, Slot, Vault, unlock_by_recovery,
};
use walletfs::fuzzing;
use walletfs::wallet::backup::file;
use walletfs::wallet::record::{Data, Meta};

/// Bytes of no secret: the same at every run.
struct Fixed;

impl Random for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

const ID: &str = "000102030405060708090a0b0c0d0e0f";
const WALLET: [u8; 16] = [1; 16];

static VAULT: LazyLock<Vault> =
    LazyLock::new(|| Vault::new(WALLET, Keyring::new(&Fixed), Arc::new(Fixed)));

/// Accepted CBOR has one encoding: it is written as it was read.
pub fn cbor(bytes: &[u8]) {
    if let Some(written) = fuzzing::cbor(bytes) {
        assert!(written == bytes, "it is written otherwise than it was read");
    }
}

/// The parts of a head, of its slots and of the keyring that they wrap, each by itself.
pub fn head(bytes: &[u8]) {
    if let Ok(meta) = HeadMeta::decode(bytes) {
        assert!(meta.encode() == bytes, "another meta than was read");
        assert!((1..=MAX_SLOTS).contains(&meta.slots.len()));
        let slots = meta.slots.iter().filter_map(Slot::kdf);
        assert!(slots.chain([meta.kdf]).all(is_bounded));
        let opened = unlock_by_recovery(&meta, &RecoveryKey::new(&Fixed));
        assert!(opened.is_err(), "a slot that nobody made opens");
        let forged = VAULT.open_head(1, bytes, bytes);
        assert!(forged.is_err(), "a head that nobody sealed opens");
    }
    for written in [
        fuzzing::head_data(bytes),
        fuzzing::keyring(bytes).map(|keyring| keyring.expose().to_vec()),
    ] {
        assert!(written.is_none_or(|written| written == bytes));
    }
}

/// Whether the work is what `man/walletfs-format.5.md` allows.
fn is_bounded(kdf: KdfParams) -> bool {
    (19_456..=1_048_576).contains(&kdf.memory_kib)
        && (2..=16).contains(&kdf.passes)
        && (1..=16).contains(&kdf.lanes)
}

/// The parts of an item: what is sealed, the padding around it, and the seal.
pub fn item(bytes: &[u8]) {
    if let Ok(meta) = Meta::decode(bytes) {
        assert!(
            meta.encode().expose() == bytes,
            "another meta than was read"
        );
    }
    if let Ok(data) = Data::decode(bytes) {
        assert!(data.encode().expose() == bytes, "other data than was read");
    }
    let padded = fuzzing::padded(bytes);
    assert!(padded.is_none_or(|padded| padded == bytes));
    // Nobody but the holder of the keys makes a seal.
    let _ = Vault::epoch_of(bytes);
    assert!(VAULT.open_meta(ID, 1, bytes).is_err());
    assert!(VAULT.open_data(ID, bytes).is_err());
    // And what he seals opens in its place alone.
    let sealed = VAULT.seal_meta(ID, 1, bytes);
    assert!(sealed.len() == Vault::sealed_len(bytes.len()));
    let opened = VAULT.open_meta(ID, 1, &sealed);
    assert!(opened.is_ok_and(|plain| *plain == bytes));
    assert!(VAULT.open_meta(ID, 2, &sealed).is_err());
    assert!(VAULT.open_data(ID, &sealed).is_err());
}

/// A backup's file: the bytes as they are, and with the digest at their end that makes them whole.
pub fn backup(bytes: &[u8]) {
    let whole = [bytes, &Sha256::digest(bytes)[..]].concat();
    for bytes in [bytes, &whole] {
        let Ok((of, sealed)) = file::read(bytes) else {
            continue;
        };
        let mut written = Vec::new();
        file::write(&mut written, &of, &sealed).expect("memory takes everything");
        // A description of a later version may say more; nothing else is left out.
        assert!(written.len() <= bytes.len());
        let again = file::read(&written[..]).expect("what this version writes it reads");
        assert!(again == (of, sealed));
        for item in again.1.secrets() {
            assert!(
                VAULT
                    .open_meta(&item.id.text(), item.version, &item.meta)
                    .is_err()
            );
        }
    }
}
