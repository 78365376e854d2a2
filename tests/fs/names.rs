//! Names at each level, through the tree.

use super::harness::*;
use walletfs::fs::{Errno, Ino};

#[tokio::test]
async fn awkward_names_are_stored_and_found() {
    let d = Device::new().await;
    for secret in [
        "/mail/%2E%2E",
        "/https:%2F%2Fshop/joe@email.com",
        "/50% off/a b",
        "/%2Ewalletfs/é",
    ] {
        d.secret(secret).await;
        for field in [".hidden", "%2E", "%75id", "uid", "pin%2Fcode", "é", "%2525"] {
            d.put(&format!("{secret}/{field}"), field.as_bytes())
                .await
                .unwrap();
        }
    }
    let other = d.second().await;
    assert_eq!(other.ls("/").await.len(), 4);
    for domain in other.ls("/").await {
        for access in other.ls(&format!("/{domain}")).await {
            let dir = format!("/{domain}/{access}");
            let mut names = other.ls(&dir).await;
            for name in &names {
                assert_eq!(
                    other.cat(&format!("{dir}/{name}")).await.unwrap(),
                    name.as_bytes()
                );
            }
            names.sort();
            assert_eq!(
                names,
                ["%2525", "%2E", "%75id", ".hidden", "pin%2Fcode", "uid", "é"]
            );
        }
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_each_with_its_errno() {
    let d = Device::new().await;
    d.secret("/d/a").await;
    d.calls.take();
    let secret = d.ino("/d/a").await.unwrap();
    let long = "x".repeat(256);
    for (dir, name, expected) in [
        (Ino::ROOT, "%25", Errno::EINVAL),
        (d.ino("/d").await.unwrap(), "a%25", Errno::EINVAL),
        (secret, "%2575ID", Errno::EINVAL),
        (secret, long.as_str(), Errno::ENAMETOOLONG),
        (Ino::ROOT, long.as_str(), Errno::ENAMETOOLONG),
    ] {
        let name = name.as_bytes();
        assert_eq!(errno(d.fs.lookup(dir, name, SHELL).await), expected);
        if dir == secret {
            assert_eq!(
                errno(d.fs.create(dir, name, 0o600, WRITE, SHELL).await),
                expected
            );
        } else {
            assert_eq!(errno(d.fs.mkdir(dir, name).await), expected);
        }
    }
    assert_eq!(
        errno(d.fs.lookup(secret, b"\xff", SHELL).await),
        Errno::EILSEQ
    );
    assert_eq!(
        errno(d.fs.create(secret, b"\xff", 0o600, WRITE, SHELL).await),
        Errno::EILSEQ
    );
    assert_eq!(d.requests(), (0, 0, 0));
    let just = "y".repeat(255);
    d.put(&format!("/d/a/{just}"), b"x").await.unwrap();
    assert_eq!(d.ls("/d/a").await, [just]);
}

/// The wallet takes a key exactly when the codec can show it: the two layers have one rule.
#[test]
fn the_wallets_rule_and_the_codecs_agree() {
    use walletfs::fs::names::{Level, NAME_MAX, encode};
    let mut keys: Vec<String> = vec!["".into(), ".".into(), "uid".into(), ".walletfs".into()];
    for part in ["a", "/", "%", "%2F", "%25", "\0", "é", "%2E"] {
        for len in [84, 85, 86, 127, 128, 252, 253, 254, 255, 256] {
            keys.push(part.repeat(len));
            keys.push(format!("{}{part}", "a".repeat(len)));
        }
    }
    for key in keys {
        for level in [Level::Domain, Level::Access, Level::Info] {
            let shown = !key.is_empty() && encode(level, &key).len() <= NAME_MAX;
            assert_eq!(
                walletfs::wallet::name::check(&key).is_ok(),
                shown,
                "{level:?} {key:?}"
            );
        }
    }
}
