//! A ciphertext that AES-256-GCM opens under two keys: it does not commit to one (Dodis, Grubbs,
//! Ristenpart and Woodage, "Fast message franking", 2018; Len, Grubbs and Ristenpart, "Partitioning
//! oracle attacks", 2021). A store that could have a slot opened so would test two guessed passwords
//! by one attempt of the person.

use crate::head::RawHead;
use crate::scene::{DEVICE, Items, MEMORABLE, Scene, secret};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use walletfs::crypto::derive::{LABEL_KEYRING, SlotKeys, slot_keys};
use walletfs::crypto::{CryptoError, HeadMeta, KdfParams, Key, stretch, unlock};
use walletfs::store::Id;

const BLOCK: usize = 16;

/// Another password that a store takes for likely.
pub(crate) const GUESS: &str = "Guessed 33!";

/// A product in the field of GCM (NIST SP 800-38D, section 6.3).
fn times(x: u128, y: u128) -> u128 {
    let (mut z, mut v) = (0, y);
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            z ^= v;
        }
        v = (v >> 1) ^ ((0xe1 << 120) * (v & 1));
    }
    z
}

/// The inverse: the power of 2^128 - 2.
fn inverse(x: u128) -> u128 {
    let (mut square, mut product) = (times(x, x), 1 << 127);
    for _ in 1..128 {
        product = times(product, square);
        square = times(square, square);
    }
    product
}

fn open(key: &Key, nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes256Gcm::new(key.expose().into());
    let payload = Payload { msg: sealed, aad };
    cipher.decrypt(nonce.into(), payload).ok()
}

/// The tag of no text with this associated data.
fn tag(key: &Key, nonce: &[u8; 12], aad: &[u8]) -> u128 {
    let cipher = Aes256Gcm::new(key.expose().into());
    let payload = Payload { msg: b"", aad };
    let sealed = cipher.encrypt(nonce.into(), payload).unwrap();
    u128::from_be_bytes(sealed.try_into().unwrap())
}

/// What a key's tag is made of: the mask, and the key of GHASH.
fn parts(key: &Key, nonce: &[u8; 12]) -> (u128, u128) {
    let mask = tag(key, nonce, b"");
    // GHASH of one block of zeros: the block with the lengths, times the key.
    let length = 128 << 64;
    let h = times(tag(key, nonce, &[0; BLOCK]) ^ mask, inverse(length));
    (mask, h)
}

fn blocks(bytes: &[u8]) -> Vec<u128> {
    let block = |part: &[u8]| {
        let mut block = [0; BLOCK];
        block[..part.len()].copy_from_slice(part);
        u128::from_be_bytes(block)
    };
    bytes.chunks(BLOCK).map(block).collect()
}

/// A ciphertext with its tag that opens under both keys: `text` and one block more.
fn for_both(keys: [&Key; 2], nonce: &[u8; 12], aad: &[u8], text: &[u8]) -> Vec<u8> {
    assert_eq!(text.len() % BLOCK, 0);
    let lengths = ((aad.len() as u128 * 8) << 64) | ((text.len() + BLOCK) as u128 * 8);
    // All that GHASH takes in, with nothing in the place of the last block of text.
    let mut all = blocks(aad);
    all.extend(blocks(text));
    all.extend([0, lengths]);
    let [(mask1, h1), (mask2, h2)] = keys.map(|key| parts(key, nonce));
    let ghash = |h| all.iter().fold(0, |sum, block| times(sum ^ block, h));
    let squares = times(h1, h1) ^ times(h2, h2);
    let last = times(mask1 ^ ghash(h1) ^ mask2 ^ ghash(h2), inverse(squares));
    let tag = mask1 ^ ghash(h1) ^ times(last, times(h1, h1));
    [text, &last.to_be_bytes(), &tag.to_be_bytes()].concat()
}

fn keys_of(scene: &Scene, slot: &crate::head::RawSlot, password: &str) -> SlotKeys {
    let salt = slot.salt[..].try_into().unwrap();
    let [memory_kib, passes, lanes] = slot.kdf;
    let kdf = KdfParams {
        memory_kib,
        passes,
        lanes,
    };
    slot_keys(&stretch(&secret(password), &scene.key(), &salt, kdf).unwrap())
}

/// A head whose slot AES-GCM opens by the right memorable password and by [`GUESS`], with the proof of
/// one of them.
pub(crate) fn slot_for_two(scene: &Scene, proof_of: &str) -> Items {
    let mut items = scene.now.clone();
    let mut head = RawHead::of(&items);
    let slot = &mut head.slots[0];
    let both = [MEMORABLE, GUESS].map(|password| keys_of(scene, slot, password));
    let nonce: [u8; 12] = slot.nonce[..].try_into().unwrap();
    let aad = aad(&head.wallet_id, &slot.public());
    let keks = [&both[0].kek, &both[1].kek];
    slot.wrapped = for_both(keks, &nonce, &aad, &[0x5a; 2 * BLOCK]);
    for kek in keks {
        assert!(open(kek, &nonce, &aad, &slot.wrapped).is_some(), "it opens");
    }
    let proof = &both[usize::from(proof_of == GUESS)].proof;
    slot.proof = proof.expose().to_vec();
    head.put(&mut items);
    items
}

fn aad(wallet_id: &[u8], public: &[u8]) -> Vec<u8> {
    let lp = |x: &[u8]| [&(x.len() as u32).to_be_bytes()[..], x].concat();
    [LABEL_KEYRING, &lp(wallet_id), &lp(public)].concat()
}

/// AES-GCM opens the slot by two passwords; a wallet is opened by none but the one of the proof, and
/// so nobody learns of a second guess.
#[tokio::test]
async fn a_slot_commits_to_one_password() {
    assert_eq!(times(1 << 127, 0x1234), 0x1234);
    assert_eq!(times(0x1234, inverse(0x1234)), 1 << 127);
    assert_ne!(DEVICE, GUESS);
    let scene = Scene::new().await;
    for (items, passing) in scene.two_keys.iter().zip([MEMORABLE, GUESS]) {
        let head = HeadMeta::decode(&items[&Id::Head].meta).unwrap();
        for password in [MEMORABLE, GUESS, "Third 444!"] {
            let opened = unlock(&head, &scene.key(), &secret(password)).err();
            let past_the_proof = opened != Some(CryptoError::WrongPassword);
            assert_eq!(
                past_the_proof,
                password == passing,
                "{password}: {opened:?}"
            );
        }
    }
}
