//! The keys of format 1: each derived by HKDF-SHA256-Expand (RFC 5869, section 2.3; the input keys
//! are uniform, so nothing is extracted) under a label of its own. A master key is never used
//! directly. A changed label is another format.

use super::Key;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Splits what both passwords give into `kek` and `proof`.
pub const LABEL_SLOT: &[u8] = b"walletfs 1 slot";
/// Begins the derivation from the recovery key.
pub const LABEL_RECOVERY: &[u8] = b"walletfs 1 recovery";
/// Begins the associated data of a wrapped keyring.
pub const LABEL_KEYRING: &[u8] = b"walletfs 1 keyring";
/// Begins the derivation of an item's key.
pub const LABEL_ITEM: &[u8] = b"walletfs 1 item";
/// The derivation of the key that the digest's terms are made with.
pub const LABEL_DIGEST: &[u8] = b"walletfs 1 digest";
/// Begins the associated data of an item's meta.
pub const LABEL_META: &[u8] = b"walletfs 1 meta";
/// Begins the associated data of an item's data.
pub const LABEL_DATA: &[u8] = b"walletfs 1 data";
/// Begins the associated data of the head's data.
pub const LABEL_HEAD: &[u8] = b"walletfs 1 head";

/// What one slot's password key gives.
pub struct SlotKeys {
    /// Wraps the keyring.
    pub kek: Key,
    /// Stored in the slot: commits it to this key, since AES-GCM alone does not.
    pub proof: Key,
}

/// `kek ‖ proof = Expand(stretched, "walletfs 1 slot")`.
pub fn slot_keys(stretched: &Key) -> SlotKeys {
    let mut both = Zeroizing::new([0; 64]);
    expand(stretched, &[LABEL_SLOT], both.as_mut());
    SlotKeys {
        kek: Key::build(|key| key.copy_from_slice(&both[..32])),
        proof: Key::build(|key| key.copy_from_slice(&both[32..])),
    }
}

/// What the recovery key gives for one slot, in the place of what both passwords give: nobody can
/// guess 256 random bits, so nothing is stretched.
/// `Expand(recovery key, "walletfs 1 recovery" ‖ lp(wallet_id) ‖ lp(salt))`.
pub fn recovered(recovery: &Key, wallet_id: &[u8; 16], salt: &[u8; 16]) -> Key {
    let (wallet_len, salt_len) = (lp(wallet_id), lp(salt));
    let info = [LABEL_RECOVERY, &wallet_len, wallet_id, &salt_len, salt];
    Key::build(|key| expand(recovery, &info, key))
}

/// `Expand(master, "walletfs 1 item" ‖ lp(wallet_id) ‖ lp(id))`; `id` is the text of the item's id,
/// `head` for the head.
pub fn item_key(master: &Key, wallet_id: &[u8; 16], id: &str, key: &mut [u8; 32]) {
    let (wallet_len, id_len) = (lp(wallet_id), lp(id.as_bytes()));
    let info = [LABEL_ITEM, &wallet_len, wallet_id, &id_len, id.as_bytes()];
    expand(master, &info, key);
}

/// `Expand(master, "walletfs 1 digest")`.
pub fn digest_key(master: &Key) -> Key {
    Key::build(|key| expand(master, &[LABEL_DIGEST], key))
}

/// The term of an item in the head's digest:
/// `HMAC-SHA256(digest_key, lp(id) ‖ version u64 ‖ SHA-256(meta))`.
pub fn digest_term(digest_key: &Key, id: &str, version: u64, meta: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(digest_key.expose())
        .expect("HMAC takes keys of any length");
    mac.update(&lp(id.as_bytes()));
    mac.update(id.as_bytes());
    mac.update(&version.to_be_bytes());
    mac.update(&super::sha256(meta));
    mac.finalize().into_bytes().into()
}

/// The length that precedes `x` in `lp(x)`: u32, big-endian.
pub(super) fn lp(x: &[u8]) -> [u8; 4] {
    u32::try_from(x.len())
        .expect("ids and the public parts of slots are short")
        .to_be_bytes()
}

fn expand(key: &Key, info: &[&[u8]], out: &mut [u8]) {
    Hkdf::<Sha256>::from_prk(key.expose())
        .expect("32 bytes are as long as the hash")
        .expand_multi_info(info, out)
        .expect("at most 64 bytes are asked for");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_purposes_and_places_differ() {
        let master = Key::from_bytes([7; 32]);
        let slot = slot_keys(&master);
        let item =
            |master: &Key, wallet, id| Key::build(|key| item_key(master, &[wallet; 16], id, key));
        let keys = [
            slot.kek,
            slot.proof,
            digest_key(&master),
            item(&master, 1, "head"),
            item(&master, 2, "head"),
            item(&master, 1, "00000000000000000000000000000000"),
            item(&Key::from_bytes([8; 32]), 1, "head"),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(*a != master);
            assert!(keys[i + 1..].iter().all(|b| a != b), "key {i}");
        }
    }

    #[test]
    fn a_digest_term_depends_on_all_that_it_names() {
        let key = Key::from_bytes([7; 32]);
        let term = digest_term(&key, "head", 1, b"meta");
        assert_ne!(term, digest_term(&key, "heae", 1, b"meta"));
        assert_ne!(term, digest_term(&key, "head", 2, b"meta"));
        assert_ne!(term, digest_term(&key, "head", 1, b"metb"));
        assert_ne!(
            term,
            digest_term(&Key::from_bytes([8; 32]), "head", 1, b"meta")
        );
    }
}
