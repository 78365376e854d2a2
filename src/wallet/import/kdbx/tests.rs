use super::*;
use crate::wallet::Field;

/// Made by pykeepass 4.2.0, with little work to derive the keys.
const ARGON2D: &[u8] = include_bytes!("../../../../tests/vectors/keepass/argon2d-aes256.kdbx");
const ARGON2ID: &[u8] = include_bytes!("../../../../tests/vectors/keepass/argon2id-chacha20.kdbx");
const WITH_FILE: &[u8] = include_bytes!("../../../../tests/vectors/keepass/key-file.kdbx");
const KEY_FILE: &[u8] = include_bytes!("../../../../tests/vectors/keepass/key.keyx");

fn credentials(password: &str, key_file: Option<&[u8]>) -> Credentials {
    Credentials {
        password: SecretBytes::new(password.as_bytes().to_vec()),
        key_file: key_file.map(|file| SecretBytes::new(file.to_vec())),
    }
}

fn right() -> Credentials {
    credentials("Kee Pass#1", None)
}

#[test]
fn databases_of_each_kind_open() {
    for (file, credentials) in [
        (ARGON2D, right()),
        (ARGON2ID, right()),
        (WITH_FILE, credentials("Kee Pass#1", Some(KEY_FILE))),
        (
            WITH_FILE,
            credentials(
                "Kee Pass#1",
                Some(&std::array::from_fn::<u8, 32, _>(|n| n as u8)),
            ),
        ),
    ] {
        let source = read(file, &credentials).unwrap();
        let names: Vec<_> = source
            .secrets
            .iter()
            .map(|found| (found.domain.as_str(), found.access.as_str()))
            .collect();
        assert!(
            names.contains(&("energy/gas & co", "smart <energy>")),
            "{names:?}"
        );
        assert!(names.contains(&("energy/gas & co", "empty")));
        assert_eq!(names.len(), 3);
        let found = source.secrets.iter().find(|f| f.access == "smart <energy>");
        let fields = &found.unwrap().fields;
        let expected: [(Field, &[u8]); 8] = [
            (Field::Uid, b"joe"),
            (Field::Pwd, "new päss".as_bytes()),
            (Field::Info("gas account".into()), b"G15003798"),
            (Field::Info("uid".into()), b"an info key"),
            (Field::Info("url".into()), b"https://a"),
            (Field::Info("notes".into()), b"two\nlines"),
            (Field::Info("tags".into()), b"t1;t2"),
            (Field::Info("a.bin".into()), b"\x00\xffbytes"),
        ];
        for (field, value) in &expected {
            assert_eq!(fields[field].value.expose(), *value, "{field:?}");
        }
        assert_eq!(fields.len(), expected.len());
        assert!(fields[&Field::Uid].mtime_ns.is_some());
        assert_eq!(source.left_out.len(), 2, "{:?}", source.left_out);
    }
}

#[test]
fn wrong_credentials_are_told_as_such() {
    for (file, credentials) in [
        (ARGON2D, credentials("Kee Pass#2", None)),
        (ARGON2D, credentials("Kee Pass#1", Some(KEY_FILE))),
        (WITH_FILE, right()),
        (WITH_FILE, credentials("Kee Pass#1", Some(b"another"))),
    ] {
        let refused = read(file, &credentials);
        assert!(matches!(refused, Err(SourceError::WrongPassword(_))));
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    for end in (0..ARGON2D.len()).step_by(61) {
        assert!(read(&ARGON2D[..end], &right()).is_err(), "{end}");
    }
    for at in (0..ARGON2D.len()).step_by(53) {
        let mut changed = ARGON2D.to_vec();
        changed[at] ^= 0x40;
        // The minor version is of no account to this reader, and signed with the rest.
        assert!(read(&changed, &right()).is_err(), "{at}");
    }
}

#[test]
fn a_file_cannot_ask_for_any_amount_of_work() {
    // Type u64, the name's length, the name, the value's length.
    for name in [b'M', b'I'] {
        let entry = [5, 1, 0, 0, 0, name, 8, 0, 0, 0];
        let at = ARGON2D.windows(10).position(|window| window == entry);
        let value = at.unwrap() + 10;
        let mut asking = ARGON2D.to_vec();
        asking[value..value + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        let refused = read(&asking, &right());
        assert!(matches!(refused, Err(SourceError::TooLarge(_))));
    }
}

#[test]
fn another_version_is_told_what_to_do() {
    let mut older = ARGON2D.to_vec();
    older[10] = 3;
    let told = read(&older, &right()).err().unwrap().to_string();
    assert!(told.contains("KDBX 4"), "{told}");
}
