//! Many files in a secret, many secrets in a wallet.

use super::harness::*;
use std::sync::Arc;
use walletfs::crypto::SecretBytes;
use walletfs::fs::Errno;
use walletfs::wallet::{Edit, Expected, Field, FieldChange, FieldEdit};

/// Makes these files in the secret `/d/ACCESS`, in one commit.
async fn put_all(d: &Device, access: &str, keys: &[String]) {
    let secret = d.wallet.view().find("d", access).unwrap();
    let put = |key: &String| FieldEdit {
        secret,
        field: Field::Info(key.as_str().into()),
        expect: Expected::Absent,
        change: FieldChange::Put {
            value: Arc::new(SecretBytes::new(b"value".to_vec())),
            mtime_ns: 0,
            mode: 0o600,
        },
    };
    let edits = keys.iter().map(put).collect();
    d.wallet.apply(Edit::Fields(edits)).await.unwrap();
}

/// Two thousand info keys fit, and each can be read; names that are long are refused where the item
/// ends, when a file is created, and what was there stays.
#[tokio::test]
async fn two_thousand_info_keys() {
    let d = Device::new().await;
    d.secret("/d/a").await;
    let keys: Vec<_> = (0..2000).map(|i| format!("key {i}")).collect();
    put_all(&d, "a", &keys).await;
    let other = d.second().await;
    assert_eq!(other.ls("/d/a").await.len(), 2000);
    assert_eq!(other.cat("/d/a/key 1999").await.unwrap(), b"value");

    d.secret("/d/b").await;
    let key = |i: usize| format!("{i:03}{}", "x".repeat(252));
    let keys: Vec<_> = (0..750).map(key).collect();
    put_all(&d, "b", &keys).await;
    let mut there = keys.len();
    let refused = loop {
        match d.create(&format!("/d/b/{}", key(there)), WRITE).await {
            Ok(fh) => d.close(fh).await.unwrap(),
            Err(e) => break e.errno,
        }
        there += 1;
    };
    assert_eq!(refused, Errno::EFBIG);
    assert!(there > keys.len());
    assert_eq!(d.fs.unsaved(), Default::default());
    let other = d.second().await;
    assert_eq!(other.ls("/d/b").await.len(), there);
}
