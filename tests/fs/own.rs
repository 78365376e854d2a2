//! The mount's own files: secrets as JSON, one-time codes.

use crate::harness::*;
use serde_json::{Value, json};
use walletfs::crypto::TotpError;
use walletfs::fs::{Errno, Kind};
use walletfs::store::StoreError;
use walletfs::wallet::import::json as imported;

/// "12345678901234567890" and so on, in Base32: the keys of RFC 6238's vectors.
const SHA1: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const SHA256: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
const SHA512: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
                      GEZDGNBVGY3TQOJQGEZDGNA";

async fn device() -> Device {
    let d = Device::new().await;
    d.secret("/d/a").await;
    d
}

async fn parsed(d: &Device, path: &str) -> Value {
    serde_json::from_slice(&d.cat(path).await.unwrap()).unwrap()
}

/// A secret whole: the very form that `export` writes and `import` reads, values that are no text
/// included.
#[tokio::test]
async fn a_secret_is_shown_whole() {
    let d = device().await;
    d.put("/d/a/uid", b"joe").await.unwrap();
    d.put("/d/a/pwd", b"a\"b\n").await.unwrap();
    d.put("/d/a/%70wd", b"\xff\x00").await.unwrap();
    d.utimens("/d/a/uid", 1_580_545_623_600_000_000)
        .await
        .unwrap();
    let shown = parsed(&d, "/.walletfs/json/d/a.json").await;
    assert_eq!(
        [
            &shown["domain"],
            &shown["access"],
            &shown["uid"],
            &shown["pwd"]
        ],
        ["d", "a", "joe", "a\"b\n"]
    );
    assert_eq!(shown["info"], json!({"pwd": {"base64": "/wA="}}));
    assert_eq!(shown["modified"]["uid"], "2020-02-01T08:27:03.6Z");
    let keys: Vec<_> = shown.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["domain", "access", "uid", "pwd", "info", "modified"]);
    // It is an element of what `import` reads.
    let document = json!({"walletfs": 1, "secrets": [shown]}).to_string();
    let read = imported::read(document.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    let values = read.secrets[0].fields.values();
    let values: Vec<_> = values.map(|found| found.value.expose().to_vec()).collect();
    assert_eq!(values, [&b"joe"[..], b"a\"b\n", b"\xff\x00"]);
}

/// Content that is not stored yet shows as it does in the main tree; scratch files are no part of a
/// secret.
#[tokio::test]
async fn what_is_written_is_shown_at_once() {
    let d = device().await;
    d.put("/d/a/pwd", b"old").await.unwrap();
    let fh = d.open("/d/a/pwd", TRUNCATE).await.unwrap();
    d.write(fh, 0, b"new").unwrap();
    let scratch = d.create("/d/a/pwd~", WRITE).await.unwrap();
    d.write(scratch, 0, b"scratch").unwrap();
    let shown = parsed(&d, "/.walletfs/json/d/a.json").await;
    assert_eq!((&shown["pwd"], &shown["info"]), (&json!("new"), &json!({})));
    d.close(fh).await.unwrap();
    d.close(scratch).await.unwrap();
}

/// The names are those of the main tree, spelled alike; one that leaves no room for `.json` has no
/// such file. What has no `otpauth` is not among the codes.
#[tokio::test]
async fn names_are_those_of_the_main_tree() {
    let d = device().await;
    let long = "x".repeat(251);
    for secret in [
        "/d/a.json",
        "/d/%2E",
        "/%2Ewalletfs/..%2F",
        &format!("/d/{long}"),
    ] {
        d.secret(secret).await;
    }
    assert_eq!(d.ls("/.walletfs/json").await, ["%2Ewalletfs", "d"]);
    assert_eq!(
        d.ls("/.walletfs/json/d").await,
        ["%2E.json", "a.json", "a.json.json"]
    );
    assert_eq!(d.ls("/.walletfs/json/%2Ewalletfs").await, ["..%2F.json"]);
    assert_eq!(
        parsed(&d, "/.walletfs/json/d/%2E.json").await["access"],
        "."
    );
    for (path, refused) in [
        ("/.walletfs/json/d/a".to_owned(), Errno::ENOENT),
        ("/.walletfs/json/d/..json".into(), Errno::EINVAL),
        ("/.walletfs/json/d/%2e.json".into(), Errno::ENOENT),
        ("/.walletfs/json/none".into(), Errno::ENOENT),
        (
            format!("/.walletfs/json/d/{long}.json"),
            Errno::ENAMETOOLONG,
        ),
        ("/.walletfs/totp/d".into(), Errno::ENOENT),
    ] {
        assert_eq!(errno(d.ino(&path).await), refused, "{path}");
    }
    assert_eq!(d.ls("/.walletfs/totp").await, [""; 0]);
    d.put("/d/a.json/otpauth", b"").await.unwrap();
    for section in ["totp", "totp.json"] {
        assert_eq!(d.ls(&format!("/.walletfs/{section}")).await, ["d"]);
        assert_eq!(d.ls(&format!("/.walletfs/{section}/d")).await, ["a.json"]);
    }
    // A rename shows, and what is gone is gone.
    d.rename("/d/a.json", "/d/b").await.unwrap();
    assert_eq!(d.ls("/.walletfs/totp/d").await, ["b"]);
    d.unlink("/d/b/otpauth").await.unwrap();
    assert_eq!(d.ls("/.walletfs/totp").await, [""; 0]);
}

/// RFC 6238's vectors, read as files: SHA-1, SHA-256 and SHA-512, eight digits and six.
#[tokio::test]
async fn codes_are_those_of_rfc_6238() {
    let d = device().await;
    for (algorithm, key, codes) in [
        (
            "SHA1",
            SHA1,
            ["94287082", "07081804", "14050471", "89005924", "69279037"],
        ),
        (
            "SHA256",
            SHA256,
            ["46119246", "68084774", "67062674", "91819424", "90698825"],
        ),
        (
            "SHA512",
            SHA512,
            ["90693936", "25091201", "99943326", "93441116", "38618901"],
        ),
    ] {
        let times = [
            59,
            1_111_111_109,
            1_111_111_111,
            1_234_567_890,
            2_000_000_000,
        ];
        for digits in [6, 8] {
            let uri = format!(
                "otpauth://totp/Shop:joe?secret={key}&issuer=Shop&algorithm={algorithm}&digits={digits}\n"
            );
            d.put("/d/a/otpauth", uri.as_bytes()).await.unwrap();
            for (time, code) in times.into_iter().zip(codes) {
                let code = &code[8 - digits..];
                d.clock.turn_to(time);
                let shown = d.cat("/.walletfs/totp/d/a").await.unwrap();
                assert_eq!(
                    shown,
                    format!("{code}\n").into_bytes(),
                    "{algorithm} {time}"
                );
                let shown = parsed(&d, "/.walletfs/totp.json/d/a").await;
                let left = 30 - time % 30;
                let expected = json!({"code": code, "seconds_left": left, "period": 30});
                assert_eq!(shown, expected);
            }
        }
    }
    assert_eq!(d.fs.totp_error(), None);
}

/// A key that describes no codes is EINVAL, and the status says why, without a word of it.
#[tokio::test]
async fn what_describes_no_codes_is_refused() {
    let d = device().await;
    for (value, why) in [
        (&b"\xff\xfe"[..], TotpError::NotOtpauth),
        (b"otpauth://hotp/x?secret=AA&counter=1", TotpError::Counter),
        (b"otpauth://totp/x?secret=private1", TotpError::NotBase32),
    ] {
        d.put("/d/a/otpauth", value).await.unwrap();
        for section in ["totp", "totp.json"] {
            let refused = d.cat(&format!("/.walletfs/{section}/d/a")).await;
            let e = refused.unwrap_err();
            assert_eq!(e.errno, Errno::EINVAL);
            assert!(!e.to_string().contains("private"));
        }
        assert_eq!(d.fs.totp_error(), Some(why));
        assert!(!why.to_string().contains("private"));
    }
    let good = format!("otpauth://totp/x?secret={SHA1}");
    d.put("/d/a/otpauth", good.as_bytes()).await.unwrap();
    d.cat("/.walletfs/totp/d/a").await.unwrap();
    assert_eq!(d.fs.totp_error(), None);
}

/// What is read is an access to a secret; the list of domains is none.
/// Proves semantics 1.8.
#[tokio::test]
async fn they_count_as_accesses() {
    let d = device().await;
    d.put("/d/a/otpauth", b"x").await.unwrap();
    for (path, is_access) in [
        ("/.walletfs/json", false),
        ("/.walletfs/totp", false),
        ("/.walletfs/json/d", true),
        ("/.walletfs/json/d/a.json", true),
        ("/.walletfs/totp/d/a", true),
        ("/.walletfs/totp.json/d/a", true),
    ] {
        let ino = d.ino(path).await.unwrap();
        assert_eq!(d.fs.is_secret(ino), is_access, "{path}");
        let shown = d.fs.path(ino);
        let is_file = d.stat(path).await.unwrap().kind == Kind::File;
        assert_eq!(shown.as_deref(), is_file.then_some(&path[1..]));
    }
}

/// The size is known once it is open, and nothing about a file is kept by the kernel.
/// Proves semantics 1.8.
#[tokio::test]
async fn sizes_are_those_of_what_is_open() {
    let d = device().await;
    let path = "/.walletfs/json/d/a.json";
    let ino = d.ino(path).await.unwrap();
    let shown = d.fs.getattr(ino, SHELL).await.unwrap();
    assert_eq!((shown.attr.size, shown.attr.mode), (0, 0o400));
    assert!(shown.ttl.is_zero());
    let fh = d.open(path, READ).await.unwrap();
    let text = d.read(fh).unwrap();
    assert_eq!(d.stat(path).await.unwrap().size, text.len() as u64);
    // The text stays what it was when it was opened.
    d.put("/d/a/pwd", b"x").await.unwrap();
    assert_eq!(d.read(fh).unwrap(), text);
    assert_ne!(d.cat(path).await.unwrap(), text);
    // A mapping may have left pages with the kernel.
    d.fs.read(fh, 0, 4096, true).unwrap();
    assert_eq!(d.fs.mapped(), [ino]);
    assert!(d.fs.release(fh).await.unwrap().forget_pages);
    assert_eq!(d.stat(path).await.unwrap().size, 0);
}

/// No request where values are at hand, one where they are not; without a store what is at hand is
/// shown.
#[tokio::test]
async fn they_cost_what_a_read_costs() {
    let d = device().await;
    d.put("/d/a/pwd", b"x").await.unwrap();
    let second = d.second().await;
    second.cat("/.walletfs/json/d/a.json").await.unwrap();
    assert_eq!(second.requests(), (0, 0, 0));
    second.age();
    second.cat("/.walletfs/json/d/a.json").await.unwrap();
    assert_eq!(second.requests(), (1, 0, 0), "the head");
    second.faults.fail_all(StoreError::Deadline);
    second.age();
    second.cat("/.walletfs/json/d/a.json").await.unwrap();
}
