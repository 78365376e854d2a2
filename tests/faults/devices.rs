//! Two devices change one wallet at the same time, on each kind of store: what becomes of each pair
//! of changes. The device that is late has not seen the other's change: what it believes outlives
//! the test.

use crate::mounts::*;
use crate::pair::{LONG, Pair, SHORT, expire};
use std::fs;
use std::io;

const FILES: [(&str, &[u8]); 3] = [("d/a/f", b"old"), ("d/a/g", b"other"), ("d/b/f", b"old")];

/// Opens `f` in `d/a` of the mount, and changes its content; it is closed later.
fn writer(mount: &Mount<'_>, content: &str) -> Companion {
    let script = format!(
        "
f = open('f', 'wb', 0); f.write(b'{content}'); print('written'); input()
print(name(f.close))"
    );
    let mut writer = Companion::python(&script, mount.path("d/a"));
    assert_eq!(writer.says(), "written");
    writer
}

/// What the close gives.
fn close(mut writer: Companion) -> String {
    writer.go_on();
    let said = writer.says();
    writer.end();
    said
}

/// Sorted names without the time of a conflict's.
fn stable(fields: Vec<String>) -> Vec<String> {
    let field = |field: String| match field.split_once(".conflict-") {
        Some((name, rest)) => format!("{name}.conflict={}", rest.split_once('=').unwrap().1),
        None => field,
    };
    fields.into_iter().map(field).collect()
}

/// Each pair of changes: the late device's call comes after the other's, which it has not seen.
fn late<T>(pair: &Pair, first: impl FnOnce(&Mount<'_>), second: impl FnOnce(&Mount<'_>) -> T) -> T {
    let (one, two) = pair.mount(&LONG, &LONG);
    // It believes to know everything.
    run(tool("find").arg(two.dir())).success();
    first(&one);
    one.settled();
    let came = second(&two);
    two.settled();
    came
}

fn rename(mount: &Mount<'_>, from: &str, to: &str) -> io::Result<()> {
    fs::rename(mount.path(from), mount.path(to))
}

/// Proves semantics 8.4.
#[test]
fn different_fields_of_one_secret_both_stay() {
    for pair in Pair::each(&FILES) {
        let (one, two) = pair.mount(&LONG, &LONG);
        let writer = writer(&two, "mine");
        one.write("d/a/g", "theirs");
        assert_eq!(close(writer), "ok", "{}", pair.store);
        assert_eq!(pair.fields("d", "a"), ["f=mine", "g=theirs"]);
        assert_eq!(pair.find().generation, pair.begin() + 2, "one commit each");
    }
}

/// Proves semantics 8.5.
#[test]
fn the_same_field_keeps_both_contents_and_says_so() {
    for pair in Pair::each(&FILES) {
        let (one, two) = pair.mount(&LONG, &LONG);
        let writer = writer(&two, "mine");
        one.write("d/a/f", "theirs");
        assert_eq!(close(writer), "ESTALE", "{}", pair.store);
        let fields = stable(pair.fields("d", "a"));
        assert_eq!(fields, ["f.conflict=mine", "f=theirs", "g=other"]);
        assert_eq!(two.read("d/a/f"), "theirs");
        drop((one, two));
        let log = pair.two.log();
        let told = log.matches("another device changed this file").count();
        assert_eq!(told, 1, "{log}");
        assert!(!pair.one.log().contains("another device changed"));
    }
}

/// Proves semantics 8.9.
#[test]
fn a_file_that_was_renamed_while_it_was_written() {
    for pair in Pair::each(&FILES) {
        let (one, two) = pair.mount(&LONG, &LONG);
        let writer = writer(&two, "mine");
        rename(&one, "d/a/f", "d/a/h").unwrap();
        assert_eq!(close(writer), "ESTALE", "{}", pair.store);
        let fields = stable(pair.fields("d", "a"));
        assert_eq!(fields, ["f.conflict=mine", "g=other", "h=old"]);
        drop((one, two));

        // The write came first: the rename takes it along.
        let came = late(
            &pair,
            |one| one.write("d/b/f", "theirs"),
            |two| rename(two, "d/b/f", "d/b/h"),
        );
        assert!(came.is_ok(), "{}: {came:?}", pair.store);
        assert_eq!(pair.fields("d", "b"), ["h=theirs"]);
    }
}

/// Proves semantics 8.10.
#[test]
fn a_secret_or_domain_that_was_renamed_while_a_file_was_written() {
    for (from, to) in [("d/a", "d/c"), ("d", "e"), ("d/a", "e/a")] {
        for pair in Pair::each(&FILES) {
            let (one, two) = pair.mount(&LONG, &LONG);
            let writer = writer(&two, "mine");
            if to == "e/a" {
                fs::create_dir(one.path("e")).unwrap();
            }
            rename(&one, from, to).unwrap();
            assert_eq!(close(writer), "ok", "{}: {from} to {to}", pair.store);
            let (domain, access) = match to {
                "e" => ("e", "a"),
                to => to.split_once('/').unwrap(),
            };
            assert_eq!(pair.fields(domain, access), ["f=mine", "g=other"]);
            drop((one, two));

            // The write came first: the rename takes it along.
            let there = format!("{domain}/{access}");
            let came = late(
                &pair,
                |one| one.write(&format!("{there}/f"), "theirs"),
                |two| rename(two, &there, &format!("{domain}/z")),
            );
            assert!(came.is_ok(), "{}: {came:?}", pair.store);
            assert_eq!(pair.fields(domain, "z"), ["f=theirs", "g=other"]);
        }
    }
}

/// Proves semantics 8.11, 8.7.
#[test]
fn a_file_that_was_removed_while_it_was_written() {
    for pair in Pair::each(&FILES) {
        let (one, two) = pair.mount(&LONG, &LONG);
        let writing = writer(&two, "mine");
        fs::remove_file(one.path("d/a/f")).unwrap();
        assert_eq!(close(writing), "ESTALE", "{}", pair.store);
        let fields = stable(pair.fields("d", "a"));
        assert_eq!(fields, ["f.conflict=mine", "g=other"]);
        drop((one, two));

        // The write came first: who removes a name removes what is there.
        let came = late(
            &pair,
            |one| one.write("d/b/f", "theirs"),
            |two| fs::remove_file(two.path("d/b/f")),
        );
        assert!(came.is_ok(), "{}: {came:?}", pair.store);
        assert_eq!(pair.fields("d", "b"), [""; 0]);
        // A secret goes only when nothing is in it.
        let came = late(
            &pair,
            |one| one.write("d/b/new", "theirs"),
            |two| fs::remove_dir(two.path("d/b")),
        );
        assert_eq!(errno(came), libc::ENOTEMPTY, "{}", pair.store);
        assert_eq!(pair.fields("d", "b"), ["new=theirs"]);

        // The whole secret was removed.
        let (one, two) = pair.mount(&LONG, &LONG);
        one.write("d/a/f", "old");
        fs::metadata(two.path("d/a")).unwrap();
        let (one, two) = {
            drop(two);
            (one, pair.two.mount("w", &LONG))
        };
        let writing = writer(&two, "mine");
        fs::remove_dir_all(one.path("d/a")).unwrap();
        assert_eq!(close(writing), "ESTALE", "{}", pair.store);
        assert_eq!(stable(pair.fields("d", "a")), ["f.conflict=mine"]);
    }
}

/// Proves semantics 8.12.
#[test]
fn a_file_that_was_removed_or_renamed_is_there_for_nobody_else() {
    for pair in Pair::each(&FILES) {
        let came = late(
            &pair,
            |one| fs::remove_file(one.path("d/a/f")).unwrap(),
            |two| rename(two, "d/a/f", "d/a/h"),
        );
        assert_eq!(errno(came), libc::ENOENT, "{}", pair.store);
        assert_eq!(pair.fields("d", "a"), ["g=other"]);
        let came = late(
            &pair,
            |one| rename(one, "d/a/g", "d/a/h").unwrap(),
            |two| fs::remove_file(two.path("d/a/g")),
        );
        assert_eq!(errno(came), libc::ENOENT, "{}", pair.store);
        assert_eq!(pair.fields("d", "a"), ["h=other"]);
    }
}

/// Proves semantics 8.6, 8.13.
#[test]
fn two_creators_of_one_name() {
    for pair in Pair::each(&FILES) {
        let (one, two) = pair.mount(&LONG, &LONG);
        let script = "
f = open('new', 'xb', 0); f.write(b'mine'); print('written'); input()
print(name(f.close))";
        let mut creator = Companion::python(script, two.path("d/a"));
        assert_eq!(creator.says(), "written");
        one.write("d/a/new", "theirs");
        assert_eq!(close(creator), "ESTALE", "{}", pair.store);
        let fields = stable(pair.fields("d", "a"));
        let expected = ["f=old", "g=other", "new.conflict=mine", "new=theirs"];
        assert_eq!(fields, expected);
        drop((one, two));

        let came = late(
            &pair,
            |one| fs::create_dir(one.path("d/new")).unwrap(),
            |two| fs::create_dir(two.path("d/new")),
        );
        assert_eq!(errno(came), libc::EEXIST, "{}", pair.store);
        assert_eq!(pair.secrets("d"), ["a", "b", "new"], "and no duplicate");
        // A domain of one name is one domain.
        late(
            &pair,
            |one| fs::create_dir_all(one.path("e/x")).unwrap(),
            |two| fs::create_dir_all(two.path("e/y")).unwrap(),
        );
        assert_eq!(pair.secrets("e"), ["x", "y"]);
    }
}

/// Proves semantics 8.14.
#[test]
fn a_domain_that_was_renamed_while_a_secret_was_made_in_it() {
    for pair in Pair::each(&FILES) {
        let came = late(
            &pair,
            |one| fs::create_dir(one.path("d/new")).unwrap(),
            |two| rename(two, "d", "e"),
        );
        assert!(came.is_ok(), "{}: {came:?}", pair.store);
        assert_eq!(pair.secrets("e"), ["a", "b", "new"], "it comes along");
        assert_eq!(pair.secrets("d"), [""; 0]);
        let came = late(
            &pair,
            |one| rename(one, "e", "d").unwrap(),
            |two| fs::create_dir(two.path("e/late")),
        );
        assert!(came.is_ok(), "{}: {came:?}", pair.store);
        assert_eq!(pair.secrets("d"), ["a", "b", "new"]);
        assert_eq!(pair.secrets("e"), ["late"], "the domain is there again");
        let came = late(
            &pair,
            |one| fs::create_dir_all(one.path("x/a")).unwrap(),
            |two| rename(two, "d", "x"),
        );
        assert_eq!(errno(came), libc::ENOTEMPTY, "{}", pair.store);
    }
}

/// Proves semantics 8.15.
#[test]
fn two_renames_that_meet() {
    for pair in Pair::each(&FILES) {
        let came = late(
            &pair,
            |one| rename(one, "d/a", "d/x").unwrap(),
            |two| rename(two, "d/a", "d/y"),
        );
        assert!(came.is_ok(), "{}: {came:?}", pair.store);
        assert_eq!(pair.secrets("d"), ["b", "y"], "the later one's");
        let came = late(
            &pair,
            |one| rename(one, "d/y", "d/z").unwrap(),
            |two| rename(two, "d/b", "d/z"),
        );
        assert!(
            [libc::EEXIST, libc::ENOTEMPTY].contains(&errno(came)),
            "{}: a secret that holds files is not replaced",
            pair.store
        );
        assert_eq!(pair.secrets("d"), ["b", "z"]);
        let came = late(
            &pair,
            |one| rename(one, "d/z/f", "d/z/h").unwrap(),
            |two| rename(two, "d/z/g", "d/z/h"),
        );
        assert!(came.is_ok(), "{}: {came:?}", pair.store);
        assert_eq!(pair.fields("d", "z"), ["h=other"], "as by one device");
    }
}

/// What the kernel has cached of the other device lives no longer than what the mount has.
/// Proves semantics 8.1.
#[test]
fn changes_are_seen_within_the_life_of_the_cache() {
    for pair in Pair::each(&FILES) {
        let (one, two) = pair.mount(&SHORT, &SHORT);
        let look = || {
            let size = |path: &str| fs::metadata(two.path(path)).map(|there| there.len()).ok();
            let value = |path: &str| fs::read_to_string(two.path(path)).ok();
            let first = size("d/a/f");
            let values = (value("d/a/f"), value("d/a/new"));
            // Reading has the kernel forget attributes: from here it has them until the end.
            assert_eq!(first, size("d/a/f"));
            (first, values, names(two.dir()))
        };
        let seen = |size, value: &str, new: Option<&str>, domains: &[&str]| {
            let domains = domains.iter().map(|domain| (*domain).into()).collect();
            let values = (Some(value.to_owned()), new.map(str::to_owned));
            (size, values, domains)
        };
        assert_eq!(look(), seen(Some(3), "old", None, &["d"]));
        one.write("d/a/f", "changed");
        one.write("d/a/new", "new");
        fs::create_dir_all(one.path("e/x")).unwrap();
        expire();
        let now = seen(Some(7), "changed", Some("new"), &["d", "e"]);
        assert_eq!(look(), now, "{}", pair.store);
        // And back.
        fs::remove_file(two.path("d/a/new")).unwrap();
        two.write("d/a/f", "x");
        expire();
        assert_eq!(one.read("d/a/f"), "x");
        assert!(!one.path("d/a/new").exists());
        assert_eq!(one.names("d/a"), ["f", "g"]);
    }
}
