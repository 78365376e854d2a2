//! Exports: whole, private, and never in clear by accident.

use crate::program::{MEMORABLE, Machine, mode, say};
use crate::support::*;
use crate::terminal::Terminal;
use serde_json::{Value, json};
use std::fs;

/// Exports, and imports into a new wallet.
fn there_and_back(from: &Machine, format: &str, import: &str) -> Machine {
    let file = from.path(format!("there.{format}"));
    let file = file.to_str().unwrap();
    let args = ["export", "--format", format, "--plaintext", file];
    from.ok(&args);
    assert_eq!(mode(file.as_ref()), 0o600);
    let to = Machine::with_wallet();
    to.ok(&["import", "--from", import, file]);
    to
}

#[test]
fn what_is_exported_and_imported_again_is_equal() {
    let machine = Machine::with_fixture();
    for (format, import) in [
        ("json", "json"),
        ("csv", "csv"),
        ("bitwarden", "bitwarden"),
        ("secret-wallet-decrypted", "secret-wallet"),
    ] {
        let other = there_and_back(&machine, format, import);
        assert_eq!(other.holds(), truth(), "{format}");
    }
    // Sealed for a secret-wallet with the passwords of the fixture.
    let file = machine.path("sealed.json");
    let mut export = machine.with_passwords(["export", "--format", "secret-wallet"]);
    export
        .arg("--source-config")
        .arg(fixture("secretwallet.json"))
        .arg(&file);
    export
        .args(["--source-password-command", THEIR_MEMORABLE])
        .assert()
        .success();
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("xy67Gh!8") && text.contains("smart energy"));
    let other = Machine::with_wallet();
    let mut import = other.with_passwords(["import", "--from", "secret-wallet"]);
    import
        .arg("--source-config")
        .arg(fixture("secretwallet.json"))
        .arg(&file);
    import
        .args(["--source-password-command", THEIR_MEMORABLE])
        .assert()
        .success();
    assert_eq!(other.holds(), truth());
}

/// Bytes that are no text, empty values, names of every kind, a secret without fields.
fn awkward() -> Value {
    json!([
        {"domain": "d", "access": "bytes", "uid": "", "info": {
            "raw": {"base64": "AP8K"}, "quoted \",\r\n": "a \"b\", c\r\n", "euro": "€"}},
        {"domain": "d", "access": "empty", "info": {}},
        {"domain": "d/e", "access": "\u{1b}[2J", "pwd": "", "info": {"uid": "u", "pwd": "p"}},
    ])
}

#[test]
fn json_and_csv_are_exact() {
    let machine = Machine::with_wallet();
    let document = json!({"walletfs": 1, "secrets": awkward()});
    let file = machine.file("awkward.json", document.to_string());
    machine.ok(&["import", "--from", "json", &file]);
    assert_eq!(machine.holds(), awkward());
    for format in ["json", "csv"] {
        assert_eq!(there_and_back(&machine, format, format).holds(), awkward());
    }
    // The others say what they cannot hold, and write the rest.
    for (format, left_out) in [("bitwarden", 1), ("secret-wallet-decrypted", 2)] {
        let file = machine.path(format);
        let args = [
            "export",
            "--format",
            format,
            "--plaintext",
            file.to_str().unwrap(),
        ];
        let (code, out, err) = machine.said(&args);
        assert_eq!(code, 1);
        assert_eq!(
            out.matches("left out: \"d\" / \"bytes\": ").count(),
            left_out,
            "{out}"
        );
        assert!(out.contains("Wrote 3 secrets"), "{out}");
        assert!(
            err.contains(&format!("{left_out} values were left out")),
            "{err}"
        );
        assert!(!out.contains('\u{1b}'));
    }
}

#[test]
fn plaintext_goes_nowhere_by_accident() {
    let machine = Machine::with_fixture();
    for format in ["json", "csv", "bitwarden", "secret-wallet-decrypted"] {
        // A pipe, and a file without a word that this is meant.
        let file = machine.path("file");
        let (code, out, err) = machine.said(&["export", "--format", format]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains("terminal"), "{err}");
        let args = ["export", "--format", format, file.to_str().unwrap()];
        let (code, out, err) = machine.said(&args);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains("--plaintext"), "{err}");
        assert!(!file.exists());
    }
    // A file that is there, or a link, is not replaced.
    let there = machine.file("there", "mine");
    std::os::unix::fs::symlink("nowhere", machine.path("link")).unwrap();
    let link = machine.path("link");
    for file in [there.as_str(), link.to_str().unwrap()] {
        let (code, out, _) = machine.said(&["export", "--format", "json", "--plaintext", file]);
        assert_eq!((code, out.as_str()), (1, ""));
    }
    assert_eq!(fs::read(there).unwrap(), b"mine");
    // A file that cannot be written leaves nothing behind.
    let file = machine.path("no/such/file");
    let args = [
        "export",
        "--format",
        "json",
        "--plaintext",
        file.to_str().unwrap(),
    ];
    assert_eq!(machine.said(&args).0, 1);
}

#[test]
fn on_a_terminal_it_asks_first() {
    let machine = Machine::with_fixture();
    let mut like = machine.walletfs::<&str>([]);
    like.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE));
    for (answer, code) in [("y", 0), ("", 1), ("n", 1)] {
        let mut terminal = Terminal::run(&like, &["export", "--format", "csv"]);
        terminal
            .expect("Show 28 secrets in clear on this terminal? [y/N]: ")
            .line(answer);
        let (ended, screen) = terminal.end();
        assert_eq!(ended, code, "{screen}");
        assert_eq!(screen.contains("xy67Gh!8"), code == 0, "{screen}");
    }
}
